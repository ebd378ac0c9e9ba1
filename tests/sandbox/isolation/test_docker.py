"""What only containers give, and what happens when their daemon does not play along."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from sandbox.errors import PrerequisiteMissing, Verdict, WorkerLost
from sandbox.execution.container import training_settings
from sandbox.isolation import contents, docker, owner
from sandbox.isolation.daemon import CONTENT, IMAGE, OWNER, Daemon
from sandbox.isolation.docker import ContainerTracer, check_image, open_docker, settings
from sandbox.isolation.pool import TracerPool
from sandbox.isolation.process import StartupFailed, TracerProcess
from sandbox.records import TrainJob
from tests.sandbox.execution.test_contract import eventually
from tests.sandbox.isolation.attacks import LOSS, observe, run_attack, run_text
from tests.sandbox.isolation.conftest import skip_without_docker

ROOT = Path(__file__).resolve().parents[3]
DAEMON = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
HIDDEN = {
    "passwords": "os.open('/etc/passwd', 0)",
    "home_of_the_host": "[name for name in os.listdir('/root') if name.startswith('.bash')][0]",
    "the_daemons_socket": "os.open('/var/run/docker.sock', 0)",
    "tests_of_this_package": f"os.listdir({str(ROOT / 'tests')!r})",
    "is_root": "os.getuid() == 0",
    "has_roots_group": "0 in os.getgroups()",
    "writes_into_its_source": "os.mkdir('/lossmith/x')",
    "makes_a_folder": "os.mkdir('/x')",
    "leaves_a_file": "os.mkdir('/tmp/x')",
    "other_network": "len(modules['_socket'].if_nameindex()) > 1",
    "sees_another_process": "os.kill(2, 0)",
}


class NoDaemon:
    """What `check_image` needs of a daemon."""

    def __init__(self, content: str | None) -> None:
        self._content = content

    def content(self) -> str | None:
        return self._content


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    skip_without_docker()
    found = Daemon()
    yield found
    found.close()


@pytest.fixture(scope="module")
def observed(docker: TracerPool) -> dict[str, float]:
    return observe(docker, {**HIDDEN, "its_source": "os.open('/lossmith/sandbox/records.py', 0)"})


def ours(daemon: Daemon) -> list[dict[str, Any]]:
    """This process's: other tests run beside it."""
    found: list[dict[str, Any]] = daemon.call(lambda api: api.containers(all=True, filters={"label": f"{OWNER}={owner.mark()}"}))
    return found


# ------------------------------------------------------------------------------------------------ without a daemon
def test_no_image_says_how_to_build_one() -> None:
    with pytest.raises(PrerequisiteMissing, match="lossmith sandbox build"):
        check_image(NoDaemon(None))  # type: ignore[arg-type]


def test_a_stale_image_is_refused() -> None:
    with pytest.raises(PrerequisiteMissing, match="stale") as caught:
        check_image(NoDaemon("0123456789abcdef"))  # type: ignore[arg-type]
    assert "lossmith sandbox build" in caught.value.remedy


def test_a_current_image_is_taken() -> None:
    check_image(NoDaemon(contents.digest()))  # type: ignore[arg-type]


