"""The pool: single-use processes, started ahead, and none left."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sandbox.errors import Verdict, WorkerLost
from sandbox.isolation.forked import Launch, Nursery
from sandbox.isolation.pool import TracerPool
from sandbox.isolation.process import End, TracerProcess
from sandbox.isolation.protocol import frame
from sandbox.records import Limits
from tests.sandbox.isolation.attacks import alive, descendants

# A stand-in for the tracer that starts in milliseconds: says hello, reads two frames, answers with its own process id.
ECHO = """
import os, sys
from sandbox.execution.zygote import claim_control, serve
def frame(data): return len(data).to_bytes(8, "big") + data
def live(data, log, zygote):
    os.dup2(log, 2)
    wire = data.detach()
    def read(n):
        data = b""
        while len(data) < n:
            more = os.read(wire, n - len(data))
            if not more: os._exit(0)
            data += more
        return data
    answer(wire, read)
    os._exit(0)
def answer(wire, read):
    os.write(wire, frame(b'{"ok": true}'))
    order = read(int.from_bytes(read(8), "big"))
    request = read(int.from_bytes(read(8), "big"))
    left = frame(str(os.getpid()).encode() + b":" + request)
    while left: left = left[os.write(wire, left):]
serve(claim_control(), live)
"""
LIMITS = Limits(seconds=20)
ROOT = Path(__file__).resolve().parents[3]


def echo(code: str = ECHO, pool_size: int = 2) -> TracerPool:
    return TracerPool("echo", Nursery(Launch((sys.executable, "-c", code), {"PYTHONPATH": str(ROOT)})), pool_size)


def test_a_process_is_used_once() -> None:
    pool = echo()
    replies = [pool.run(b"job", LIMITS).payload for _ in range(4)]
    pool.close()
    assert len(set(replies)) == 4
    assert all(reply is not None and reply.endswith(b":job") for reply in replies)


def test_threads_share_a_pool() -> None:
    pool = echo(pool_size=1)
    with ThreadPoolExecutor(6) as threads:
        replies = list(threads.map(lambda number: pool.run(str(number).encode(), LIMITS).payload, range(12)))
    pool.close()
    assert [reply.split(b":")[1] for reply in replies if reply is not None] == [str(number).encode() for number in range(12)]


def test_close_leaves_no_process() -> None:
    before = descendants(os.getpid())
    pool = echo(pool_size=3)
    pool.run(b"job", LIMITS)
    started = descendants(os.getpid()) - before
    pool.close()
    assert started
    assert not alive(started)


def test_close_ends_a_job_at_work() -> None:
    pool = echo(ECHO.replace("left = frame", "import time; time.sleep(60); left = frame"))
    with ThreadPoolExecutor(1) as threads:
        job = threads.submit(pool.run, b"job", LIMITS)
        time.sleep(0.3)
        pool.close()
        start = time.monotonic()
        error = job.exception(timeout=10)
        assert time.monotonic() - start < 5
        assert isinstance(error, WorkerLost) or job.result().verdict is not Verdict.OK


def test_a_closed_pool_takes_no_job() -> None:
    pool = echo()
    pool.close()
    with pytest.raises(WorkerLost, match="closed"):
        pool.run(b"job", LIMITS)


def test_a_process_that_cannot_start_is_our_fault() -> None:
    pool = TracerPool("none", Nursery(Launch(("/nowhere/python",), {})), 1)
    with pytest.raises(WorkerLost, match="could not be started"):
        pool.run(b"job", LIMITS)
    pool.close()


def test_what_the_sandbox_complains_of_is_shown() -> None:
    pool = echo("import sys; sys.exit('no user namespaces')", pool_size=1)
    with pytest.raises(WorkerLost, match="no user namespaces"):
        pool.run(b"job", LIMITS)
    pool.close()


def test_half_a_reply_is_no_reply() -> None:
    pool = echo(ECHO.replace("left = frame(", "left = frame(b'x' * 100)[:50] or ("), pool_size=1)
    reply = pool.run(b"job", LIMITS)
    pool.close()
    assert (reply.verdict, reply.payload) == (Verdict.PROTOCOL_ERROR, None)


def test_a_request_larger_than_the_pipe_arrives() -> None:
    pool = echo(pool_size=1)
    reply = pool.run(b"x" * 900_000, LIMITS)
    pool.close()
    assert reply.payload is not None
    assert len(reply.payload) > 900_000


def test_tracers_die_with_a_killed_parent(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys\n"
        "from sandbox.isolation.unsafe import open_unsafe\n"
        "from tests.sandbox.isolation.attacks import descendants\n"
        "pool = open_unsafe(1)\n"
        "pool.test()\n"
        "print(*descendants(os.getpid()), flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT, timeout=60)
    pids = {int(word) for word in done.stdout.split()}
    assert pids, done.stderr
    deadline = time.monotonic() + 10
    while alive(pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(pids)


def test_a_frame_says_its_length() -> None:
    assert frame(b"abc") == b"\0\0\0\0\0\0\0\3abc"


class SlowToStart:
    """A channel to a process that has answered and ended, while its parent was asleep for longer than the job may take."""

    def __init__(self, answer: bytes, ends: bool) -> None:
        self._ours, theirs = socket.socketpair()
        theirs.sendall(answer)
        self._ours.setblocking(False)
        self._theirs = theirs
        if ends:
            theirs.close()

    def fileno(self) -> int:
        return self._ours.fileno()

    def bound(self, limits: Limits) -> None:
        time.sleep(2 * limits.seconds)

    def send(self, data: bytes) -> int:
        return len(data)

    def receive(self) -> bytes | None:
        try:
            return self._ours.recv(1 << 16)
        except BlockingIOError:
            return None

    def wait(self, seconds: float) -> End | None:
        return End(0)

    def interrupt(self) -> None:
        pass

    def close(self) -> None:
        self._ours.close()
        self._theirs.close()

    def complaint(self) -> str:
        return ""


@pytest.mark.parametrize(
    ("answer", "ends", "verdict"),
    [(frame(b"answer"), True, Verdict.OK), (frame(b"answer"), False, Verdict.OK), (frame(b"answer")[:9], False, Verdict.TIME_LIMIT)],
)
def test_a_parent_that_was_asleep_blames_nobody_whose_answer_is_there(answer: bytes, ends: bool, verdict: Verdict) -> None:
    process = TracerProcess(SlowToStart(answer, ends))
    assert process.run(b"job", Limits(seconds=0.05)).verdict is verdict
    process.kill()


def test_who_has_answered_is_cleared_away_without_being_waited_for() -> None:
    pool = echo(ECHO.replace("os._exit(0)\ndef answer", "import time; time.sleep(1000)\ndef answer"), pool_size=1)
    before = descendants(os.getpid())
    reply = pool.run(b"job", LIMITS)
    pool.run(b"job", LIMITS)
    deadline = time.monotonic() + 10
    while len(alive(descendants(os.getpid()) - before)) > 2 and time.monotonic() < deadline:  # the server and the one that waits
        time.sleep(0.05)
    left = len(alive(descendants(os.getpid()) - before))
    pool.close()
    assert reply.verdict is Verdict.OK
    assert left <= 2
