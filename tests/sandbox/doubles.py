"""An executor that runs jobs at once, by a function."""

from collections.abc import Callable
from concurrent.futures import Future

from sandbox.errors import LossmithError
from sandbox.execution.base import JobResult
from sandbox.records import DescribeJob, GateJob, Limits, ObservationSpec, RunResult, TaskDescription, TrainJob


class InstantExecutor:
    """Calls `train` for every TrainJob; a task has as many actions as the number at the end of its name, else 3."""

    workers = 1

    def __init__(self, train: Callable[[TrainJob], float]) -> None:
        self.train = train
        self.trained: list[TrainJob] = []

    def submit(self, job: TrainJob | GateJob | DescribeJob, limits: Limits, priority: int = 0) -> Future[JobResult]:
        future: Future[JobResult] = Future()
        try:
            future.set_result(self._run(job))
        except LossmithError as error:
            future.set_exception(error)
        return future

    def close(self) -> None:
        pass

    def _run(self, job: TrainJob | GateJob | DescribeJob) -> JobResult:
        if isinstance(job, DescribeJob):
            actions = int(job.task[-1]) if job.task[-1].isdigit() else 3
            seen = ObservationSpec(shape=(4,), dtype="float32", kind="vector")
            return TaskDescription(task=job.task, num_actions=actions, observation=seen)
        assert isinstance(job, TrainJob)
        self.trained.append(job)
        return run_result(job, self.train(job))


def run_result(job: TrainJob, value: float) -> RunResult:
    return RunResult(
        task=job.task,
        seed=job.seed,
        steps=job.steps,
        final_return=value,
        episode_returns=(value - 0.01, value + 0.01),
        curve=(),
        device_seconds=1.0,
    )
