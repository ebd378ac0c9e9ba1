"""The final claim: the best few against the baseline, on tasks and seeds that the search never saw."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from archive.base import Archive
from sandbox.evaluate import Memory
from sandbox.records import Evaluation, Record, Traced, program_id
from sandbox.rules.references import reference_text
from synth.pipeline import Judge
from synth.spec import CampaignSpec

KEY = "holdout"


class Finalist(Record):
    """One program on the hold-out."""

    id: str
    title: str
    evaluation: Evaluation


class HoldoutReport(Record):
    """What the hold-out said, after `told` results. The baseline is scored like the others: its interval is that of its own seeds."""

    told: int
    baseline: Evaluation
    finalists: tuple[Finalist, ...]


def read_holdout(archive: Archive, campaign: str) -> HoldoutReport | None:
    """The last report, if there is one."""
    kept = archive.get_value(campaign, KEY)
    return HoldoutReport.model_validate_json(kept) if kept else None


def holdout_is_due(archive: Archive, spec: CampaignSpec) -> bool:
    """Whether there is a hold-out, something to judge on it, and no report on what the archive now knows."""
    name = spec.campaign.name
    if spec.holdout is None or not archive.top(name, 1):
        return False
    report = read_holdout(archive, name)
    return report is None or report.told != archive.progress(name)[1]


def judge_finalists(archive: Archive, judge: Judge, spec: CampaignSpec, memory: Memory) -> HoldoutReport:
    """Trains the best few by rung and lower bound, and keeps the report in the archive. They are chosen by the search's scores alone."""
    rung, name = spec.holdout, spec.campaign.name
    assert rung is not None, "the caller has asked whether it is due"
    baseline = judge.reference(spec.baseline, spec.all_rungs)
    own = program_id(reference_text(spec.baseline))
    elites = [elite for elite in archive.top(name, spec.campaign.finalists + 1) if elite.id != own][: spec.campaign.finalists]
    programs = [(elite, result.traced) for elite in elites if (result := archive.result(elite)) is not None and result.traced]

    def judged(place: int, rule: Traced) -> Evaluation:
        return judge.evaluate(rule, rung, baseline, memory, priority=place)

    with ThreadPoolExecutor(max_workers=len(programs) + 1, thread_name_prefix="finalist") as threads:
        first = threads.submit(judged, 0, baseline)
        others = [threads.submit(judged, place, Traced.model_validate_json(traced)) for place, (_, traced) in enumerate(programs, start=1)]
        report = HoldoutReport(
            told=archive.progress(name)[1],
            baseline=first.result(),
            finalists=tuple(
                Finalist(id=elite.id, title=elite.title, evaluation=future.result())
                for (elite, _), future in zip(programs, others, strict=True)
            ),
        )
    archive.set_value(name, KEY, report.model_dump_json())
    return report