def test_the_digest_tells_of_a_changed_source(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = contents.digest()
    changed = tmp_path / "changed.py"
    changed.write_text("pass")
    monkeypatch.setattr(contents, "SOURCE_ROOT", tmp_path)
    monkeypatch.setattr(contents, "DOCKERFILE", tmp_path / "changed.py")
    assert contents.digest() != before


def test_a_wall_out_of_place_stops_everything() -> None:
    sound: dict[str, object] = {"uid": docker.USER, "network": ["lo"], "capabilities": 0, "first": True}
    docker.check_hello(sound)
    for broken in ({"uid": 0}, {"network": ["lo", "eth0"]}, {"capabilities": 1}, {"first": False}):
        with pytest.raises(PrerequisiteMissing, match="docker runs, but"):
            docker.check_hello({**sound, **broken})


def test_a_live_owner_is_not_gone() -> None:
    assert not owner.is_gone(owner.mark())


def test_a_dead_owner_is_gone() -> None:
    code = "from sandbox.isolation import owner; print(owner.mark())"
    mark = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout.strip()
    assert owner.is_gone(mark)


@pytest.mark.parametrize("mark", ["", "x", "other-1-1", "other-999999999-0"])
def test_what_we_cannot_judge_is_not_gone(mark: str) -> None:
    assert not owner.is_gone(mark)


# --------------------------------------------------------------------------------------------------- with a daemon
@pytest.mark.docker
def test_a_container_is_created_locked_down(daemon: Daemon) -> None:
    tracer = ContainerTracer(daemon, settings(daemon, None))
    try:
        found = daemon.call(lambda api: api.inspect_container(tracer._id))
    finally:
        tracer.close()
    host, config = found["HostConfig"], found["Config"]
    assert (host["NetworkMode"], host["ReadonlyRootfs"], host["CapDrop"], host["Privileged"]) == ("none", True, ["ALL"], False)
    assert "no-new-privileges:true" in host["SecurityOpt"]
    assert not any("unconfined" in option for option in host["SecurityOpt"])
    assert host["Memory"] == host["MemorySwap"] > 0
    assert (host["PidsLimit"], host["NanoCpus"], host["LogConfig"]["Type"]) == (docker.PROCESSES, 10**9, "none")
    assert not host["Binds"]
    assert "noexec" in host["Tmpfs"]["/tmp"]
    assert "size=" in host["Tmpfs"]["/tmp"]
    assert {limit["Name"] for limit in host["Ulimits"]} == {"core", "nofile"}
    assert config["User"] == f"{docker.USER}:{docker.USER}"
    assert not any("SECRET" in variable for variable in config["Env"])


@pytest.mark.docker
def test_memory_of_a_job_is_memory_without_swap(daemon: Daemon) -> None:
    from sandbox.records import Limits

    tracer = ContainerTracer(daemon, settings(daemon, None))
    try:
        tracer.bound(Limits(memory_bytes=1 << 28))
        host = daemon.call(lambda api: api.inspect_container(tracer._id))["HostConfig"]
    finally:
        tracer.close()
    assert host["Memory"] == host["MemorySwap"] == docker.BASE_BYTES + (1 << 28)


@pytest.mark.docker
def test_another_runtime_is_asked_for_by_name(daemon: Daemon) -> None:
    with pytest.raises(WorkerLost, match="no-such-runtime"):
        ContainerTracer(daemon, settings(daemon, "no-such-runtime"))
    assert settings(daemon, "runsc")["host_config"]["Runtime"] == "runsc"


@pytest.mark.docker
def test_the_environment_names_the_runtime_of_every_container(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(docker.RUNTIME, "runsc")
    job = TrainJob(rule="random", task="probe:catch", steps=1, seed=0)
    for made in (settings(daemon, None), training_settings(daemon, job)):
        assert made["host_config"]["Runtime"] == "runsc"


@pytest.mark.docker
def test_its_own_source_is_there(observed: dict[str, float]) -> None:
    assert observed["its_source"] == 1


@pytest.mark.docker
@pytest.mark.parametrize("what", HIDDEN)
def test_out_of_reach(observed: dict[str, float], what: str) -> None:
    assert observed[what] == 0


@pytest.mark.docker
def test_containers_are_used_once_and_removed(docker: TracerPool, daemon: Daemon) -> None:
    before = {container["Id"] for container in ours(daemon)}
    first, second = run_text(docker, LOSS), run_text(docker, LOSS)
    assert first.payload == second.payload
    assert json.loads(first.payload or b"")["graphs"]
    assert not before & {container["Id"] for container in ours(daemon)}


@pytest.mark.docker
def test_an_exit_code_like_a_kill_is_a_crash(docker: TracerPool) -> None:
    assert run_attack(docker, "os._exit(137)").verdict is Verdict.CRASHED


@pytest.mark.docker
def test_what_a_crashed_run_left_is_swept(daemon: Daemon) -> None:
    code = "from sandbox.isolation import owner; print(owner.mark())"
    dead = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout.strip()
    orphaned = {**settings(daemon, None), "labels": {OWNER: dead}}
    orphan = daemon.call(lambda api: api.create_container(**orphaned))["Id"]
    alive = ContainerTracer(daemon, settings(daemon, None))
    try:
        daemon.sweep()
        left = {container["Id"] for container in daemon.call(lambda api: api.containers(all=True))}
        assert orphan not in left
        assert alive._id in left
    finally:
        daemon.remove(orphan)
        alive.close()


@pytest.mark.docker
def test_a_container_that_does_not_start_says_why(daemon: Daemon) -> None:
    process = TracerProcess(ContainerTracer(daemon, {**settings(daemon, None), "command": ["-c", "raise SystemExit('no torch here')"]}))
    with pytest.raises(StartupFailed, match="no torch here"):
        process.wait_ready()


@pytest.mark.docker
def test_the_image_says_what_it_holds(daemon: Daemon) -> None:
    labels = daemon.call(lambda api: api.inspect_image(IMAGE))["Config"]["Labels"]
    assert labels[CONTENT] == contents.digest()


# -------------------------------------------------------------------------------------------------------- fault drill
class Door:
    """A way to the daemon that can be shut, which for whoever uses it is the daemon's death."""

    def __init__(self, daemon: str, path: Path) -> None:
        self.address = f"unix://{path}"
        self._daemon = daemon
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._open: list[socket.socket] = [self._listener]
        threading.Thread(target=self._accept, daemon=True).start()

    def shut(self) -> None:
        """Every connection ends, and nobody listens any more."""
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                ours, theirs = self._listener.accept()[0], socket.socket(socket.AF_UNIX)
                theirs.connect(self._daemon)
                self._open += [ours, theirs]
                for source, sink in ((ours, theirs), (theirs, ours)):
                    threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    @staticmethod
    def _pump(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)


def lose_the_daemon(daemon: Daemon, path: Path) -> None:
    """A job is at work when its daemon dies."""
    before = {container["Id"] for container in ours(daemon)}
    door = Door(DAEMON.removeprefix("unix://"), path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", door.address)
        pool = open_docker(pool_size=1)
        pool.test()
        with ThreadPoolExecutor(1) as threads:
            job = threads.submit(run_attack, pool, "while True:\n    pass", seconds=60.0)
            assert eventually(lambda: len({container["Id"] for container in ours(daemon)} - before) == 2)
            door.shut()
            with pytest.raises(WorkerLost, match="Docker failed") as caught:
                job.result()
        assert "lossmith doctor" in caught.value.remedy
        pool.close()
        with pytest.raises(PrerequisiteMissing, match="No docker daemon answers"):
            open_docker(pool_size=1)
    for container in ours(daemon):  # the next run's sweep would do it, once this process has ended
        if container["Id"] not in before:
            daemon.remove(container["Id"])


@pytest.mark.docker
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the SDK closes no socket of a call that failed
def test_a_daemon_that_dies_under_a_job_is_our_fault(daemon: Daemon, tmp_path: Path) -> None:
    lose_the_daemon(daemon, tmp_path / "door.sock")
    gc.collect()


@pytest.mark.docker
def test_a_deleted_image_is_our_fault(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    daemon.call(lambda api: api.tag(IMAGE, "lossmith-drill"))
    monkeypatch.setattr(docker, "IMAGE", "lossmith-drill")
    pool = TracerPool("docker", docker.Containers(Daemon(), None), 1)
    pool.test()
    daemon.call(lambda api: api.remove_image("lossmith-drill", noprune=True))
    replies = [run_text(pool, LOSS).verdict]  # in the container that was waiting
    with contextlib.suppress(WorkerLost):  # and in one that may have been created by then
        replies.append(run_text(pool, LOSS).verdict)
    with pytest.raises(WorkerLost, match="lossmith-drill"):
        run_text(pool, LOSS)
    pool.close()
    assert set(replies) == {Verdict.OK}


@pytest.mark.docker
def test_a_container_killed_by_somebody_else_runs_again(daemon: Daemon) -> None:
    before = {container["Id"] for container in ours(daemon)}
    pool = TracerPool("docker", docker.Containers(Daemon(), None), 1)
    pool.test()
    with ThreadPoolExecutor(1) as threads:
        job = threads.submit(run_attack, pool, "while True:\n    pass", seconds=6.0)
        assert eventually(lambda: len({container["Id"] for container in ours(daemon)} - before) == 2)
        busy = [container["Id"] for container in ours(daemon) if container["Id"] not in before]
        for container in busy:  # the one at work, and the one that waits
            with contextlib.suppress(WorkerLost):
                daemon.call(lambda api, victim=container: api.kill(victim))
        assert job.result().verdict is Verdict.TIME_LIMIT  # the second attempt's
    pool.close()
