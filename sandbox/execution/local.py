"""The executor of this machine: worker slots are threads here, every job is a process forked from one warm zygote.

The parent never imports torch. A future stays pending while its job runs, so that `cancel` works at any time: on a running job it kills.
"""

from __future__ import annotations

import contextlib
import itertools
import queue
import threading
from collections.abc import Sequence
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from sandbox.errors import WorkerLost
from sandbox.execution.attempt import Attempt
from sandbox.execution.base import JobResult
from sandbox.execution.server import Server, executor_zygote
from sandbox.execution.wire import Request
from sandbox.records import DescribeJob, GateJob, Limits, TrainJob

TRIES = 2  # a job whose worker vanished through no fault of its own runs once more


class Running(Protocol):
    """One attempt at a job. `run` is called once; `kill` from any thread, at any time."""

    def run(self) -> JobResult:
        """The result, or raises RunFault, an error of the job's own, or WorkerLost."""
        ...

    def kill(self) -> None:
        """Ends it; `run` then raises WorkerLost."""
        ...


@dataclass(order=True)
class _Entry:
    """One place in the queue; a `request` of None tells a slot to end."""

    priority: float
    number: int
    request: Request | None = field(compare=False)
    future: Future[JobResult] = field(compare=False)


class LocalExecutor:
    """`workers` jobs at a time, each in a process of its own with limits; see `sandbox.execution.base.Executor`.

    Jobs on the Atari games among the tasks `warm` start with `num_envs` emulators loaded.
    """

    def __init__(self, workers: int, warm: Sequence[str] = (), num_envs: int = 16) -> None:
        assert workers >= 1, "at least one worker"
        self.workers = workers
        self._start_server = partial(executor_zygote, warm, num_envs)
        self._queue: queue.PriorityQueue[_Entry] = queue.PriorityQueue()
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._closed = False
        self._running: dict[Future[JobResult], Running] = {}
        self._server = self._start_server()
        self._slots = [threading.Thread(target=self._slot, name=f"slot-{k}", daemon=True) for k in range(workers)]
        for slot in self._slots:
            slot.start()

    def submit(self, job: TrainJob | GateJob | DescribeJob, limits: Limits, priority: int = 0) -> Future[JobResult]:
        """Queues a job; lower `priority` starts first, equal ones in order of submission."""
        future: Future[JobResult] = Future()
        future.add_done_callback(self._on_cancel)
        with self._lock:
            if self._closed:
                raise WorkerLost("The executor is closed.")
            self._queue.put(_Entry(priority, next(self._numbers), Request(job=job, limits=limits), future))
        return future

    def close(self) -> None:
        """Kills what runs, with every descendant, and drops what waits: their futures raise WorkerLost. Calling it twice is harmless."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            server, dropped = self._server, list(self._running)
        with contextlib.suppress(queue.Empty):
            while True:
                dropped.append(self._queue.get_nowait().future)
        for future in dropped:
            _settle(future, WorkerLost("The executor was closed before the job was done."))
        server.close()
        for future in dropped:
            self._kill(future)
        for _ in self._slots:
            self._queue.put(_Entry(float("inf"), next(self._numbers), None, Future()))
        for slot in self._slots:
            slot.join()

    # ------------------------------------------------------------------------------------ the slots
    def _slot(self) -> None:
        while (entry := self._queue.get()).request is not None:
            if not entry.future.cancelled():
                _settle(entry.future, self._outcome(entry.request, entry.future))

    def _outcome(self, request: Request, future: Future[JobResult]) -> JobResult | BaseException:
        lost = WorkerLost("The executor was closed before the job was done.")
        for _ in range(TRIES):
            try:
                return self._try(request, future)
            except WorkerLost as error:
                lost = error
                if self._closed or future.cancelled():
                    break
            except Exception as error:  # noqa: BLE001  whatever it is belongs to whoever waits for the future, not to this thread
                return error
        return lost

    def _try(self, request: Request, future: Future[JobResult]) -> JobResult:
        attempt = self._begin(request)
        with self._lock:
            self._running[future] = attempt
        try:
            if future.cancelled() or self._closed:  # before it was in the table, where `_on_cancel` and `close` look
                attempt.kill()
            return attempt.run()
        finally:
            with self._lock:
                del self._running[future]

    def _begin(self, request: Request) -> Running:
        return Attempt(self._live_server(), request)

    def _live_server(self) -> Server:
        """The zygote, started again where it was lost."""
        with self._lock:
            if not self._closed and not self._server.alive:
                self._server.close()
                self._server = self._start_server()
            return self._server

    def _on_cancel(self, future: Future[JobResult]) -> None:
        if not future.cancelled():
            return
        future.set_running_or_notify_cancel()  # wakes whoever waits for it; the callbacks of a future run once
        self._kill(future)

    def _kill(self, future: Future[JobResult]) -> None:
        with self._lock:
            attempt = self._running.get(future)
        if attempt is not None:
            attempt.kill()


def _settle(future: Future[JobResult], outcome: JobResult | BaseException) -> None:
    """Sets the outcome, unless the future was cancelled or the executor closed meanwhile."""
    with contextlib.suppress(InvalidStateError):
        if isinstance(outcome, BaseException):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
