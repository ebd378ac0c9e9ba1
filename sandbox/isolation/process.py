"""One sandboxed process seen from outside: used once, always ended by the parent's own clock.

How it was started and how bytes reach it is a `Channel`'s business; what counts as an answer, and whose fault an end is, is decided here.
"""

from __future__ import annotations

import json
import selectors
import signal
import time
from dataclasses import dataclass
from typing import Any, Protocol

from sandbox.errors import Verdict, WorkerLost
from sandbox.isolation.base import Reply
from sandbox.isolation.protocol import EXIT_MEMORY, EXIT_NO_FILTER, LENGTH_BYTES, frame, is_whole, split_frame
from sandbox.records import Limits

HELLO_BYTES = 1 << 16
CHUNK = 1 << 16
STARTUP_SECONDS = 120.0
SECONDS_TO_END = 0.2  # from the end of its output to its own, where it gave no answer

_BY_SIGNAL = {
    signal.SIGXCPU: Verdict.TIME_LIMIT,
    signal.SIGSYS: Verdict.PROCESS_LIMIT,  # the filter kills only attempts to start a process
}
_FROM_OUTSIDE = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""What no program can send itself: the filter lets a process raise nothing but SIGABRT."""


@dataclass(frozen=True)
class End:
    """How a process ended: its exit code, negative for a signal, and whether the kernel ended it for want of memory."""

    code: int
    out_of_memory: bool = False


class Channel(Protocol):
    """A started tracer, as its parent holds it. `interrupt` may be called from any thread, the rest from the one that uses it."""

    def fileno(self) -> int:
        """Ready for reading when something came, for writing when something can be sent."""
        ...

    def bound(self, limits: Limits) -> None:
        """Puts up the limits that are set from outside, before any text is sent."""
        ...

    def send(self, data: bytes) -> int:
        """Sends what can be sent now and says how much that was; all of it where nobody reads any more."""
        ...

    def receive(self) -> bytes | None:
        """What has come; None where nothing has, empty at the end."""
        ...

    def wait(self, seconds: float) -> End | None:
        """How it ended, or None while it runs. Raises WorkerLost where nobody can tell any more."""
        ...

    def interrupt(self) -> None:
        """Kills it and all it started; whoever reads sees the end."""
        ...

    def close(self) -> None:
        """Kills it and returns when nothing is left. Any number of times."""
        ...

    def complaint(self) -> str:
        """The last line it printed before it was given any text."""
        ...


class StartupFailed(WorkerLost):
    """The process ended, or stayed silent, before it was given anything to do; `complaint` is what it printed last."""

    def __init__(self, complaint: str) -> None:
        told = f": {complaint}" if complaint else ""
        super().__init__(f"The sandboxed process did not start{told}.", "`lossmith doctor` says what is missing.")


class TracerProcess:
    """A started tracer. `run` may be called once, `kill` any number of times; `interrupt` from any thread.

    The first whole frame is the answer; nothing that is written after it is read. Whoever gets an answer still has to `kill`.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._buffer = bytearray()
        self._hello: dict[str, Any] | None = None

    def wait_ready(self, seconds: float = STARTUP_SECONDS) -> dict[str, Any]:
        """What the tracer says of itself once everything is imported. Raises StartupFailed."""
        if self._hello is not None:
            return self._still_ready(self._hello)
        deadline = time.monotonic() + seconds
        while (parts := split_frame(bytes(self._buffer))) is None:
            ended = not self._receive(deadline, b"")[1]
            if ended or time.monotonic() > deadline or len(self._buffer) > HELLO_BYTES:
                complaint = self._channel.complaint()
                self.kill()
                raise StartupFailed(complaint)
        self._buffer = bytearray(parts[1])
        hello = json.loads(parts[0])
        self._hello = hello if isinstance(hello, dict) else {}
        return self._still_ready(self._hello)

    @property
    def was_ready(self) -> bool:
        """Whether it has said so once."""
        return self._hello is not None

    def _still_ready(self, hello: dict[str, Any]) -> dict[str, Any]:
        try:
            ended = self._channel.wait(0) is not None
        except WorkerLost:
            ended = True
        if ended:
            self.kill()
            raise StartupFailed("it ended while it waited")
        return hello

    def run(self, request: bytes, limits: Limits) -> Reply:
        """Hands over the job and waits for its answer, or for its end, however it comes, and then kills it; the clock starts here, not at
        the start of the process."""
        start = time.monotonic()
        verdict, payload = Verdict.CRASHED, None
        try:
            self._channel.bound(limits)
            verdict, payload = self._exchange(request, limits, start + limits.seconds)
        finally:
            if payload is None:
                self.kill()
        return Reply(verdict, payload, time.monotonic() - start)

    def interrupt(self) -> None:
        """Kills it and all it started; whoever reads sees the end."""
        self._channel.interrupt()

    def kill(self) -> None:
        """Ends it and everything it started, and returns when that is so."""
        self._channel.close()

    # ------------------------------------------------------------------------------------------------ a job
    def _exchange(self, request: bytes, limits: Limits, deadline: float) -> tuple[Verdict, bytes | None]:
        order = json.dumps({"memory_bytes": limits.memory_bytes, "seconds": limits.seconds}).encode()
        unsent, open_ = frame(order) + frame(request), True
        while open_ and not is_whole(self._buffer):
            unsent, open_ = self._receive(deadline, unsent)
            if len(self._buffer) > limits.output_bytes + LENGTH_BYTES and not is_whole(self._buffer):
                return Verdict.OUTPUT_LIMIT, None
            if open_ and time.monotonic() > deadline and not self._has_answered_meanwhile(limits):
                return Verdict.TIME_LIMIT, None
        parts = split_frame(bytes(self._buffer))
        if parts is not None:
            return (Verdict.OK, parts[0]) if len(parts[0]) <= limits.output_bytes else (Verdict.OUTPUT_LIMIT, None)
        end = self._channel.wait(max(SECONDS_TO_END, deadline - time.monotonic()))
        return (Verdict.TIME_LIMIT if end is None else self._judge(end)), None

    def _has_answered_meanwhile(self, limits: Limits) -> bool:
        """Whether an answer or an end is here already: where this process itself was asleep, the time was not the program's."""
        for _ in range(limits.output_bytes // CHUNK + 2):  # however fast it writes on
            if is_whole(self._buffer):
                return True
            chunk = self._channel.receive()
            if not chunk:
                return chunk is not None
            self._buffer += chunk
        return False

    def _judge(self, end: End) -> Verdict:
        """What an end without an answer amounts to."""
        if end.code == EXIT_NO_FILTER:
            raise WorkerLost("The sandbox could not load its filter of system calls.", "`lossmith doctor` shows the sandbox's state.")
        if end.code == EXIT_MEMORY or end.out_of_memory:
            return Verdict.MEMORY_LIMIT
        if -end.code in _FROM_OUTSIDE:
            raise WorkerLost("A sandboxed process was killed by somebody else.", "Run the command again: what is done is not lost.")
        return Verdict.PROTOCOL_ERROR if end.code == 0 else _BY_SIGNAL.get(-end.code, Verdict.CRASHED)  # type: ignore[call-overload]

    def _receive(self, deadline: float, unsent: bytes) -> tuple[bytes, bool]:
        """Waits once: appends what came, sends what it can. Returns what is left to send and whether more can come."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._channel, selectors.EVENT_READ | (selectors.EVENT_WRITE if unsent else 0))
            ready = [events for _, events in selector.select(max(0.0, min(deadline - time.monotonic(), 1.0)))]
        events = ready[0] if ready else 0
        if events & selectors.EVENT_WRITE:
            unsent = unsent[self._channel.send(unsent) :]
        if not events & selectors.EVENT_READ:
            return unsent, True
        chunk = self._channel.receive()
        self._buffer += chunk or b""
        return unsent, chunk != b""
