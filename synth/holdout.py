"""The final claim: the best few against the baseline and the references, on tasks and seeds that the search never saw.

Who is judged is chosen by the search's scores alone, and what is said of them by the hold-out's alone: the two share no training. The same
spec and archive give the same report, since seeds and the streams of every interval derive from the campaign's seed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from archive.base import Archive
from archive.statistics import optimality_gap, performance_profile
from sandbox.evaluate import Memory, returns_by_task
from sandbox.intervals import Array
from sandbox.randomness import numpy_stream
from sandbox.records import Evaluation, Record, Rule, Rung, Traced
from sandbox.score import Anchor, normalise_runs
from synth.anchors import baseline_rule
from synth.claims import Comparison, compare
from synth.pipeline import Judge
from synth.spec import CampaignSpec

KEY = "holdout"
PROFILE = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5)  # thresholds of the performance profile


class Finalist(Record):
    """One program on the hold-out. What is said beside its evaluation is empty where a training failed."""

    id: str
    title: str
    evaluation: Evaluation
    against: tuple[Comparison, ...] = ()  # the baseline first, then the references
    optimality_gap: float | None = None  # mean shortfall from the baseline
    profile: tuple[float, ...] = ()  # share of runs above each of PROFILE


class HoldoutReport(Record):
    """What the hold-out said, after `told` results. The baseline is scored like the others: its interval is that of its own seeds."""

    told: int
    baseline_name: str
    baseline: Evaluation
    finalists: tuple[Finalist, ...]
    references: tuple[Finalist, ...] = ()  # against the baseline alone
    thresholds: tuple[float, ...] = PROFILE


class Entry(Record):
    """Who enters: a name for people and one for tables."""

    id: str
    title: str
    rule: Rule


def read_holdout(archive: Archive, campaign: str) -> HoldoutReport | None:
    """The last report, if there is one, without those whom a person has banned since: they are claimed no more."""
    report = _kept(archive, campaign)
    banned = set(archive.acts.marked(campaign, "ban")) if report is not None else set()
    if report is None or not banned:
        return report
    return report.model_copy(update={"finalists": tuple(finalist for finalist in report.finalists if finalist.id not in banned)})


def _kept(archive: Archive, campaign: str) -> HoldoutReport | None:
    kept = archive.get_value(campaign, KEY)
    return HoldoutReport.model_validate_json(kept) if kept else None


def holdout_is_due(archive: Archive, spec: CampaignSpec) -> bool:
    """Whether there is a hold-out, something to judge on it, and no report on what the archive now knows and people want."""
    name = spec.campaign.name
    if spec.holdout is None or not archive.top(name, 1):
        return False
    report = _kept(archive, name)
    return report is None or report.told != archive.progress(name)[1] or report != read_holdout(archive, name)


def judge_finalists(archive: Archive, judge: Judge, spec: CampaignSpec, memory: Memory) -> HoldoutReport:
    """Trains the best few as the archive ranks them, the references and the baseline, and keeps the report in the archive."""
    rung = spec.holdout
    assert rung is not None, "the caller has asked whether it is due"
    baseline = baseline_rule(judge, spec, spec.all_rungs)
    finalists, references = _finalists(archive, spec, baseline), _references(judge, spec)
    entries = [Entry(id=spec.baseline, title="", rule=baseline), *finalists, *references]
    evaluations = _trained(entries, lambda place, rule: judge.evaluate(rule, rung, baseline, memory, priority=place))
    table = Table(spec, rung, judge.anchors(rung, baseline, memory), entries, evaluations)
    rivals = [spec.baseline, *(entry.id for entry in references)]
    report = HoldoutReport(
        told=archive.progress(spec.campaign.name)[1],
        baseline_name=spec.baseline,
        baseline=evaluations[0],
        finalists=tuple(table.row(entry, rivals, len(finalists)) for entry in finalists),
        references=tuple(table.row(entry, rivals[:1], 1) for entry in references),
    )
    archive.set_value(spec.campaign.name, KEY, report.model_dump_json())
    return report


class Table:
    """The scores of all entries, and what they say of one another."""

    def __init__(
        self, spec: CampaignSpec, rung: Rung, anchors: dict[str, Anchor], entries: Sequence[Entry], evaluations: Sequence[Evaluation]
    ) -> None:
        self._seed = spec.campaign.seed
        self._rung = rung
        self._evaluations = {entry.id: evaluation for entry, evaluation in zip(entries, evaluations, strict=True)}
        self._rules = {entry.id: entry.rule.id for entry in entries}
        self._runs = {name: _scores(evaluation, anchors) for name, evaluation in self._evaluations.items() if evaluation.score}

    def row(self, entry: Entry, rivals: Sequence[str], among: int) -> Finalist:
        """What is said of one entry; it is not compared with itself, nor with what failed."""
        found = Finalist(id=entry.id, title=entry.title, evaluation=self._evaluations[entry.id])
        runs = self._runs.get(entry.id)
        if runs is None:
            return found
        others = [rival for rival in rivals if rival in self._runs and self._rules[rival] != self._rules[entry.id]]
        against = tuple(compare(rival, runs, self._runs[rival], self._stream(entry.id, rival), among) for rival in others)
        profile = tuple(performance_profile(runs, PROFILE).tolist())
        return found.model_copy(update={"against": against, "optimality_gap": optimality_gap(runs), "profile": profile})

    def _stream(self, one: str, other: str) -> np.random.Generator:
        return numpy_stream(self._seed, "holdout", self._rung.name, one, other)


def _finalists(archive: Archive, spec: CampaignSpec, baseline: Rule) -> list[Entry]:
    """The best few that are not the baseline itself."""
    most = spec.campaign.finalists
    elites = [elite for elite in archive.top(spec.campaign.name, most + 1) if elite.id != baseline.id][:most]
    results = [(elite, archive.result(elite)) for elite in elites]
    return [
        Entry(id=elite.id, title=elite.title, rule=Traced.model_validate_json(result.traced))
        for elite, result in results
        if result is not None and result.traced
    ]


def _references(judge: Judge, spec: CampaignSpec) -> list[Entry]:
    names = [name for name in spec.references if name != spec.baseline]
    traced = [judge.reference(name, spec.all_rungs) for name in names]
    return [Entry(id=name, title=each.title, rule=each) for name, each in zip(names, traced, strict=True)]


def _trained(entries: Sequence[Entry], evaluate: Callable[[int, Rule], Evaluation]) -> list[Evaluation]:
    with ThreadPoolExecutor(max_workers=len(entries), thread_name_prefix="finalist") as threads:
        futures = [threads.submit(evaluate, place, entry.rule) for place, entry in enumerate(entries)]
        return [future.result() for future in futures]


def _scores(evaluation: Evaluation, anchors: dict[str, Anchor]) -> list[Array]:
    return [normalise_runs(returns, anchors[task]) for task, returns in returns_by_task(evaluation).items()]
