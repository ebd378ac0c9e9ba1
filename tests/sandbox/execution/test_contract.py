"""What every executor keeps to, whatever its jobs do. A new executor joins by one more line in `EXECUTORS`.

Worlds that misbehave are users' own and in no container: an executor of containers runs them as the local one does, which is tested there.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox.errors import PrerequisiteMissing, RunFault, UsageError, Verdict, WorkerLost
from sandbox.execution.base import Executor
from sandbox.execution.docker import ContainerExecutor, check_containers
from sandbox.execution.local import LocalExecutor
from sandbox.records import DescribeJob, Limits, RunResult, TaskDescription, TrainJob

EXECUTORS: dict[str, Callable[[int], Executor]] = {"local": LocalExecutor, "container": ContainerExecutor}
NEEDS = {"container": pytest.mark.docker}
ROOT = Path(__file__).parents[3]
LIMITS = Limits(seconds=60)


def skip_without_docker() -> None:
    """Skips where there is no daemon, or no image of what is here."""
    try:
        check_containers(gpu=False)
    except PrerequisiteMissing as missing:
        pytest.skip(str(missing))


def misbehaving(world: str) -> DescribeJob:
    return DescribeJob(task=f"gymnasium:tests.data.misbehaving:{world}-v0")


def random_run(task: str, seed: int) -> TrainJob:
    return TrainJob(rule="random", task=task, steps=100, seed=seed)


def command_line(pid: int) -> bytes:
    """What a process was started with; nothing where it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def processes_with(mark: str) -> list[int]:
    others = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and int(entry.name) != os.getpid()]
    return [pid for pid in others if mark.encode() in command_line(pid)]


def descendants(pid: int) -> set[int]:
    found: set[int] = set()
    for thread in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = {int(child) for child in thread.read_text().split()}
        except OSError:
            continue
        found |= children.union(*(descendants(child) for child in children))
    return found


