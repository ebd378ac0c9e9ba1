"""Trainings in containers: the same numbers behind more walls."""

from __future__ import annotations

import gc
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.check import Checker
from sandbox.errors import PrerequisiteMissing, RunFault, UsageError, Verdict, WorkerLost
from sandbox.execution import docker, wire
from sandbox.execution.container import MODULE, READY, inside, readable, training_settings
from sandbox.execution.docker import ContainerAttempt, ContainerExecutor
from sandbox.execution.local import LocalExecutor
from sandbox.isolation import owner
from sandbox.isolation.daemon import OWNER, Daemon
from sandbox.isolation.process import End
from sandbox.records import AgentSettings, LearnedRule, Limits, Rung, RunResult, TrainJob
from tests.sandbox.execution.test_contract import ROOT, eventually, skip_without_docker
from tests.sandbox.isolation.test_docker import DAEMON, Door

LIMITS = Limits(seconds=60)
RANDOM = TrainJob(rule="random", task="probe:catch", steps=100, seed=3)
ENDLESS = RANDOM.model_copy(update={"steps": 10**9, "rule": "random", "evaluation_episodes": 10**6})
ON_GPU = RANDOM.model_copy(update={"agent": AgentSettings(device="cuda:1")})


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    skip_without_docker()
    daemon = Daemon()
    yield daemon
    daemon.close()


@pytest.fixture(scope="module")
def executor(daemon: Daemon) -> Iterator[ContainerExecutor]:
    executor = ContainerExecutor(2)
    yield executor
    executor.close()


def ours(daemon: Daemon) -> set[str]:
    """This process's: other tests run beside it."""
    mine = {"label": f"{OWNER}={owner.mark()}"}
    return {container["Id"] for container in daemon.call(lambda api: api.containers(all=True, filters=mine))}


def running(daemon: Daemon) -> set[str]:
    return {container["Id"] for container in daemon.call(lambda api: api.containers(filters={"label": f"{OWNER}={owner.mark()}"}))}


def created(daemon: Daemon, job: TrainJob) -> dict[str, Any]:
    """The settings of a container that is made for a job and never started."""
    wanted = training_settings(daemon, job)
    made = daemon.call(lambda api: api.create_container(**wanted))["Id"]
    try:
        found: dict[str, Any] = daemon.call(lambda api: api.inspect_container(made))
    finally:
        daemon.remove(made)
    return found


# ------------------------------------------------------------------------------------------------ without a daemon
def test_the_one_gpu_of_a_container_is_its_first() -> None:
    assert inside(ON_GPU).agent.device == "cuda:0"
    assert inside(RANDOM) == RANDOM


def test_a_meta_network_lies_where_it_is_bound() -> None:
    rule = LearnedRule(name="disco103", path="/home/somebody/disco.npz", sha256="0" * 64)
    there = inside(RANDOM.model_copy(update={"rule": rule})).rule
    assert isinstance(there, LearnedRule)
    assert there.path == "/weights.npz"
    assert there.sha256 == rule.sha256


class Answering:
    """A container's channel at whose other end somebody has already said all there is to say, while this process was asleep."""

    def __init__(self, said: bytes, *, ended: bool) -> None:
        self.ours, self.theirs = socket.socketpair()
        self.ours.setblocking(False)
        self.theirs.sendall(READY + said)
        if ended:
            self.theirs.shutdown(socket.SHUT_WR)

    def fileno(self) -> int:
        return self.ours.fileno()

    def bound(self, limits: Limits) -> None:
        pass

    def send(self, data: bytes) -> int:
        return len(data)

    def receive(self) -> bytes | None:
        try:
            return self.ours.recv(100)
        except BlockingIOError:
            return None

    def wait(self, seconds: float) -> End:
        return End(0)

    def complaint(self) -> str:
        return ""

    def close(self) -> None:
        self.ours.close()
        self.theirs.close()


def attempt(monkeypatch: pytest.MonkeyPatch, channel: Answering) -> ContainerAttempt:
    monkeypatch.setattr(docker, "_start", lambda daemon, job: channel)
    request = wire.Request(job=RANDOM, limits=Limits(seconds=1e-9))  # over before it is first looked at
    return ContainerAttempt(None, RANDOM, request)  # type: ignore[arg-type]


def test_an_answer_that_came_while_this_process_slept_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = wire.Failed(family="usage", message="x" * 1000)
    with pytest.raises(UsageError, match=r"x{1000}"):
        attempt(monkeypatch, Answering(wire.pack(answer.model_dump_json().encode()), ended=True)).run()


def test_half_an_answer_at_the_time_limit_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RunFault) as caught:
        attempt(monkeypatch, Answering(b"x" * 1000, ended=False)).run()
    assert caught.value.verdict is Verdict.TIME_LIMIT


