"""What a campaign's anchors were, from the trainings the archive keeps: nothing is trained, no file of weights is needed."""

from __future__ import annotations

from concurrent.futures import Future

from archive.base import Archive
from sandbox.evaluate import Evaluator, Player
from sandbox.execution.base import JobResult
from sandbox.records import DescribeJob, Evaluation, GateJob, Limits, Rung, RunResult, TrainJob
from synth.spec import CampaignSpec


def random_runs(archive: Archive, spec: CampaignSpec, rung: Rung) -> tuple[RunResult, ...]:
    """Random play's on a rung's tasks: those that are kept, under exactly the jobs that the campaign asked for."""
    return _recalled(archive, spec, rung, "random")


def network_evaluation(archive: Archive, spec: CampaignSpec, rung: Rung) -> Evaluation | None:
    """A meta-network's, as the baseline, on a rung's first seeds, scored against itself. None unless all its trainings are kept."""
    assert spec.network is not None, "asked only where the baseline is one"
    rule = spec.network.rule(spec.baseline)
    for player in ("random", rule):
        if len(_recalled(archive, spec, rung, player)) < len(rung.tasks) * rung.seeds:
            return None
    return _evaluator(spec).evaluate(rule, rung, rule, archive, count=rung.seeds)


def _recalled(archive: Archive, spec: CampaignSpec, rung: Rung, player: Player) -> tuple[RunResult, ...]:
    evaluator = _evaluator(spec)
    found = (archive.recall(job) for job in evaluator.jobs(player, rung, evaluator.seeds(rung)))
    return tuple(run for run in found if run is not None)


def _evaluator(spec: CampaignSpec) -> Evaluator:
    return Evaluator(_Nobody(), None, spec.agent, seed=spec.campaign.seed)


class _Nobody:
    """An executor for who only wants to know which trainings there would be."""

    workers = 1

    def submit(self, job: TrainJob | GateJob | DescribeJob, limits: Limits, priority: int = 0) -> Future[JobResult]:
        raise AssertionError("everything asked for is kept")

    def close(self) -> None:
        """Nothing is held."""
