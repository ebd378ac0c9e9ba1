"""Tables for people that several commands print. Text from programs is made inert here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from rich.table import Table
from rich.text import Text

from archive.records import Act, Elite
from sandbox.records import Score
from synth.claims import Word
from synth.cli.output import inert
from synth.holdout import Finalist, HoldoutReport
from synth.mechanisms import Mechanism

MOST_ACTS = 20
SPARKS = "▁▂▃▄▅▆▇█"


def interval(score: Score | None) -> str:
    """`0.83 [0.71, 0.95] n=8`, or a dash."""
    return "-" if score is None else f"{_bounds(score)} n={score.n}"


def leaderboard(elites: Sequence[Elite], rungs: Sequence[str]) -> Table:
    """Programs best first: the score of their highest rung with the number of its runs, and what is believed of one picked among many."""
    title = "Leaderboard (1 = the baseline, 0 = random play; believed: without the luck of being picked)"
    table = plain_table("", "id", "rung", "score", "believed [95 %]", "title", title=title)
    for place, elite in enumerate(elites, start=1):
        rung = rungs[elite.rung] if elite.rung < len(rungs) else str(elite.rung)
        score = "-" if elite.score is None else f"{elite.score.mean:.2f} n={elite.score.n}"
        table.add_row(str(place), elite.id, rung, score, _bounds(elite.believed), shown(elite.title))
    return table


def holdout_table(report: HoldoutReport) -> Table:
    """The final claim: a word is said of the baseline, and one of each reference, where the paired difference allows it."""
    runs = report.baseline.runs
    tasks = list(dict.fromkeys(run.task for run in runs))
    seeds, steps = len(runs) // max(1, len(tasks)), max((run.steps for run in runs), default=0)
    title = f"Hold-out {report.baseline.rung}, which the search never saw: {', '.join(tasks)}; {seeds} seeds each, {steps} steps"
    table = plain_table("", "score [95 %]", "minus the baseline", "references", title=title)
    for kind, entries in (("found", report.finalists), ("reference", report.references)):
        for entry in entries:
            table.add_row(shown(f"{kind} {entry.id}"), *_claim(entry, report.baseline_name))
    table.add_row(shown(f"baseline {report.baseline_name}"), _bounds(report.baseline.score), "", "")
    return table


def _bounds(score: Score | None) -> str:
    """`0.83 [0.71, 0.95]`, or a dash."""
    return "-" if score is None else f"{score.mean:.2f} [{score.low:.2f}, {score.high:.2f}]"


def _claim(entry: Finalist, baseline: str) -> tuple[Text, ...]:
    """Score, difference to the baseline with its word, and how it stands to the references."""
    if entry.evaluation.score is None:
        return shown(entry.evaluation.fault), *[Text("-")] * 2
    ours = [each for each in entry.against if each.rival == baseline]
    words = Counter(each.word for each in entry.against if each.rival != baseline)
    gaps = [f"{each.word} {each.difference.value:+.2f} [{each.difference.low:+.2f}, {each.difference.high:+.2f}]" for each in ours]
    others = ", ".join(f"{word} {words[word]}" for word in Word if words[word])
    return Text(_bounds(entry.evaluation.score)), Text(gaps[0] if gaps else "-"), Text(others or "-")


def people_table(acts: Sequence[Act]) -> Table:
    """What people did, newest last, and from which proposal on it holds."""
    table = plain_table("by people", "from proposal", "program", "")
    for act in acts[-MOST_ACTS:]:
        kind = f"{act.kind} idea" if act.kind in {"ban", "unban"} and act.program is None else act.kind
        table.add_row(kind, "the next" if act.number is None else str(act.number), act.program or "", shown(act.title, most=80))
    return table


def mechanism_line(mechanism: Mechanism) -> Text:
    """`re-evaluation: 12 programs evaluated again on fresh seeds`, and its warning."""
    line = Text(inert(f"{mechanism.name}: {mechanism.count} {mechanism.text}"))
    return line.append(inert(f"  warning: {mechanism.name}: {mechanism.warning}"), style="yellow") if mechanism.warning else line


def funnel_line(funnel: Mapping[str, int]) -> str:
    """`proposed 40 → parsed 38 → …`."""
    return " → ".join(f"{name} {count}" for name, count in funnel.items())


def sparkline(values: Iterable[float | None]) -> str:
    """A curve in one line; a dot where nothing was measured."""
    values = list(values)
    known = [value for value in values if value is not None]
    if not known:
        return "·" * len(values)
    low, span = min(known), max(known) - min(known) or 1.0
    return "".join("·" if value is None else SPARKS[int((value - low) / span * (len(SPARKS) - 1))] for value in values)


def shown(text: str, most: int = 60) -> Text:
    """One inert line of at most `most` characters."""
    line = " ".join(inert(text).split())
    return Text(line if len(line) <= most else line[: most - 1] + "…")


def plain_table(*columns: str, title: str | None = None) -> Table:
    """House style: no frame, headings dim; only the last column may wrap, so that ids can be copied from a narrow screen."""
    table = Table(*columns, title=title, title_justify="left", title_style="bold", box=None, header_style="dim", pad_edge=False)
    for column in table.columns[:-1]:
        column.no_wrap = True
    return table
