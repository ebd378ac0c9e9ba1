"""The sandbox's fork server: nothing is shared between programs, and what is lost is not blamed on one."""

from __future__ import annotations

import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sandbox.errors import Verdict, WorkerLost
from sandbox.isolation.pool import TracerPool
from tests.sandbox.execution.test_contract import command_line, eventually
from tests.sandbox.isolation.attacks import LOSS, alive, descendants, observe, run_attack, run_text

ENDLESS = "while True:\n    pass"
MARKS = {
    "a_module": "not modules['torch'].__dict__.update(left_behind=1)",
    "a_builtin": "not builtins.update(left_behind=1)",
    "a_hook": "not os.register_at_fork(after_in_child=lambda: os._exit(1))",
    "a_seed": "torch.manual_seed(99) is not None",
    "a_compiled_cache": "not modules['re']._cache.update(left_behind=1)",
}
FOUND = {
    "a_module": "modules['torch'].left_behind",
    "a_builtin": "builtins['left_behind']",
    "a_seed": "torch.initial_seed() == 99",
    "a_compiled_cache": "modules['re']._cache['left_behind']",
}


def servers() -> set[int]:
    """The fork servers of this process's sandboxes, and what they have forked."""
    return {pid for pid in descendants(os.getpid()) if b"isolation.nursery" in command_line(pid)}


def youngest() -> int:
    """The process that runs the one job there is: it is the one that uses the processor."""
    before = {pid: _ticks(pid) for pid in servers()}
    assert eventually(lambda: max(_ticks(pid) - before.get(pid, 0) for pid in servers()) > 30)
    return max(servers(), key=lambda pid: _ticks(pid) - before.get(pid, 0))


def _ticks(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11])
    except OSError:
        return 0


@pytest.fixture(scope="module")
def found(isolation: TracerPool) -> dict[str, float]:
    """What a second program finds of the marks that a first one has made."""
    assert all(observe(isolation, MARKS).values())
    return observe(isolation, FOUND)


@pytest.mark.parametrize("what", FOUND)
def test_a_program_finds_nothing_of_an_earlier_one(found: dict[str, float], what: str) -> None:
    assert found[what] == 0


def test_a_program_cannot_see_one_that_runs_beside_it(bubblewrap: TracerPool) -> None:
    with ThreadPoolExecutor(1) as threads:
        other = threads.submit(run_attack, bubblewrap, ENDLESS, seconds=6.0)
        seen = observe(bubblewrap, {f"process_{pid}": f"os.kill({pid}, 0)" for pid in range(2, 30)})
        assert other.result().verdict is Verdict.TIME_LIMIT
    assert not any(seen.values())


def test_the_server_has_one_thread(forking: TracerPool) -> None:
    """A fork copies one thread; whatever lock another one held would stay locked for ever."""
    run_text(forking, LOSS)
    threads = {len(list(Path(f"/proc/{pid}/task").iterdir())) for pid in servers()}
    assert threads == {1}


def test_a_killed_tracer_runs_again(forking: TracerPool) -> None:
    run_text(forking, LOSS)  # the server is up, and idle
    with ThreadPoolExecutor(1) as threads:
        job = threads.submit(run_attack, forking, ENDLESS, seconds=8.0)
        first = youngest()
        os.kill(first, signal.SIGKILL)
        assert eventually(lambda: not alive({first}))
        assert job.result().verdict is Verdict.TIME_LIMIT  # the second attempt's


def test_a_tracer_that_is_always_killed_is_lost(forking: TracerPool) -> None:
    run_text(forking, LOSS)  # the server is up, and idle
    with ThreadPoolExecutor(1) as threads:
        job = threads.submit(run_attack, forking, ENDLESS, seconds=30.0)
        for _ in range(2):
            os.kill(youngest(), signal.SIGKILL)
        with pytest.raises(WorkerLost, match="killed by somebody else"):
            job.result()


def test_a_lost_server_is_replaced_and_its_job_runs_again(forking: TracerPool) -> None:
    run_text(forking, LOSS)  # the server is up, and idle
    with ThreadPoolExecutor(1) as threads:
        job = threads.submit(run_attack, forking, ENDLESS, seconds=8.0)
        youngest()
        for pid in servers():
            os.kill(pid, signal.SIGKILL)
        assert job.result().verdict is Verdict.TIME_LIMIT
    assert run_text(forking, LOSS).verdict is Verdict.OK


def test_a_program_cannot_make_its_end_look_like_ours(isolation: TracerPool) -> None:
    body = "for number in (9, 15, 2, 1):\n    attempt(lambda: libc.syscall(234, os.getpid(), os.getpid(), number))"
    assert run_attack(isolation, f"{body}\nos._exit(137)").verdict is Verdict.CRASHED


def test_a_reply_of_one_program_is_not_taken_for_anothers(isolation: TracerPool) -> None:
    texts = [LOSS.replace("** 2", f"** {power}") for power in (2, 3, 4, 5)]
    alone = [run_text(isolation, text).payload for text in texts]
    with ThreadPoolExecutor(4) as threads:
        together = [reply.payload for reply in threads.map(lambda text: run_text(isolation, text), texts)]
    assert together == alone
    assert all(payload is not None and "graphs" in json.loads(payload) for payload in alone)
    assert len(set(alone)) == 4
