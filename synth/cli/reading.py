"""`lossmith top`, `show`, `diff` and `lineage`: what the archive knows about programs."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.syntax import Syntax
from rich.text import Text
from rich.tree import Tree

from archive.records import Elite, Result
from archive.store import SqliteArchive, default_path, open_archive
from sandbox.records import Evaluation, RefusalRecord, RunResult
from synth.card.archived import skill_cards
from synth.cli.campaigns import ArchiveOption, JsonOption, named
from synth.cli.output import console, emit_json, inert
from synth.cli.profile import profile
from synth.cli.tables import interval, leaderboard, plain_table, shown, sparkline
from synth.spec import CampaignSpec

IdArgument = Annotated[str, typer.Argument(metavar="ID", help="The beginning of a program's id.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    for command in (top, show, diff, lineage):
        app.command()(command)


def top(
    campaign: Annotated[str | None, typer.Argument(metavar="[NAME]", help="The campaign; the newest if not named.")] = None,
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="How many.")] = 10,
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """List a campaign's best programs, by rung reached, then by the lower end of what is believed of the score."""
    with _opened(archive) as opened:
        name = named(opened, campaign)
        rungs = [rung.name for rung in CampaignSpec.model_validate_json(opened.campaign_spec(name)).rung]
        elites = opened.top(name, count)
    if as_json:
        emit_json(elites)
    else:
        console.print(leaderboard(elites, rungs))


def show(program: IdArgument, archive: ArchiveOption = None, as_json: JsonOption = False) -> None:
    """Show one program: code, scores by rung and task, curves, diagnostics, lineage; or why it was refused."""
    with _opened(archive) as opened:
        elite = opened.find(program)
        result = opened.result(elite)
        skills = skill_cards(result, CampaignSpec.model_validate_json(opened.campaign_spec(elite.campaign)))
        mark, notes = opened.acts.mark(elite.campaign, elite.id), opened.acts.notes(elite.campaign, elite.id)
    if as_json:
        emit_json(_document(elite, result) | {"skills": skills, "mark": mark, "notes": notes})
        return
    origin = f"{elite.proposer}: {elite.operator}" + (f" of {', '.join(elite.parents)}" if elite.parents else "")
    console.print(Text(f"{elite.id}  {inert(elite.title)}", style="bold"))
    place = f"campaign {elite.campaign}, proposal {elite.number}, {origin}"
    console.print(Text(inert(f"{place}, {elite.children} children, evaluated {elite.evaluated} times"), style="dim"))
    if mark:
        console.print(
            Text({"pin": "Pinned: kept and chosen more often.", "ban": "Banned: never a parent, never claimed."}[mark], style="bold")
        )
    for note in notes:
        console.print(Text(inert(f"Note: {note.text}")))
    console.print(code(elite.text))
    console.print(Text("In flight: nothing is known of it yet.") if result is None else _findings(result))
    if (chart := profile({skill.task: None if skill.score is None else skill.score.mean for skill in skills})) is not None:
        console.print(chart)


