"""The parent's side of the sandbox's fork server: one server a pool, one forked tracer a job."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO

from sandbox.errors import WorkerLost
from sandbox.execution import limits as machine
from sandbox.execution.server import Server, tail
from sandbox.isolation.cgroups import Cage, open_cage
from sandbox.isolation.process import End, StartupFailed
from sandbox.records import Limits

CHUNK = 1 << 16
SECONDS_TO_DIE = 5.0
_CREDENTIALS = struct.Struct("3i")  # process, user and group, as the kernel translates them for us


@dataclass(frozen=True)
class Launch:
    """How to start the fork server: a whole command line and a whole environment."""

    argv: Sequence[str]
    environment: Mapping[str, str]


class Nursery:
    """Starts tracers; the server behind them is started when the first is wanted, and again where it was lost.

    `start` must be called from one thread that lives as long as the nursery: bubblewrap dies with the thread that started it.
    """

    def __init__(self, launch: Launch) -> None:
        self._launch = launch
        self._server: Server | None = None

    def start(self) -> ForkedTracer:
        """A tracer, on its way. Raises OSError where the server cannot be started, StartupFailed where it vanishes at once."""
        try:
            return ForkedTracer(self._live_server())
        except WorkerLost:  # it died since we looked
            server = self._live_server()
        try:
            return ForkedTracer(server)
        except WorkerLost as error:
            raise StartupFailed(_last_line(server.last_words())) from error

    def _live_server(self) -> Server:
        if self._server is None or not self._server.alive:
            self.close()
            self._server = Server(self._launch.argv, self._launch.environment)
        return self._server

    def close(self) -> None:
        """Ends the server and every tracer."""
        if self._server is not None:
            self._server.close()


class ForkedTracer:
    """A `Channel` to a tracer that a fork server started."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._data, their_data = socket.socketpair()
        self._status, their_status = socket.socketpair()
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  closed in `close`
        self._end: End | None = None
        self._news = b""
        self._kills = 0
        self._closed = False
        self._cage: Cage | None = None
        self.pid = 0
        if hasattr(socket, "SO_PASSCRED"):  # Linux
            self._data.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._data.setblocking(False)
        try:
            with their_data, their_status:
                server.fork(their_data, their_status, self._log.fileno())
        except BaseException:
            self._release()
            raise

    def fileno(self) -> int:
        """The data socket's."""
        return self._data.fileno()

    def bound(self, limits: Limits) -> None:
        """Sets what its control groups allow, and counts from here on whom the kernel's memory killer strikes."""
        self._kills = machine.oom_kills()
        if self._cage is not None:
            self._cage.limit(limits.memory_bytes)

    def send(self, data: bytes) -> int:
        """Sends what fits."""
        try:
            return self._data.send(data)
        except BlockingIOError:
            return 0
        except OSError:  # it has ended: its status says how
            return len(data)

    def receive(self) -> bytes | None:
        """What has come. The first bytes, its greeting, tell which process it is."""
        try:
            chunk, notes, _, _ = self._data.recvmsg(CHUNK, socket.CMSG_SPACE(_CREDENTIALS.size))
        except BlockingIOError:
            return None
        except OSError:
            return b""
        for level, kind, data in notes:
            if not self.pid and (level, kind) == (socket.SOL_SOCKET, getattr(socket, "SCM_CREDENTIALS", None)):
                self.pid = _CREDENTIALS.unpack(data[: _CREDENTIALS.size])[0]  # 0 where nobody sent anything: it has ended
                self._lock_in()
        return chunk

    def wait(self, seconds: float) -> End | None:
        """How it ended. Raises WorkerLost where the server is gone, and with it the news."""
        deadline = time.monotonic() + seconds
        while self._end is None:
            self._status.settimeout(max(0.001, deadline - time.monotonic()))
            try:
                part = self._status.recv(4096)
            except TimeoutError:
                return None
            except OSError:
                part = b""
            if not part:
                self._server.give_up()
                raise WorkerLost("The sandbox's server of processes vanished.", self._server.last_words())
            self._hear(part)
        return self._end

    def interrupt(self) -> None:
        """Has the server kill it."""
        with contextlib.suppress(OSError):  # it has ended already
            self._status.send(b"k")

    def close(self) -> None:
        """Kills it; where no news of its end comes, the server dies, too, and takes everything with it."""
        if self._closed:
            return
        self._closed = True
        if self._end is None:
            self.interrupt()
            with contextlib.suppress(WorkerLost):
                if self.wait(SECONDS_TO_DIE) is None:
                    self._server.give_up()
                    self._server.close()
        self._release()

    def complaint(self) -> str:
        """Its last line, or its server's."""
        return _last_line(tail(self._log.fileno()) or self._server.last_words())

    def _hear(self, part: bytes) -> None:
        *lines, self._news = (self._news + part).split(b"\n")
        for news in map(json.loads, lines):
            if "status" in news:
                code = os.waitstatus_to_exitcode(news["status"])
                self._end = End(code, out_of_memory=code == -9 and self._memory_ran_out())

    def _lock_in(self) -> None:
        """Into control groups, where they can be made: when it greets, long before it is given any text."""
        self._cage = open_cage() if self.pid else None
        if self._cage is not None:
            with contextlib.suppress(OSError):  # it has ended: its status says how
                self._cage.add(self.pid)

    def _memory_ran_out(self) -> bool:
        return self._cage.out_of_memory if self._cage is not None else machine.oom_kills() > self._kills

    def _release(self) -> None:
        if self._cage is not None:
            self._cage.close()
        for resource in (self._data, self._status, self._log):
            resource.close()


def _last_line(text: str) -> str:
    lines = text.splitlines()
    return lines[-1][:300] if lines else ""
