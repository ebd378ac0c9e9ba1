"""The seam to where jobs run: submit a job, get its result as it finishes."""

from __future__ import annotations

from concurrent.futures import Future
from enum import StrEnum
from typing import Protocol, TypeAlias

from sandbox.records import DescribeJob, GateJob, GateReport, Limits, RunResult, TaskDescription, TrainJob

JobResult: TypeAlias = RunResult | GateReport | TaskDescription


class Place(StrEnum):
    """Where trainings may be asked to run; no result depends on it. `auto` is decided by `sandbox.execution.select`."""

    AUTO = "auto"
    PROCESS = "process"
    CONTAINER = "container"


class Executor(Protocol):
    """Runs trusted jobs, each in a process of its own, with limits."""

    workers: int

    def submit(self, job: TrainJob | GateJob | DescribeJob, limits: Limits, priority: int = 0) -> Future[JobResult]:
        """Queues a job; lower `priority` starts first, equal ones in order of submission.

        The future's exception is RunFault where the job broke a limit or failed by its own doing, WorkerLost where it was ours.
        """
        ...

    def close(self) -> None:
        """Kills what runs, with every descendant, and drops what waits."""
        ...