def diff(
    first: Annotated[str, typer.Argument(metavar="A", help="The beginning of a program's id.")],
    second: Annotated[str, typer.Argument(metavar="B", help="Another one.")],
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what differs between two programs: text as a unified diff, scores side by side."""
    with _opened(archive) as opened:
        elites = opened.find(first), opened.find(second)
        results = [opened.result(elite) for elite in elites]
    one, other = elites
    lines = list(difflib.unified_diff(one.text.splitlines(), other.text.splitlines(), one.id, other.id, lineterm=""))
    if as_json:
        emit_json({"diff": lines, "programs": [_document(elite, result) for elite, result in zip(elites, results, strict=True)]})
        return
    console.print(Syntax(inert("\n".join(lines)), "diff", background_color="default") if lines else Text("The texts are the same."))
    console.print(_side_by_side(elites, results))


def lineage(
    program: IdArgument,
    depth: Annotated[int, typer.Option(min=1, max=100, help="How many generations.")] = 10,
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a program's ancestors as a tree."""
    with _opened(archive) as opened:
        ancestors = _ancestors(opened, opened.find(program), depth, set())
    if as_json:
        emit_json(ancestors)
    else:
        console.print(_tree(ancestors))


@contextmanager
def _opened(path: Path | None) -> Iterator[SqliteArchive]:
    archive = open_archive(default_path(path), create=False)
    try:
        yield archive
    finally:
        archive.close()


# ------------------------------------------------------------------------------------------------ one program
def code(text: str) -> Syntax:
    """A program's text, highlighted and inert."""
    return Syntax(inert(text).rstrip(), "python", line_numbers=True, background_color="default", word_wrap=True)


def _findings(result: Result) -> RenderableType:
    if result.refusal is not None:
        return _refusal(result.refusal)
    return Group(*(_evaluation(evaluation) for evaluation in result.evaluations))


def _refusal(refusal: RefusalRecord) -> Text:
    place = f" line {refusal.line}" if refusal.line else ""
    return Text(inert(f"Refused by {refusal.gate} ({refusal.code}){place}: {refusal.message} {refusal.remedy}"), style="red")


def _evaluation(evaluation: Evaluation) -> Group:
    heading = f"rung {evaluation.rung}: {interval(evaluation.score)}, {evaluation.device_seconds:.0f} device-seconds"
    if evaluation.saved and evaluation.bar is not None:
        heading += "; climbed as clearly good enough" if evaluation.won else f"; stopped as clearly below {evaluation.bar:.2f}"
        heading += f", {evaluation.saved} trainings saved"
    table = plain_table("task", "seed", "return", "curve", "loss", "entropy", "value error", "dead heads")
    seeds: Counter[str] = Counter()
    for run in evaluation.runs:
        table.add_row(*_run(run, seeds[run.task]))
        seeds[run.task] += 1
    fault = [Text(inert(f"{evaluation.verdict}: {evaluation.fault}"), style="red")] if evaluation.fault else []
    return Group(Text(heading, style="bold"), *fault, table)


def _run(run: RunResult, number: int) -> tuple[RenderableType, ...]:
    found = run.diagnostics
    return (
        shown(run.task),
        str(number),
        f"{run.final_return:.3g}",
        sparkline(point.score for point in run.curve),
        sparkline(found.loss),
        _number(found.entropy),
        _number(found.value_error),
        shown(", ".join(found.dead_heads) or "-"),
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def _document(elite: Elite, result: Result | None) -> dict[str, Any]:
    found = None if result is None else result.model_dump(mode="json", exclude={"traced", "campaign", "number", "program_id", "title"})
    return {**elite.model_dump(mode="json"), "result": found}


def _side_by_side(elites: tuple[Elite, Elite], results: list[Result | None]) -> RenderableType:
    table = plain_table("rung", *(elite.id for elite in elites))
    scores = [{} if result is None else {found.rung: found for found in result.evaluations} for result in results]
    for rung in dict.fromkeys([*scores[0], *scores[1]]):
        table.add_row(rung, *(interval(found[rung].score) if rung in found else "-" for found in scores))
    return table


# ------------------------------------------------------------------------------------------------ ancestors
def _ancestors(archive: SqliteArchive, elite: Elite, depth: int, seen: set[str]) -> dict[str, Any]:
    """The tree as nested dicts. Whoever stands in it twice has its parents once: two lines may share ancestors, and a text proposed
    again may even be its own.
    """
    parents = dict.fromkeys(elite.parents) if depth > 1 and elite.id not in seen else ()
    seen.add(elite.id)
    return {
        "id": elite.id,
        "title": elite.title,
        "operator": elite.operator,
        "score": elite.score,
        "parents": [_ancestors(archive, archive.find(parent), depth - 1, seen) for parent in parents],
    }


def _tree(node: dict[str, Any], tree: Tree | None = None) -> Tree:
    label = Text.assemble(
        (node["id"], "bold"), "  ", interval(node["score"]), "  ", shown(node["title"]), "  ", (inert(node["operator"]), "dim")
    )
    branch = Tree(label) if tree is None else tree.add(label)
    for parent in node["parents"]:
        _tree(parent, branch)
    return branch
