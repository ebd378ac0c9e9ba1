"""A pool of started tracers, each used once: importing torch takes seconds, so it happens ahead of the job.

Processes are started by one thread that lives as long as the pool: a sandbox that dies with its parent dies with the parent *thread*.
The same thread clears processes away that have answered: nobody waits for their end, and none is left when the pool is closed.
A job whose process was lost for a reason of ours runs once more; nothing of the first attempt is kept.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Protocol

from sandbox.errors import WorkerLost
from sandbox.isolation.base import Reply
from sandbox.isolation.process import Channel, StartupFailed, TracerProcess
from sandbox.records import Limits

ATTEMPTS = 3
TRIES = 2
CLOSE_SECONDS = 10.0


class Source(Protocol):
    """Where started tracers come from. Its methods are called by one thread."""

    def start(self) -> Channel:
        """One more, on its way. Raises OSError or WorkerLost where it cannot be started."""
        ...

    def close(self) -> None:
        """Ends whatever it needed for that, and every tracer."""
        ...


class TracerPool:
    """An `Isolation` over processes from `source`, `pool_size` of them waiting or at work ahead of demand.

    `check` judges what each process says of itself, and raises. A process that cannot be started is WorkerLost, after ATTEMPTS tries.
    """

    def __init__(self, name: str, source: Source, pool_size: int, check: Callable[[dict[str, object]], None] = lambda hello: None) -> None:
        self.name = name
        self._source = source
        self._size = max(1, pool_size)
        self._check = check
        self._changed = threading.Condition()
        self._waiting: deque[TracerProcess | OSError | WorkerLost] = deque()
        self._running: set[TracerProcess] = set()
        self._used: list[TracerProcess] = []
        self._wanted = 0  # runs that wait for a process
        self._closed = False
        self._starter = threading.Thread(target=self._keep_full, name=f"{name}-pool", daemon=True)
        self._starter.start()

    def run(self, request: bytes, limits: Limits) -> Reply:
        """Runs one job in a process of its own. Safe from several threads."""
        for _ in range(TRIES - 1):
            try:
                return self._run_once(request, limits)
            except StartupFailed:
                raise
            except WorkerLost:
                if self._closed:
                    raise
                self._renew()
        return self._run_once(request, limits)

    def _renew(self) -> None:
        """Lets go of whoever waits: what ended one process may be about to end them."""
        with self._changed:
            waiting = [process for process in self._waiting if isinstance(process, TracerProcess)]
            self._waiting.clear()
            self._changed.notify_all()
        for process in waiting:
            process.kill()

    def _run_once(self, request: bytes, limits: Limits) -> Reply:
        process = self._ready_process()
        try:
            reply = process.run(request, limits)
        finally:
            self._drop(process, used=True)
        if self._closed:  # then the process was killed under its job
            raise _closed()
        return reply

    def test(self) -> None:
        """Waits for the first process and checks what it says of itself; it stays in the pool. Raises WorkerLost."""
        process = self._ready_process()
        with self._changed:
            self._running.discard(process)
            self._waiting.appendleft(process)

    def close(self) -> None:
        """Kills every process, waiting or at work, and ends the thread that starts them; nothing is left when it returns."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._starter.join()
        with self._changed:
            for process in self._running:
                process.interrupt()  # the thread that runs it sees the end and clears up
            self._changed.wait_for(lambda: not self._running, timeout=CLOSE_SECONDS)
            left = [*self._used, *(process for process in self._waiting if isinstance(process, TracerProcess))]
            self._used.clear()
            self._waiting.clear()
        for process in left:
            process.kill()
        self._source.close()

    def _ready_process(self) -> TracerProcess:
        failures = 0
        while True:
            process = self._take()
            failures += not process.was_ready  # one that died while it waited says nothing about the next
            try:
                self._check(process.wait_ready())
            except StartupFailed:
                self._drop(process)
                if failures == ATTEMPTS:
                    raise
            except BaseException:
                self._drop(process)
                process.kill()
                raise
            else:
                return process

    def _take(self) -> TracerProcess:
        with self._changed:
            self._wanted += 1
            self._changed.notify_all()
            try:
                self._changed.wait_for(lambda: self._waiting or self._closed)
            finally:
                self._wanted -= 1
            if self._closed:
                raise _closed()
            taken = self._waiting.popleft()
            if isinstance(taken, TracerProcess):
                self._running.add(taken)
            self._changed.notify_all()
        if isinstance(taken, WorkerLost):
            raise taken
        if isinstance(taken, OSError):
            raise WorkerLost(f"A sandboxed process could not be started: {taken.strerror}.", "`lossmith doctor` says what is missing.")
        return taken

    def _drop(self, process: TracerProcess, used: bool = False) -> None:
        with self._changed:
            self._running.discard(process)
            if used:
                self._used.append(process)
            self._changed.notify_all()

    def _keep_full(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._used or self._is_short())
                if self._closed:
                    return
                used, self._used = self._used, []
                short = self._is_short()
            for process in used:
                process.kill()
            if short:
                started = self._start()
                with self._changed:
                    self._waiting.append(started)
                    self._changed.notify_all()

    def _is_short(self) -> bool:
        """Whether one more should be started: not beside a job while others wait, which would slow it down; after a failed start not
        before somebody has been told."""
        failed = any(not isinstance(one, TracerProcess) for one in self._waiting)
        return not failed and len(self._waiting) + len(self._running) < self._size + self._wanted

    def _start(self) -> TracerProcess | OSError | WorkerLost:
        try:
            return TracerProcess(self._source.start())
        except (OSError, WorkerLost) as error:  # handed to whoever waits for a process
            return error


def _closed() -> WorkerLost:
    return WorkerLost("The sandbox was closed while a job needed it.")
