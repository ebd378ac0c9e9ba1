"""An executor between the campaign and its workers: it can be shut without losing what runs, and it keeps every run that finishes.

At most `workers` jobs are handed on at a time and the rest waits here by priority, so that shutting drops exactly what has not begun.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, InvalidStateError
from dataclasses import dataclass, field
from typing import TypeVar

from sandbox.errors import WorkerLost
from sandbox.execution.base import Executor, JobResult
from sandbox.records import DescribeJob, GateJob, Limits, RunResult, TrainJob

T = TypeVar("T")
Remember = Callable[[TrainJob, RunResult], None]


class Stopped(Exception):
    """The job, or the program that waits for it, will not go on in this process; a resumed campaign takes it up again."""


@dataclass(order=True)
class _Waiting:
    priority: int
    number: int
    job: TrainJob | GateJob | DescribeJob = field(compare=False)
    limits: Limits = field(compare=False)
    future: Future[JobResult] = field(compare=False)


class Valve:
    """Implements `sandbox.execution.base.Executor` on another one, which it closes."""

    def __init__(self, executor: Executor, remember: Remember) -> None:
        self.workers = executor.workers
        self.running = 0
        self.is_shut = False
        self._executor = executor
        self._remember = remember
        self._waiting: list[_Waiting] = []
        self._numbers = itertools.count()
        self._lock = threading.RLock()

    @property
    def queued(self) -> int:
        """Jobs that have not begun."""
        return len(self._waiting)

    def submit(self, job: TrainJob | GateJob | DescribeJob, limits: Limits, priority: int = 0) -> Future[JobResult]:
        """See `Executor.submit`. The future's exception is Stopped where the valve was shut before the job began."""
        future: Future[JobResult] = Future()
        future.add_done_callback(_wake_if_cancelled)
        with self._lock:
            heapq.heappush(self._waiting, _Waiting(priority, next(self._numbers), job, limits, future))
        self._move()
        return future

    def shut(self) -> None:
        """Hands nothing on any more. What runs goes on to its end and is remembered; only then does what waits get Stopped."""
        self.is_shut = True
        self._move()

    def reopen(self) -> None:
        """Hands on again."""
        self.is_shut = False

    def close(self) -> None:
        """Kills what runs and drops what waits."""
        self.is_shut = True
        self._executor.close()
        self._move()

    def patiently(self, work: Callable[[], T]) -> T:
        """Tries work that uses this executor once more where a worker was lost through no fault of the program.

        Raises Stopped where the valve is shut before or meanwhile, and WorkerLost where the second attempt loses one, too.
        """
        if self.is_shut:
            raise Stopped
        try:
            return work()
        except WorkerLost:
            if self.is_shut:
                raise Stopped from None
            return work()

    def _move(self) -> None:
        """Starts what may start; once shut and idle, turns away what waits."""
        with self._lock:
            while self._waiting and not self.is_shut and self.running < self.workers:
                waiting = heapq.heappop(self._waiting)
                if not waiting.future.cancelled():
                    self._start(waiting)
            dropped = self._waiting if self.is_shut and self.running == 0 else []
            if dropped:
                self._waiting = []
        for waiting in dropped:
            _settle(waiting.future, Stopped())

    def _start(self, waiting: _Waiting) -> None:
        inner = self._executor.submit(waiting.job, waiting.limits, waiting.priority)
        self.running += 1
        waiting.future.add_done_callback(lambda future: inner.cancel() if future.cancelled() else None)
        inner.add_done_callback(lambda inner: self._finish(waiting, inner))

    def _finish(self, waiting: _Waiting, inner: Future[JobResult]) -> None:
        outcome = _outcome(inner)
        if isinstance(waiting.job, TrainJob) and isinstance(outcome, RunResult):
            try:
                self._remember(waiting.job, outcome)
            except Exception as error:  # noqa: BLE001  a full disk belongs to whoever waits for the run, not to a worker's thread
                outcome = error
        _settle(waiting.future, outcome)
        with self._lock:
            self.running -= 1
        self._move()


def _wake_if_cancelled(future: Future[JobResult]) -> None:
    if future.cancelled():
        future.set_running_or_notify_cancel()  # otherwise whoever waits for it never hears of it


def _outcome(future: Future[JobResult]) -> JobResult | BaseException:
    try:
        return future.exception() or future.result()
    except CancelledError as error:
        return error


def _settle(future: Future[JobResult], outcome: JobResult | BaseException) -> None:
    if future.cancelled():
        return
    with contextlib.suppress(InvalidStateError):  # cancelled in between
        if isinstance(outcome, BaseException):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