# --------------------------------------------------------------------------------------------------- with a daemon
@pytest.mark.docker
def test_a_gpu_is_asked_for_by_its_number(daemon: Daemon) -> None:
    requests = created(daemon, ON_GPU)["HostConfig"]["DeviceRequests"]
    assert [(request["DeviceIDs"], request["Capabilities"]) for request in requests] == [(["1"], [["gpu"]])]
    assert not created(daemon, RANDOM)["HostConfig"]["DeviceRequests"]


@pytest.mark.docker
def test_the_walls_are_a_tracers(daemon: Daemon) -> None:
    for job in (RANDOM, ON_GPU):
        host = created(daemon, job)["HostConfig"]
        assert (host["NetworkMode"], host["ReadonlyRootfs"], host["CapDrop"], host["Privileged"]) == ("none", True, ["ALL"], False)
        assert host["Memory"] == host["MemorySwap"] > 0
        assert not host["Binds"]
        assert not host.get("Mounts")


def test_a_meta_network_that_nobody_else_may_read_says_how_to_allow_it(tmp_path: Path) -> None:
    file = tmp_path / "weights.npz"
    rule = LearnedRule(name="x", path=str(file), sha256="0" * 64)
    with pytest.raises(PrerequisiteMissing, match="No such file"):
        readable(rule)
    file.write_bytes(b"")
    file.chmod(0o600)
    with pytest.raises(PrerequisiteMissing, match="chmod a\\+r"):
        readable(rule)
    file.chmod(0o644)
    assert readable(rule) == file


@pytest.mark.docker
def test_only_a_meta_networks_file_is_bound_and_cannot_be_written(daemon: Daemon, tmp_path: Path) -> None:
    file = tmp_path / "weights.npz"
    file.write_bytes(b"")
    rule = LearnedRule(name="x", path=str(file), sha256="0" * 64)
    (mount,) = created(daemon, RANDOM.model_copy(update={"rule": rule}))["HostConfig"]["Mounts"]
    assert (mount["Source"], mount["Target"], mount["ReadOnly"]) == (str(file), "/weights.npz", True)


@pytest.mark.docker
def test_a_machine_without_gpus_says_what_to_install(executor: ContainerExecutor) -> None:
    if Path("/dev/nvidia0").exists():
        pytest.skip("there is a GPU here")
    with pytest.raises(PrerequisiteMissing, match="container toolkit"):
        executor.submit(ON_GPU, LIMITS).result()


@pytest.mark.docker
def test_a_training_gives_the_same_numbers_as_in_a_process(executor: ContainerExecutor) -> None:
    local = LocalExecutor(1)
    try:
        results = [one.submit(RANDOM, LIMITS).result().model_copy(update={"device_seconds": 0.0}) for one in (executor, local)]
    finally:
        local.close()
    assert results[0] == results[1]


@pytest.mark.docker
@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_a_verified_graph_trains(executor: ContainerExecutor, device: str) -> None:
    """On a GPU it is the container's only one, asked for by its number; the gates do without."""
    rung = Rung(name="r", tasks=("probe:catch",), steps=2000, seeds=1)
    agent = AgentSettings(num_envs=16, rollout_length=16, device=device)
    checker = Checker(executor, None, agent)
    try:
        traced = checker.reference("a2c", [rung])
    finally:
        checker.close()
    job = TrainJob(rule=traced, task="probe:catch", agent=agent, steps=2000, seed=1)
    result = executor.submit(job, Limits(seconds=300)).result()
    assert isinstance(result, RunResult)
    assert result.steps >= 2000
    assert result.diagnostics.gradient_norm


@pytest.mark.docker
def test_an_error_of_the_jobs_own_comes_out_as_what_it_is(executor: ContainerExecutor) -> None:
    with pytest.raises(UsageError, match="probe:catch"):
        executor.submit(RANDOM.model_copy(update={"task": "probe:catsh"}), LIMITS).result()


@pytest.mark.docker
def test_a_users_own_task_runs_beside_the_containers(executor: ContainerExecutor, daemon: Daemon) -> None:
    before = ours(daemon)
    job = RANDOM.model_copy(update={"task": "gymnasium:CartPole-v1", "steps": 20})
    assert isinstance(executor.submit(job, LIMITS).result(), RunResult)
    assert ours(daemon) == before


@pytest.mark.docker
@pytest.mark.parametrize(
    ("limits", "verdict"),
    [(Limits(seconds=1), Verdict.TIME_LIMIT), (Limits(seconds=60, output_bytes=20), Verdict.OUTPUT_LIMIT)],
    ids=["time", "output"],
)
def test_a_broken_limit_is_a_verdict(executor: ContainerExecutor, limits: Limits, verdict: Verdict) -> None:
    with pytest.raises(RunFault) as caught:
        executor.submit(ENDLESS if verdict is Verdict.TIME_LIMIT else RANDOM, limits).result()
    assert caught.value.verdict is verdict


