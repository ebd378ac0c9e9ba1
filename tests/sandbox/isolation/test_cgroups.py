"""Control groups around a tracer: they bound what a process uses, tell who killed it, and are not left behind."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from sandbox.errors import PrerequisiteMissing, Verdict, WorkerLost
from sandbox.isolation import cgroups
from sandbox.isolation.forked import Launch, Nursery
from sandbox.isolation.pool import TracerPool
from sandbox.isolation.select import open_isolation
from tests.sandbox.execution.test_contract import eventually
from tests.sandbox.isolation.attacks import run_attack

HUNGRY = "import sys\nsys.stdin.read(1)\nkeep = []\nfor _ in range(400):\n    keep.append(bytearray(1 << 20))\n"
DEAD = "from sandbox.isolation import owner; print(owner.mark())"
ROOT = Path(__file__).resolve().parents[3]

needs_cgroups = pytest.mark.skipif(not cgroups.kind(), reason="this user may make no control groups here")


@pytest.fixture
def cage() -> Iterator[cgroups.Cage]:
    cage = cgroups.open_cage(64 << 20)
    assert cage is not None
    yield cage
    cage.close()


def ours() -> list[Path]:
    """This process's: other tests run beside it."""
    return [group for base in set(cgroups._bases().values()) for group in base.glob(f"lossmith-{cgroups.owner.mark()}-*")]


def hungry() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", HUNGRY], stdin=subprocess.PIPE)


@needs_cgroups
def test_memory_that_is_used_is_bounded(cage: cgroups.Cage) -> None:
    with hungry() as process:
        cage.add(process.pid)
        process.communicate(b"x")
    assert process.returncode == -9
    assert cage.out_of_memory


@needs_cgroups
def test_who_stays_within_is_left_alone() -> None:
    cage = cgroups.open_cage(1 << 30)
    assert cage is not None
    with hungry() as process:
        cage.add(process.pid)
        process.communicate(b"x")
    assert process.returncode == 0
    assert not cage.out_of_memory
    cage.close()
    assert cage._groups["memory"] not in ours()


@needs_cgroups
def test_a_job_runs_in_a_cage_of_its_own_limit_and_leaves_none() -> None:
    before, own = set(ours()), Path("/proc/self/cgroup").read_text()
    try:
        pool = open_isolation("bubblewrap", pool_size=1)
    except PrerequisiteMissing as missing:
        pytest.skip(str(missing))
    with closing(pool), ThreadPoolExecutor(1) as threads:
        job = threads.submit(run_attack, pool, "while True:\n    pass", seconds=3.0, memory_bytes=123 << 20)
        bound = str((123 << 20) + cgroups.SLACK_BYTES)
        files = ("memory.max", "memory.limit_in_bytes")
        assert eventually(lambda: any(_says(group / name, bound) for group in ours() for name in files))
        assert job.result().verdict is Verdict.TIME_LIMIT
    assert set(ours()) == before
    assert Path("/proc/self/cgroup").read_text() == own, "the parent was locked in with its job"


def _says(file: Path, text: str) -> bool:
    try:
        return file.read_text().strip() == text
    except OSError:
        return False


@needs_cgroups
def test_a_process_that_never_greeted_locks_nobody_in() -> None:
    own = Path("/proc/self/cgroup").read_text()
    pool = TracerPool("dead", Nursery(Launch(("/bin/sh", "-c", "sleep 0.2"), {})), 1)
    with closing(pool), pytest.raises(WorkerLost):
        pool.test()
    assert Path("/proc/self/cgroup").read_text() == own


@needs_cgroups
def test_what_a_crashed_run_left_is_swept(monkeypatch: pytest.MonkeyPatch) -> None:
    dead = subprocess.run([sys.executable, "-c", DEAD], capture_output=True, text=True, check=True, cwd=ROOT).stdout.strip()
    with monkeypatch.context() as patch:
        patch.setattr(cgroups.owner, "mark", lambda: dead)
        orphan = cgroups.open_cage(1 << 20)
    alive = cgroups.open_cage(1 << 20)
    assert orphan is not None
    assert alive is not None
    cgroups.sweep()
    assert not [group for group in orphan._groups.values() if group.exists()]
    assert set(alive._groups.values()) <= set(ours())
    alive.close()


def test_version_2_stands_beside_our_own_group(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A made-up tree: the kernel's own files do not appear, so limits are ordinary files here."""
    (tmp_path / "cgroup.controllers").write_text("memory pids")
    (tmp_path / "user" / "mine").mkdir(parents=True)
    (tmp_path / "user" / "cgroup.subtree_control").write_text("cpu memory pids\n")
    monkeypatch.setattr(cgroups, "ROOT", tmp_path)
    monkeypatch.setattr(cgroups, "_own", lambda: iter([([""], "/user/mine")]))
    monkeypatch.setattr(cgroups, "SECONDS_TO_EMPTY", 0.0)
    cage = cgroups.open_cage(1 << 20)
    assert cage is not None
    (group,) = set(cage._groups.values())
    assert group.parent == tmp_path / "user"
    assert (group / "memory.max").read_text() == str((1 << 20) + cgroups.SLACK_BYTES)
    assert (group / "pids.max").read_text() == str(cgroups.PROCESSES)
    (group / "memory.events").write_text("low 0\noom 1\noom_kill 1\n")
    assert cage.out_of_memory


def test_none_where_there_is_no_control(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cgroups, "ROOT", tmp_path)
    assert cgroups.open_cage(1 << 20) is None
    assert cgroups.kind() == ""
    assert cgroups.sweep() == 0
