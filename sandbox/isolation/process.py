"""One sandboxed process seen from outside: started, used once, always ended by the parent's own clock."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.errors import Verdict, WorkerLost
from sandbox.isolation.base import Reply
from sandbox.isolation.protocol import EXIT_MEMORY, EXIT_NO_FILTER, LENGTH_BYTES, frame, split_frame
from sandbox.records import Limits

CHUNK = 1 << 16
HELLO_BYTES = 1 << 16
STARTUP_SECONDS = 120.0
SECONDS_TO_DIE = 5.0

_BY_SIGNAL = {
    signal.SIGKILL: Verdict.MEMORY_LIMIT,  # not by us: the kernel, out of memory
    signal.SIGXCPU: Verdict.TIME_LIMIT,
    signal.SIGSYS: Verdict.PROCESS_LIMIT,  # the filter kills only attempts to start a process
}


@dataclass(frozen=True)
class Launch:
    """How to start the tracer: a whole command line and a whole environment."""

    argv: Sequence[str]
    environment: Mapping[str, str]


class StartupFailed(WorkerLost):
    """The process ended, or stayed silent, before it was given anything to do."""


class TracerProcess:
    """A started tracer. `run` may be called once, `kill` any number of times; `interrupt` from any thread."""

    def __init__(self, launch: Launch) -> None:
        self._popen = subprocess.Popen(
            list(launch.argv),
            env=dict(launch.environment),
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            bufsize=0,
        )
        self._buffer = bytearray()
        self._hello: dict[str, Any] | None = None
        self._ended = False
        for pipe in (self._popen.stdin, self._popen.stdout, self._popen.stderr):
            assert pipe is not None
            os.set_blocking(pipe.fileno(), False)

    @property
    def pid(self) -> int:
        """Of the outermost process."""
        return self._popen.pid

    def wait_ready(self, seconds: float = STARTUP_SECONDS) -> dict[str, Any]:
        """What the tracer says of itself once everything is imported. Raises StartupFailed."""
        if self._hello is not None:
            return self._hello
        deadline = time.monotonic() + seconds
        while (parts := split_frame(bytes(self._buffer))) is None:
            ended = not self._receive(deadline, b"")[1]
            if ended or time.monotonic() > deadline or len(self._buffer) > HELLO_BYTES:
                complaint = self._complaint()
                self.kill()
                raise StartupFailed(f"The sandboxed process did not start{complaint}.", "`lossmith doctor` says what is missing.")
        self._buffer = bytearray(parts[1])
        hello = json.loads(parts[0])
        self._hello = hello if isinstance(hello, dict) else {}
        return self._hello

    def run(self, request: bytes, limits: Limits) -> Reply:
        """Hands over the job and waits for its end, however it comes; the clock starts here, not at the start of the process."""
        start = time.monotonic()
        try:
            verdict, payload = self._exchange(request, limits, start + limits.seconds)
        finally:
            self.kill()
        return Reply(verdict, payload, time.monotonic() - start)

    def interrupt(self) -> None:
        """Kills the whole process group; whoever reads its pipes sees them end."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._popen.pid, signal.SIGKILL)

    def kill(self) -> None:
        """Kills the whole process group, waits for it, and closes the pipes."""
        if self._ended:
            return
        self._ended = True
        self.interrupt()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(SECONDS_TO_DIE)
        self._drain()
        for pipe in (self._popen.stdin, self._popen.stdout, self._popen.stderr):
            if pipe is not None:
                pipe.close()

    # ------------------------------------------------------------------------------------------------ a job
    def _exchange(self, request: bytes, limits: Limits, deadline: float) -> tuple[Verdict, bytes | None]:
        order = json.dumps({"memory_bytes": limits.memory_bytes, "seconds": limits.seconds}).encode()
        unsent, open_ = frame(order) + frame(request), True
        while open_:
            unsent, open_ = self._receive(deadline, unsent)
            if len(self._buffer) > limits.output_bytes + LENGTH_BYTES:
                return Verdict.OUTPUT_LIMIT, None
            if time.monotonic() > deadline:
                return Verdict.TIME_LIMIT, None
        try:
            status = self._popen.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            return Verdict.TIME_LIMIT, None
        return self._judge(status)

    def _judge(self, status: int) -> tuple[Verdict, bytes | None]:
        """What an exit status and the bytes received amount to."""
        if status == EXIT_NO_FILTER:
            raise WorkerLost("The sandbox could not load its filter of system calls.", "`lossmith doctor` shows the sandbox's state.")
        if status == EXIT_MEMORY:
            return Verdict.MEMORY_LIMIT, None
        if status != 0:
            number = -status if status < 0 else status - 128  # bubblewrap reports a signal as 128 + its number
            return _BY_SIGNAL.get(number, Verdict.CRASHED), None  # type: ignore[call-overload]
        parts = split_frame(bytes(self._buffer))
        if parts is None or parts[1]:
            return Verdict.PROTOCOL_ERROR, None
        return Verdict.OK, parts[0]

    def _receive(self, deadline: float, unsent: bytes) -> tuple[bytes, bool]:
        """Waits for the pipes once: appends what came, sends what it can. Returns what is left to send and whether more can come."""
        stdin, stdout = self._popen.stdin, self._popen.stdout
        assert stdin is not None
        assert stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(stdout, selectors.EVENT_READ)
            if unsent:
                selector.register(stdin, selectors.EVENT_WRITE)
            ready = {key.fileobj for key, _ in selector.select(max(0.0, min(deadline - time.monotonic(), 1.0)))}
        if stdin in ready:
            unsent = self._send(unsent)
        if stdout not in ready:
            return unsent, True
        chunk = os.read(stdout.fileno(), CHUNK)
        self._buffer += chunk
        return unsent, bool(chunk)

    def _send(self, data: bytes) -> bytes:
        assert self._popen.stdin is not None
        try:
            return data[os.write(self._popen.stdin.fileno(), data) :]
        except BlockingIOError:
            return data
        except BrokenPipeError:  # it has ended: its standard output says how
            return b""

    # ------------------------------------------------------------------------------------------------ its end
    def _drain(self) -> None:
        """Reads until every writer is gone: the death of a namespace's first process ends the others a moment later."""
        stdout = self._popen.stdout
        deadline = time.monotonic() + SECONDS_TO_DIE
        if stdout is None or stdout.closed:
            return
        while time.monotonic() < deadline:
            try:
                if not os.read(stdout.fileno(), CHUNK):
                    return
            except BlockingIOError:
                time.sleep(0.002)

    def _complaint(self) -> str:
        """The last line on standard error: nothing untrusted has run yet."""
        stderr = self._popen.stderr
        assert stderr is not None
        try:
            lines = (os.read(stderr.fileno(), CHUNK)).decode(errors="replace").strip().splitlines()
        except BlockingIOError:
            lines = []
        return f": {lines[-1][:300]}" if lines else ""
