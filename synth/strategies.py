"""Does evolution help? One spec under several strategies, compared at equal budgets.

What stands for a campaign is the program that its search ranked first, judged on the hold-out: choosing the best on the hold-out itself
would flatter whoever has more luck there. Where a spec has no hold-out, the search's own scores are all there is, and they flatter.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archive.base import Archive
from archive.records import Elite, Spent
from archive.statistics import Estimate
from sandbox.evaluate import returns_by_task
from sandbox.randomness import numpy_stream
from sandbox.records import Record, Score
from sandbox.score import Anchor, normalise_runs
from synth.claims import Word, compare
from synth.holdout import HoldoutReport, read_holdout
from synth.remembered import random_runs
from synth.spec import CampaignSpec

FREE = ("campaign.name", "campaign.seed", "search.strategy")
"""Where specs that are compared may differ."""


class Contender(Record):
    """One campaign: its claim, and what it took. `proposal` is the number of the program that the search ranked first."""

    campaign: str
    strategy: str
    seed: int
    evaluations: int
    device_seconds: float
    spent: Spent
    proposals: int
    best: str | None = None
    title: str = ""
    proposal: int | None = None
    rung: str = ""
    search: Score | None = None  # on that rung
    holdout: Score | None = None


class Duel(Record):
    """One campaign's claim against another's; `difference` is known where both have trainings on the hold-out that can be compared."""

    one: str
    other: str
    word: Word
    difference: Estimate | None = None


class Comparison(Record):
    """All of it. `equal`: the numbers of evaluations differ by one at the most. `differs`: places where the specs do, beside FREE."""

    contenders: tuple[Contender, ...]
    duels: tuple[Duel, ...]
    equal: bool
    differs: tuple[str, ...]
    on_holdout: bool


class Entrant(Record):
    """A contender with its normalised runs on the hold-out, task by task; empty where they are not known."""

    contender: Contender
    runs: dict[str, tuple[float, ...]]


def compare_strategies(entries: Sequence[tuple[Archive, CampaignSpec]]) -> Comparison:
    """`entries` are campaigns with the archives that hold them, at least two."""
    entrants = [_entrant(archive, spec) for archive, spec in entries]
    counts = [entrant.contender.evaluations for entrant in entrants]
    among = len(entrants) * (len(entrants) - 1) // 2
    seed = entries[0][1].campaign.seed
    duels = (_duel(one, other, among, seed) for one, other in itertools.combinations(entrants, 2))
    return Comparison(
        contenders=tuple(entrant.contender for entrant in entrants),
        duels=tuple(duel for duel in duels if duel is not None),
        equal=max(counts) - min(counts) <= 1,
        differs=tuple(sorted({place for _, spec in entries for place in _differences(entries[0][1], spec)})),
        on_holdout=all(entrant.contender.holdout is not None for entrant in entrants),
    )


def _entrant(archive: Archive, spec: CampaignSpec) -> Entrant:
    name = spec.campaign.name
    report = read_holdout(archive, name)
    contender = Contender(
        campaign=name,
        strategy=spec.search.strategy,
        seed=spec.campaign.seed,
        evaluations=archive.funnel(name, ())["novel"],
        device_seconds=archive.activity(name).device_seconds,
        spent=archive.letters.spent(name),
        proposals=archive.progress(name)[0],
    )
    best = _claimed(archive, name, report)
    if best is not None:
        fields = {"best": best.id, "title": best.title, "proposal": best.number, "rung": spec.rung[best.rung].name, "search": best.score}
        contender = contender.model_copy(update=fields)
    if report is None or not report.finalists:
        return Entrant(contender=contender, runs={})
    contender = contender.model_copy(update={"holdout": report.finalists[0].evaluation.score})
    return Entrant(contender=contender, runs=_normalised(archive, spec, report))


def _claimed(archive: Archive, name: str, report: HoldoutReport | None) -> Elite | None:
    """Whom the search ranked first when the hold-out was judged, else now."""
    if report is not None and report.finalists:
        return archive.find(report.finalists[0].id, name)
    return next(iter(archive.top(name, 1)), None)


def _normalised(archive: Archive, spec: CampaignSpec, report: HoldoutReport) -> dict[str, tuple[float, ...]]:
    """The first finalist's runs; empty where it has no score, or this version of the trainer does not know random play's runs."""
    assert spec.holdout is not None, "what has a report has a hold-out"
    first = report.finalists[0].evaluation
    played: dict[str, list[float]] = {}
    for run in random_runs(archive, spec, spec.holdout):
        played.setdefault(run.task, []).extend(run.episode_returns)
    rival = {task: [x for run in report.baseline.runs if run.task == task for x in run.episode_returns] for task in spec.holdout.tasks}
    if first.score is None or set(played) != set(spec.holdout.tasks):
        return {}
    anchors = {task: Anchor(task=task, random=tuple(played[task]), baseline=tuple(rival[task])) for task in spec.holdout.tasks}
    return {task: tuple(normalise_runs(returns, anchors[task])) for task, returns in returns_by_task(first).items()}


def _duel(one: Entrant, other: Entrant, among: int, seed: int) -> Duel | None:
    """Trainings with the same seeds are paired. Where the runs are not known, a word is said only of intervals that do not touch."""
    ours, theirs = one.contender, other.contender
    names = {"one": ours.campaign, "other": theirs.campaign}
    if one.runs and other.runs and _shape(one.runs) == _shape(other.runs):
        sides = [[_array(side.runs[task]) for task in sorted(one.runs)] for side in (one, other)]
        stream = numpy_stream(seed, "strategies", ours.campaign, theirs.campaign)
        found = compare(theirs.campaign, sides[0], sides[1], stream, among)
        return Duel(**names, word=found.word, difference=found.difference)
    if ours.holdout is not None and theirs.holdout is not None:
        return Duel(**names, word=_apart(ours.holdout, theirs.holdout))
    if ours.search is not None and theirs.search is not None and ours.rung == theirs.rung:
        return Duel(**names, word=_apart(ours.search, theirs.search))
    return None


def _shape(runs: dict[str, tuple[float, ...]]) -> dict[str, int]:
    return {task: len(values) for task, values in runs.items()}


def _array(values: Sequence[float]) -> NDArray[np.float64]:
    return np.asarray(values, dtype=np.float64)


def _apart(ours: Score, theirs: Score) -> Word:
    return Word.BETTER if ours.low > theirs.high else Word.WORSE if ours.high < theirs.low else Word.LEVEL


def _differences(one: CampaignSpec, other: CampaignSpec) -> Iterator[str]:
    ours, theirs = (dict(_leaves(spec.model_dump(mode="json"))) for spec in (one, other))
    for place in ours.keys() | theirs.keys():
        if place not in FREE and ours.get(place) != theirs.get(place):
            yield place


def _leaves(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Every number and word of a document, with its place such as `rung.0.steps`."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if items is None:
        yield place, value
        return
    for key, inner in items:
        yield from _leaves(inner, f"{place}.{key}" if place else str(key))
