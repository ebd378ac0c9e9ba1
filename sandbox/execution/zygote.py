"""The fork server: imports torch once, then forks a fresh process for every job in about ten milliseconds.

Its standard input is the control socket. For every job the parent sends one byte and three descriptors over it: the job's data socket,
its status socket, and its log. On the status socket the zygote says `{"pid": …}` and at the end `{"status": …, "oom_killed": …}`;
anything the parent sends there, and its closing, kills the job. The end of the control socket, the parent's death included, kills every
job and the zygote itself. It runs no job, no code of a user's, no torch operation that needs threads, and no thread of its own.

Started as `python -m sandbox.execution.zygote ENVS TASK…`, the arguments being `child.warm`'s, it serves an executor's jobs; the sandbox
has one that forks tracers (`sandbox.isolation.nursery`).
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import selectors
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from sandbox.execution import limits

Live: TypeAlias = Callable[[socket.socket, int, int], None]
"""What a forked process does with its data socket, its log and the zygote's process id. It never returns."""


@dataclass
class Running:
    """One forked job."""

    pid: int
    status: socket.socket
    oom_kills: int  # of the whole machine, when it started


class Zygote:
    """The loop: fork on request, tell of ends, kill on demand."""

    def __init__(self, control: socket.socket, live: Live) -> None:
        self.control = control
        self._live = live
        self.jobs: dict[int, Running] = {}
        self.wakeup, wakeup = socket.socketpair()
        self.wakeup.setblocking(False)
        wakeup.setblocking(False)
        self._signals = wakeup
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wakeup.fileno(), warn_on_full_buffer=False)
        self.selector = selectors.DefaultSelector()
        self.selector.register(control, selectors.EVENT_READ)
        self.selector.register(self.wakeup, selectors.EVENT_READ)

    def serve(self) -> None:
        """Runs until the parent is gone."""
        try:
            while self._turn():
                pass
        finally:
            self._end()

    def _turn(self) -> bool:
        """Handles what has happened; False once the parent is gone."""
        for key, _ in self.selector.select():
            if key.fileobj is self.control:
                if not self._accept():
                    return False
            elif key.fileobj is self.wakeup:
                self._drain()
            else:
                self._kill(self.jobs[key.data])
        self._reap()
        return True

    def _accept(self) -> bool:
        try:
            byte, descriptors, _, _ = socket.recv_fds(self.control, 1, 3)
        except ConnectionResetError:  # it died before it had read that we are ready
            return False
        if not byte:
            return False
        data, status, log = descriptors
        self._fork(socket.socket(fileno=data), socket.socket(fileno=status), log)
        return True

    def _fork(self, data: socket.socket, status: socket.socket, log: int) -> None:
        zygote, kills = os.getpid(), limits.oom_kills()
        pid = os.fork()
        if pid == 0:
            status.close()
            self._become_child(data, log, zygote)
        data.close()
        os.close(log)
        self.jobs[pid] = Running(pid, status, kills)
        self.selector.register(status, selectors.EVENT_READ, pid)
        _tell(status, pid=pid)

    def _become_child(self, data: socket.socket, log: int, zygote: int) -> None:
        """Drops what the fork copied: a job that held another's status socket would hide its end."""
        try:
            signal.set_wakeup_fd(-1)
            self.selector.close()
            for inherited in (self.control, self.wakeup, self._signals, *(job.status for job in self.jobs.values())):
                inherited.close()
            self._live(data, log, zygote)
        except BaseException:  # noqa: BLE001  the job's log is the one place where its reason can be read
            traceback.print_exc()
        finally:
            os._exit(70)  # reached only by an exception: never let a child go on as a second zygote

    def _kill(self, job: Running) -> None:
        self.selector.unregister(job.status)
        _kill_group(job.pid)

    def _drain(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self.wakeup.recv(4096):
                pass

    def _reap(self) -> None:
        for job in list(self.jobs.values()):
            ended = os.waitid(os.P_PID, job.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended is not None:
                _kill_group(job.pid)  # while the dead leader still holds the number: what it left behind goes too
                _, status = os.waitpid(job.pid, 0)
                self._forget(job, status)
        self._end_strays()

    def _forget(self, job: Running, status: int) -> None:
        del self.jobs[job.pid]
        with contextlib.suppress(KeyError):
            self.selector.unregister(job.status)
        self._end_strays()
        _tell(job.status, status=status, oom_killed=limits.oom_kills() > job.oom_kills)
        job.status.close()

    def _end_strays(self) -> None:
        """Ends descendants that left their job's process group and lost their parent, which made them children of this process."""
        for _ in range(1000):
            strays = limits.children() - self.jobs.keys()
            if not strays:
                return
            for pid in strays:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, 0)

    def _end(self) -> None:
        for pid in self.jobs:
            _kill_group(pid)
        for pid in self.jobs:
            os.waitpid(pid, 0)
        self.jobs.clear()
        self._end_strays()


def _kill_group(pid: int) -> None:
    for kill in (os.killpg, os.kill):  # the single process too: it may not have reached setsid yet
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS says the latter of a dead group
            kill(pid, signal.SIGKILL)


def _tell(listener: socket.socket, **news: int | bool) -> None:
    with contextlib.suppress(OSError):  # the parent no longer listens
        listener.sendall(json.dumps(news).encode() + b"\n")


def claim_control() -> socket.socket:
    """The control socket, moved away from standard input, which is empty from here on."""
    control = socket.socket(fileno=os.dup(0))
    with Path(os.devnull).open() as nothing:
        os.dup2(nothing.fileno(), 0)
    return control


def serve(control: socket.socket, live: Live) -> None:
    """Says that everything is loaded, and forks until the parent is gone."""
    gc.collect()
    gc.freeze()  # keeps the collector of the children from touching, and so copying, the shared pages
    control.sendall(b"r")  # ready
    Zygote(control, live).serve()


def main() -> None:
    """Warms up and serves."""
    from sandbox.execution import child

    control = claim_control()
    limits.adopt_orphans()
    child.preload()
    child.warm(sys.argv[2:], int(sys.argv[1]))
    serve(control, child.live)


if __name__ == "__main__":
    main()