@pytest.mark.docker
def test_a_container_that_does_not_start_is_no_programs_fault(executor: ContainerExecutor, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = {"command": ["-c", "raise SystemExit('no torch here')"]}
    monkeypatch.setattr(docker, "training_settings", lambda daemon, job: training_settings(daemon, job) | broken)
    with pytest.raises(WorkerLost, match=r"did not start\. no torch here"):
        executor.submit(RANDOM, LIMITS).result()


@pytest.mark.docker
def test_nor_is_one_that_takes_too_long_to(executor: ContainerExecutor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docker, "START_SECONDS", 0.0)
    with pytest.raises(WorkerLost, match="did not start"):
        executor.submit(RANDOM, LIMITS).result()


@pytest.mark.docker
def test_a_container_killed_by_somebody_else_runs_again(daemon: Daemon) -> None:
    before = ours(daemon)
    executor = ContainerExecutor(1)
    future = executor.submit(ENDLESS, LIMITS)
    assert eventually(lambda: len(running(daemon) - before) == 1)
    first = running(daemon) - before
    for container in first:
        daemon.call(lambda api, victim=container: api.kill(victim))
    assert eventually(lambda: len(running(daemon) - before - first) == 1), "it was not run again"
    assert not future.done()
    executor.close()
    assert ours(daemon) == before


def lose_the_daemon(daemon: Daemon, path: Path) -> None:
    """A training is at work when its daemon dies."""
    before = ours(daemon)
    door = Door(DAEMON.removeprefix("unix://"), path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", door.address)
        executor = ContainerExecutor(1)
    future = executor.submit(ENDLESS, LIMITS)
    assert eventually(lambda: len(running(daemon) - before) == 1)
    door.shut()
    error = future.exception()
    assert isinstance(error, WorkerLost)
    assert error.message.startswith("Docker failed")
    assert "lossmith doctor" in error.remedy
    executor.close()
    for container in ours(daemon) - before:  # the next run's sweep would do it, once this process has ended
        daemon.remove(container)


@pytest.mark.docker
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the SDK closes no socket of a call that failed
def test_a_daemon_that_dies_under_a_training_is_our_fault(daemon: Daemon, tmp_path: Path) -> None:
    lose_the_daemon(daemon, tmp_path / "door.sock")
    gc.collect()


@pytest.mark.docker
def test_a_cancelled_job_and_a_closed_executor_leave_no_container(daemon: Daemon) -> None:
    before = ours(daemon)
    executor = ContainerExecutor(1)
    future = executor.submit(ENDLESS, LIMITS)
    assert eventually(lambda: len(ours(daemon) - before) == 1)
    future.cancel()
    assert eventually(lambda: ours(daemon) == before)
    running = executor.submit(ENDLESS, LIMITS)
    assert eventually(lambda: len(ours(daemon) - before) == 1)
    executor.close()
    assert isinstance(running.exception(timeout=0), WorkerLost)
    assert ours(daemon) == before


PARENT = """
from tests.sandbox.execution.test_docker import ENDLESS, LIMITS, ContainerExecutor
ContainerExecutor(1).submit(ENDLESS, LIMITS).result()
"""


@pytest.mark.docker
def test_a_killed_parent_leaves_no_training_at_work_and_nothing_after_a_sweep(daemon: Daemon) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], cwd=ROOT)
    mark = {"label": OWNER}

    def of_parent(**which: bool) -> list[str]:
        found = daemon.call(lambda api: api.containers(filters=mark, **which))
        return [one["Id"] for one in found if f"-{parent.pid}-" in one["Labels"][OWNER]]

    try:
        assert eventually(lambda: bool(of_parent()), 60)
    finally:
        parent.kill()
        parent.wait()
    assert eventually(lambda: not of_parent())
    daemon.sweep()
    assert not of_parent(all=True)


def test_the_module_that_runs_inside_reads_one_job_and_writes_one_answer() -> None:
    """Without a container around it."""
    request = wire.pack(wire.Request(job=RANDOM, limits=LIMITS).model_dump_json().encode())
    with subprocess.Popen([sys.executable, "-m", MODULE], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as inside_it:
        assert inside_it.stdin is not None
        assert inside_it.stdout is not None
        inside_it.stdin.write(request)
        inside_it.stdin.flush()
        said = inside_it.stdout.read()
    ready, answer = said[: len(READY)], said[len(READY) :]
    assert ready == READY
    (size,) = wire.HEADER.unpack(answer[: wire.HEADER.size])
    assert len(answer) == size + wire.HEADER.size
    assert isinstance(wire.result_of(wire.ANSWERS.validate_json(answer[wire.HEADER.size :])), RunResult)


def test_and_ends_when_nobody_waits_for_it_any_more() -> None:
    request = wire.pack(wire.Request(job=ENDLESS, limits=LIMITS).model_dump_json().encode())
    done = subprocess.run([sys.executable, "-m", MODULE], input=request, capture_output=True, check=False, timeout=100)
    assert (done.returncode, done.stdout) == (1, READY)
