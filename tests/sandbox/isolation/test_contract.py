"""What every sandbox promises, whatever runs in it."""

from __future__ import annotations

import json
import time

import pytest

from sandbox.errors import Verdict
from sandbox.isolation.base import Isolation
from sandbox.isolation.siege import SHAPES, unparsed
from sandbox.language.trace import trace_reply
from tests.sandbox.isolation.attacks import LOSS, observe, run_attack, run_text

GIB = 1 << 30

ATTEMPTS = {
    "reads_a_key_from_the_environment": "[os.environ[name] for name in os.environ if 'LOSSMITH' in name][0]",
    "opens_an_internet_socket": "modules['_socket'].socket(2, 1)",
    "opens_a_unix_socket": "modules['_socket'].socket(1, 1)",
    "writes_a_file": "os.open('/tmp/left-behind', os.O_CREAT | os.O_WRONLY)",
    "signals_its_parent": "os.kill(os.getppid(), 0)",
    "signals_everybody": "os.kill(-1, 0)",
    "starts_a_thread": "torch.threading.Thread(target=list).start()",
    "looks_into_other_processes": "libc.process_vm_readv(os.getppid(), 0, 0, 0, 0, 0) == 0",
    "raises_its_limits": "modules['resource'].setrlimit(modules['resource'].RLIMIT_AS, (-1, -1))",
    "enters_a_new_namespace": "libc.unshare(0x10000000) == 0",
    "mounts": "libc.mount(b'none', b'/tmp', b'tmpfs', 0, 0) == 0",
    "prints_into_the_reply": "os.write(1, b'x') != 1",
}


@pytest.fixture(scope="module")
def observed(isolation: Isolation) -> dict[str, float]:
    return observe(isolation, {**ATTEMPTS, "can_succeed": "True"})


def test_an_attempt_can_succeed(observed: dict[str, float]) -> None:
    assert observed["can_succeed"] == 1


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_attempt_fails(observed: dict[str, float], attempt: str) -> None:
    assert observed[attempt] == 0


def test_a_normal_job_gives_the_same_trace_as_without_walls(isolation: Isolation) -> None:
    reply = run_text(isolation, LOSS)
    assert reply.verdict is Verdict.OK
    assert reply.payload == trace_reply(unparsed(LOSS), SHAPES, seed=0).encode()


def test_an_endless_loop_ends_at_the_time_limit(isolation: Isolation) -> None:
    start = time.monotonic()
    reply = run_attack(isolation, "while True:\n    pass", seconds=0.5)
    assert reply.verdict is Verdict.TIME_LIMIT
    assert reply.seconds < 5
    assert time.monotonic() - start < 60  # the start of a process included


def test_a_loop_in_c_ends_at_the_time_limit(isolation: Isolation) -> None:
    assert run_attack(isolation, "sum(range(10 ** 14))", seconds=0.5).verdict is Verdict.TIME_LIMIT


def test_a_silent_process_ends_at_the_time_limit(isolation: Isolation) -> None:
    reply = run_attack(isolation, "os.closerange(0, 100)\nmodules['time'].sleep(1000)", seconds=0.5)
    assert reply.verdict is Verdict.TIME_LIMIT


def test_a_memory_bomb_is_refused(isolation: Isolation) -> None:
    reply = run_attack(isolation, "big = []\nwhile True:\n    big.append(torch.ones(10 ** 7))", memory_bytes=2 * GIB)
    if reply.verdict is Verdict.OK:
        assert reply.payload is not None
        assert json.loads(reply.payload)["refusal"]["code"] == "memory"
    else:
        assert reply.verdict is Verdict.MEMORY_LIMIT


def test_a_flood_on_the_reply_channel_ends_at_the_output_limit(isolation: Isolation) -> None:
    body = "for fd in range(3, 64):\n    attempt(lambda: [os.write(fd, bytes_) for _ in range(10 ** 6)])"
    reply = run_attack(isolation, f"bytes_ = b'x' * 65536\n{body}", output_bytes=1 << 20)
    assert reply.verdict is Verdict.OUTPUT_LIMIT


@pytest.mark.parametrize("body", ["os.fork()", "os.execv('/bin/sh', ['sh'])", "os.posix_spawn('/bin/sh', ['sh'], {})"])
def test_starting_a_process_is_deadly(isolation: Isolation, body: str) -> None:
    assert run_attack(isolation, body).verdict is Verdict.PROCESS_LIMIT


def test_a_crash_is_a_crash(isolation: Isolation) -> None:
    assert run_attack(isolation, "torch.ctypes.string_at(0)").verdict is Verdict.CRASHED


def test_an_early_exit_with_status_0_is_no_success(isolation: Isolation) -> None:
    assert run_attack(isolation, "os._exit(0)").verdict is Verdict.PROTOCOL_ERROR


def test_garbage_in_the_reply_is_no_success(isolation: Isolation) -> None:
    body = "for fd in range(3, 64):\n    attempt(lambda: os.write(fd, b'garbage'))\nos._exit(0)"
    assert run_attack(isolation, body).verdict is Verdict.PROTOCOL_ERROR


def test_the_first_whole_frame_is_the_reply_whatever_comes_after_it(isolation: Isolation) -> None:
    body = "for fd in range(3, 64):\n    attempt(lambda: os.write(fd, (3).to_bytes(8, 'big') + b'abc'))\nos._exit(1)"
    reply = run_attack(isolation, body)
    assert (reply.verdict, reply.payload) == (Verdict.OK, b"abc")


def test_a_reply_longer_than_allowed_is_no_success(isolation: Isolation) -> None:
    body = "for fd in range(3, 64):\n    attempt(lambda: os.write(fd, (99).to_bytes(8, 'big') + 99 * b'x'))\nos._exit(0)"
    assert run_attack(isolation, body, output_bytes=64).verdict is Verdict.OUTPUT_LIMIT