def eventually(condition: Callable[[], bool], seconds: float = 20.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()


@pytest.fixture(scope="module", params=[pytest.param(name, marks=NEEDS.get(name, ())) for name in EXECUTORS])
def kind(request: pytest.FixtureRequest) -> str:
    if request.param == "container":
        skip_without_docker()
    return request.param


in_processes = pytest.mark.parametrize("kind", [name for name in EXECUTORS if name not in NEEDS], indirect=True, scope="module")


@pytest.fixture(scope="module", autouse=True)
def _in_the_repository() -> Iterator[None]:
    before = Path.cwd()
    os.chdir(ROOT)
    os.environ["ORPHAN_MARK"] = f"orphan-of-{os.getpid()}"
    yield
    os.chdir(before)


@pytest.fixture(scope="module")
def executor(kind: str, _in_the_repository: None) -> Iterator[Executor]:
    executor = EXECUTORS[kind](2)
    yield executor
    executor.close()


@pytest.fixture
def own(kind: str) -> Iterator[Executor]:
    executor = EXECUTORS[kind](1)
    yield executor
    executor.close()


def test_results_are_records(executor: Executor) -> None:
    description = executor.submit(DescribeJob(task="probe:catch"), LIMITS).result()
    assert isinstance(description, TaskDescription)
    assert description.num_actions == 3
    run = executor.submit(random_run("probe:catch", 1), LIMITS).result()
    assert isinstance(run, RunResult)
    assert (run.task, run.seed, len(run.episode_returns)) == ("probe:catch", 1, 16)


def test_equal_jobs_have_equal_results(executor: Executor) -> None:
    first, second = (executor.submit(random_run("probe:catch", 7), LIMITS).result() for _ in range(2))
    assert first.model_copy(update={"device_seconds": 0.0}) == second.model_copy(update={"device_seconds": 0.0})


@in_processes
def test_lower_priority_starts_first_and_equal_ones_in_order(own: Executor) -> None:
    order: list[int] = []
    blocker = own.submit(misbehaving("Napper"), LIMITS, priority=-1)
    futures = []
    for number, priority in enumerate((5, 1, 5, 0)):
        future = own.submit(DescribeJob(task="probe:catch"), LIMITS, priority)
        future.add_done_callback(lambda _, number=number: order.append(number))
        futures.append(future)
    blocker.result()
    for future in futures:
        future.result()
    assert order == [3, 1, 0, 2]


def test_an_unknown_task_is_the_users_error(executor: Executor) -> None:
    with pytest.raises(UsageError, match="probe:catch"):
        executor.submit(DescribeJob(task="probe:catsh"), LIMITS).result()


@in_processes
def test_what_a_world_raises_is_the_users_error(executor: Executor) -> None:
    with pytest.raises(UsageError, match="no such thing"):
        executor.submit(misbehaving("Raiser"), LIMITS).result()


@in_processes
@pytest.mark.parametrize(
    ("job", "limits", "verdict"),
    [
        (misbehaving("Sleeper"), Limits(seconds=1), Verdict.TIME_LIMIT),
        (random_run("gymnasium:tests.data.misbehaving:Giant-v0", 1), Limits(seconds=60, memory_bytes=1 << 30), Verdict.MEMORY_LIMIT),
        (misbehaving("Flooder"), Limits(seconds=60, output_bytes=1 << 20), Verdict.OUTPUT_LIMIT),
        (misbehaving("Aborter"), LIMITS, Verdict.CRASHED),
        (misbehaving("Leaver"), LIMITS, Verdict.CRASHED),
    ],
    ids=["time", "memory", "output", "abort", "exit"],
)
def test_a_broken_limit_or_a_crash_is_a_verdict(executor: Executor, job: DescribeJob, limits: Limits, verdict: Verdict) -> None:
    start = time.monotonic()
    with pytest.raises(RunFault) as caught:
        executor.submit(job, limits).result()
    assert caught.value.verdict is verdict
    assert time.monotonic() - start < 30


@in_processes
def test_the_end_of_the_log_is_in_the_report_of_a_crash(executor: Executor) -> None:
    with pytest.raises(RunFault, match=r"SIGABRT.*about to abort"):
        executor.submit(misbehaving("Aborter"), LIMITS).result()


def test_an_answer_that_is_too_large_is_not_taken_in(executor: Executor) -> None:
    with pytest.raises(RunFault) as caught:
        executor.submit(random_run("probe:catch", 1), Limits(seconds=60, output_bytes=20)).result()
    assert caught.value.verdict is Verdict.OUTPUT_LIMIT


@in_processes
@pytest.mark.parametrize(("world", "seconds"), [("Breeder", 60), ("EndlessBreeder", 5)])
def test_what_a_job_leaves_behind_ends_with_it(executor: Executor, world: str, seconds: int) -> None:
    future = executor.submit(misbehaving(world), Limits(seconds=seconds))
    future.exception()
    assert processes_with(os.environ["ORPHAN_MARK"]) == []


@in_processes
def test_a_job_can_be_cancelled_while_it_runs(own: Executor) -> None:
    future = own.submit(misbehaving("EndlessBreeder"), LIMITS)
    assert eventually(lambda: len(processes_with(os.environ["ORPHAN_MARK"])) == 2)
    assert future.cancel()
    own.submit(DescribeJob(task="probe:catch"), LIMITS).result()  # the one slot is free again
    assert processes_with(os.environ["ORPHAN_MARK"]) == []


@in_processes
def test_a_worker_killed_by_somebody_else_runs_again(own: Executor) -> None:
    future = own.submit(misbehaving("EndlessBreeder"), Limits(seconds=30))
    assert eventually(lambda: len(processes_with(os.environ["ORPHAN_MARK"])) == 2)
    first = set(processes_with(os.environ["ORPHAN_MARK"]))
    (worker,) = {int(Path(f"/proc/{pid}/stat").read_text().rsplit(")")[-1].split()[1]) for pid in first}
    os.kill(worker, signal.SIGKILL)
    assert eventually(lambda: len(set(processes_with(os.environ["ORPHAN_MARK"])) - first) == 2), "it was not run again"
    assert not future.done()
    future.cancel()


@in_processes
def test_a_worker_that_always_vanishes_is_lost(own: Executor) -> None:
    with pytest.raises(WorkerLost):
        own.submit(misbehaving("Suicide"), LIMITS).result()


@in_processes
def test_close_ends_what_runs_and_drops_what_waits(kind: str) -> None:
    before = descendants(os.getpid())
    executor = EXECUTORS[kind](1)
    running = executor.submit(misbehaving("EndlessBreeder"), LIMITS)
    waiting = executor.submit(DescribeJob(task="probe:catch"), LIMITS)
    assert eventually(lambda: len(processes_with(os.environ["ORPHAN_MARK"])) == 2)
    executor.close()
    executor.close()
    for future in (running, waiting):
        assert isinstance(future.exception(timeout=0), WorkerLost)
    assert descendants(os.getpid()) <= before
    assert processes_with(os.environ["ORPHAN_MARK"]) == []
    with pytest.raises(WorkerLost):
        executor.submit(DescribeJob(task="probe:catch"), LIMITS)


def test_close_at_once(kind: str) -> None:
    start = time.monotonic()
    EXECUTORS[kind](2).close()
    assert time.monotonic() - start < 5


PARENT = """
import os, sys
from tests.sandbox.execution.test_contract import EXECUTORS, LIMITS, misbehaving
executor = EXECUTORS[sys.argv[1]](1)
executor.submit(misbehaving("EndlessBreeder"), LIMITS).result()
"""


@in_processes
@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_parent_leaves_nothing(kind: str, by: signal.Signals) -> None:
    mark = f"parent-{os.getpid()}-{by}"
    parent = subprocess.Popen([sys.executable, "-c", PARENT, kind], cwd=ROOT, env={**os.environ, "ORPHAN_MARK": mark})
    try:
        assert eventually(lambda: len(processes_with(mark)) == 2, 60)
        family = descendants(parent.pid)
        assert family
    finally:
        parent.send_signal(by)
        parent.wait()
    assert eventually(lambda: not processes_with(mark) and not any(Path(f"/proc/{pid}").exists() for pid in family))
