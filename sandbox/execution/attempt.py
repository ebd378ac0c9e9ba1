"""One job in one process, as the parent sees it: send the request, watch the clock, read the answer, judge the end."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import tempfile
import time

from pydantic import ValidationError

from sandbox.errors import RunFault, Verdict, WorkerLost
from sandbox.execution import limits, wire
from sandbox.execution.base import JobResult
from sandbox.execution.server import Server, kill_group, tail

START_SECONDS = 300.0  # importing torch takes 3 seconds on a quiet machine; the job's own clock starts at its fork
END_SECONDS = 10.0  # from a kill to the news of it


class Attempt:
    """Runs one job once, in a process of its own. `run` may be called once; `kill` from any thread, at any time."""

    def __init__(self, server: Server, request: wire.Request) -> None:
        self._server = server
        self._request = request
        self._data, self._their_data = socket.socketpair()
        self._status, self._their_status = socket.socketpair()
        self._pid: int | None = None
        self._answer = bytearray()
        self._news = bytearray()
        self._end: dict[str, int] | None = None
        self._broken: Verdict | None = None  # the limit for which we killed it
        self._deadline = 0.0

    def kill(self) -> None:
        """Ends the job and its descendants; `run` then raises WorkerLost."""
        with contextlib.suppress(OSError):  # it has ended already
            self._status.send(b"k")

    def run(self) -> JobResult:
        """The job's result, or raises what became of it: RunFault, an error of the job's own, or WorkerLost."""
        with self._data, self._status, tempfile.TemporaryFile() as log:
            with self._their_data, self._their_status:
                self._server.fork(self._their_data, self._their_status, log.fileno())
            self._start()
            self._watch()
            if self._end is None and self._pid is not None:
                self._server.give_up()
                kill_group(self._pid)
            return self._judge(tail(log.fileno()))

    # ------------------------------------------------------------------------------------ watching
    def _start(self) -> None:
        """Waits for the fork, then hands over the request."""
        poll = select.poll()
        poll.register(self._status, select.POLLIN)
        if not poll.poll(START_SECONDS * 1000) or not self._hear():
            self._server.give_up()
            raise WorkerLost("The server of worker processes started no process.", self._server.last_words())
        self._deadline = time.monotonic() + self._request.limits.seconds
        self._data.settimeout(self._request.limits.seconds)
        with contextlib.suppress(OSError):  # it ended before it had read everything: its status will tell
            self._data.sendall(wire.pack(self._request.model_dump_json().encode()))

    def _watch(self) -> None:
        """Reads answer and news until the process has ended, its zygote is gone, or a kill brought no news."""
        self._data.setblocking(False)
        poll = select.poll()
        poll.register(self._data, select.POLLIN)
        poll.register(self._status, select.POLLIN)
        while self._end is None:
            ready = {descriptor for descriptor, _ in poll.poll(max(0.0, self._deadline - time.monotonic()) * 1000)}
            if self._data.fileno() in ready and not self._read():
                poll.unregister(self._data)
            if self._status.fileno() in ready and not self._hear():
                return
            broken = self._broken_limit()
            if broken is not None:
                if self._broken is not None:
                    return
                self._broken, self._deadline = broken, time.monotonic() + END_SECONDS
                self.kill()
        while self._read():
            pass

    def _broken_limit(self) -> Verdict | None:
        if self._end is not None:
            return None
        if time.monotonic() >= self._deadline:
            return Verdict.TIME_LIMIT
        flooded = self._broken is None and len(self._answer) > self._request.limits.output_bytes
        return Verdict.OUTPUT_LIMIT if flooded else None

    def _read(self) -> bool:
        """Reads what there is of the answer; False at its end, or where there is nothing now."""
        try:
            part = self._data.recv(1 << 20)
        except OSError:
            return False
        if self._broken is None:
            self._answer += part
        return bool(part)

    def _hear(self) -> bool:
        """Reads news from the zygote; False where it is gone."""
        try:
            part = self._status.recv(4096)
        except OSError:
            return False
        self._news += part
        *lines, rest = bytes(self._news).split(b"\n")
        self._news = bytearray(rest)
        for line in lines:
            news = json.loads(line)
            if "pid" in news:
                self._pid = news["pid"]
            else:
                self._end = news
        return bool(part)

    # ------------------------------------------------------------------------------------ judging
    def _judge(self, log: str) -> JobResult:
        bounds = self._request.limits
        if self._broken is Verdict.TIME_LIMIT:
            raise too_long(bounds.seconds)
        if self._broken is Verdict.OUTPUT_LIMIT:
            raise too_much_output(bounds.output_bytes)
        if self._end is None:
            raise WorkerLost("The server of worker processes vanished while a job ran.", self._server.last_words())
        if len(self._answer) >= wire.HEADER.size:
            return judge_answer(bytes(self._answer))
        raise self._cause_of_death(log)

    def _cause_of_death(self, log: str) -> RunFault | WorkerLost:
        """What an end without an answer means. A SIGKILL that was neither ours nor the kernel's memory killer's is nobody's fault here."""
        assert self._end is not None
        code = os.waitstatus_to_exitcode(self._end["status"])
        if code == -signal.SIGXFSZ:
            return too_much_output(self._request.limits.output_bytes)
        if code == -signal.SIGKILL and self._end["oom_killed"]:
            return RunFault(Verdict.MEMORY_LIMIT, "The kernel ended the job because the machine's memory ran out.", "Use smaller tensors.")
        if limits.says_out_of_memory(log):
            return RunFault(Verdict.MEMORY_LIMIT, "The job ran out of its memory.", "Use smaller tensors.")
        if code in (-signal.SIGKILL, -signal.SIGTERM, -signal.SIGHUP):
            return WorkerLost("A worker process was killed by somebody else.", "Run the command again: what is done is not lost.")
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code} and no answer"
        return RunFault(Verdict.CRASHED, f"The job's process {how}.", log[-400:])


def judge_answer(answer: bytes) -> JobResult:
    """What a complete answer says: a result, or the job's error, which is raised. RunFault for what is no answer."""
    (size,) = wire.HEADER.unpack(answer[: wire.HEADER.size])
    try:
        if len(answer) != size + wire.HEADER.size:
            raise ValueError("cut off or too long")
        parsed = wire.ANSWERS.validate_json(answer[wire.HEADER.size :])
    except (ValueError, ValidationError) as error:
        raise RunFault(Verdict.PROTOCOL_ERROR, f"The job's answer cannot be read: {str(error).splitlines()[0]}.") from error
    return wire.result_of(parsed)


def too_long(seconds: float) -> RunFault:
    """The fault of a job that did not end."""
    return RunFault(Verdict.TIME_LIMIT, f"The job took longer than {seconds:g} seconds.", "Make it do less, or raise the limit.")


def too_much_output(limit: int) -> RunFault:
    """The fault of a job that floods."""
    return RunFault(Verdict.OUTPUT_LIMIT, f"The job wrote more than {limit} bytes.", "Let it print less.")
