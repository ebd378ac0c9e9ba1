"""What is particular to the executor of this machine: its zygote."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from sandbox.errors import WorkerLost
from sandbox.execution.local import LocalExecutor
from sandbox.records import DescribeJob, Limits, TaskSettings, TrainJob
from tests.sandbox.execution.test_contract import ROOT, command_line, descendants, eventually, misbehaving, processes_with

LIMITS = Limits(seconds=60)


@pytest.fixture
def executor(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalExecutor]:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("ORPHAN_MARK", f"zygote-of-{os.getpid()}")
    executor = LocalExecutor(1)
    yield executor
    executor.close()


def zygotes() -> set[int]:
    return {pid for pid in descendants(os.getpid()) if b"sandbox.execution.zygote" in command_line(pid)}


def test_a_lost_zygote_is_replaced_and_its_jobs_run_again(executor: LocalExecutor) -> None:
    mark = os.environ["ORPHAN_MARK"]
    future = executor.submit(misbehaving("EndlessBreeder"), LIMITS)
    assert eventually(lambda: len(processes_with(mark)) == 2)
    first = set(processes_with(mark))
    (zygote,) = (pid for pid in zygotes() if len(descendants(pid)) >= 3)
    os.kill(zygote, signal.SIGKILL)
    assert eventually(lambda: len(set(processes_with(mark)) - first) == 2), "it was not run again"
    future.cancel()
    assert executor.submit(DescribeJob(task="probe:catch"), LIMITS).result().task == "probe:catch"
    for pid in first & set(processes_with(mark)):  # fled into a session of its own under a zygote that was killed: out of anyone's reach
        os.kill(pid, signal.SIGKILL)


def test_a_zygote_that_cannot_start_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    executor = LocalExecutor(1)
    try:
        with pytest.raises(WorkerLost, match="server of worker processes"):
            executor.submit(DescribeJob(task="probe:catch"), LIMITS).result()
    finally:
        executor.close()


def test_the_parent_never_loads_torch() -> None:
    code = (
        "import sys\n"
        "from sandbox.execution.local import LocalExecutor\n"
        "from sandbox.records import DescribeJob, Limits, TaskSettings, TrainJob\n"
        "executor = LocalExecutor(1)\n"
        "executor.submit(DescribeJob(task='probe:catch'), Limits()).result()\n"
        "executor.close()\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_warm_emulators_change_no_result() -> None:
    job = TrainJob(
        rule="random", task="atari-ram:Pong", steps=8, seed=3, evaluation_episodes=1, task_settings=TaskSettings(episode_limit=50)
    )
    results = []
    for warm in ((), ("atari-ram:Pong", "atari-ram:NoSuchGame", "gymnasium:no_such_module:X-v0")):
        executor = LocalExecutor(1, warm, num_envs=2)
        try:
            results.append(executor.submit(job, LIMITS).result().model_copy(update={"device_seconds": 0.0}))
        finally:
            executor.close()
    assert results[0] == results[1]
