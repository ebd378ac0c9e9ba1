"""The fault drill: what goes wrong around a campaign is ours, is tried again, and pauses it with a remedy; no program is blamed."""

from __future__ import annotations

import gc
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from archive.base import Archive
from archive.store import open_archive
from sandbox.errors import Verdict, WorkerLost
from sandbox.isolation import docker
from sandbox.isolation.base import Reply
from sandbox.isolation.daemon import IMAGE, Daemon
from sandbox.isolation.docker import open_docker
from sandbox.isolation.pool import TracerPool
from sandbox.isolation.siege import run_unparsed
from sandbox.records import GateReport, Limits, RefusalRecord
from synth.budget import Ending
from synth.campaign import Campaign, Crew
from synth.pipeline import Runs
from synth.proposers.base import Author
from synth.valve import Valve
from tests.sandbox.execution.test_contract import skip_without_docker
from tests.sandbox.isolation.test_docker import DAEMON, Door
from tests.sandbox.isolation.test_pool import ECHO, echo
from tests.synth.doubles import ArithmeticExecutor, ArithmeticGates, Scribbler, campaign, spec, story

ROOT = Path(__file__).parent.parent.parent
EVALUATIONS = 10


class SandboxedGates(ArithmeticGates):
    """Arithmetic, after every text has been through a real pool of real processes. A verdict of theirs would blame the program."""

    pool: TracerPool

    def ask(self, text: str) -> Reply:
        return self.pool.run(text.encode(), Limits(seconds=60))

    def gates(self, text: str, rungs: Any = (), *, trusted: bool = False, priority: int = 0) -> GateReport:
        reply = self.ask(text)
        if reply.verdict is not Verdict.OK:
            blamed = RefusalRecord(gate="trace", code=reply.verdict, line=0, column=0, message="Blamed.", remedy="")
            return GateReport(refusal=blamed)
        return super().gates(text, rungs, trusted=trusted, priority=priority)


class TracedGates(SandboxedGates):
    """The same with processes that really trace."""

    def ask(self, text: str) -> Reply:
        return run_unparsed(text, self.pool, Limits(seconds=60))


def sandboxed(archive: Archive, pool: TracerPool, gates: type[SandboxedGates] = SandboxedGates) -> Campaign:
    whole = spec(evaluations=EVALUATIONS)
    archive.create_campaign("c", whole.model_dump_json())
    valve = Valve(ArithmeticExecutor(), Runs(archive, "c").remember)
    judge = gates(valve, None, whole.agent, seed=whole.campaign.seed)
    judge.pool = pool
    return Campaign(whole, archive, Crew(judge, (Author(Scribbler()),), valve), threading.Event())


@pytest.fixture(scope="module")
def unhurt() -> list[tuple[Any, ...]]:
    """The campaign to which nothing happens."""
    archive = open_archive(None)
    campaign(spec(evaluations=EVALUATIONS), archive)[0].run()
    return story(archive)


HANGING = """
import time
from sandbox.execution import limits
def reach(folder, once):
    limits.die_with(os.getppid())
    try:
        if once: os.mkdir(folder + "/hung")
    except FileExistsError:
        return
    name = folder + "/" + str(os.getpid())
    with open(name, "x") as file: pass
    os.rename(name, name + ".reached")
    time.sleep(1000)
"""


def hanging(folder: Path, *, once: bool) -> TracerPool:
    """A pool whose processes, or the first of them alone, stop in the middle of their job until they are killed."""
    return echo(HANGING + ECHO.replace("    left = frame", f"    reach({str(folder)!r}, {once})\n    left = frame"))


class Killer:
    """Waits for a process that has stopped in the middle of its job, and kills it, or `whom` it names."""

    def __init__(self, folder: Path, whom: Callable[[int], int] = lambda pid: pid) -> None:
        self.folder = folder
        self.whom = whom
        self.victims = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._kill)

    def __enter__(self) -> Killer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _kill(self) -> None:
        while not self._stop.wait(0.01):
            for reached in self.folder.glob("*.reached"):
                os.kill(self.whom(int(reached.stem)), signal.SIGKILL)
                reached.unlink()
                self.victims += 1


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def blamed(archive: Archive) -> list[str]:
    """Programs whose fate names the sandbox."""
    rows = (archive.result_of("c", number) for number in range(archive.progress("c")[1]))
    return [row.program_id for row in rows if row is not None and row.refusal is not None and row.refusal.message == "Blamed."]


def test_processes_that_are_always_killed_pause_it_and_it_goes_on_as_if_nothing_had_been(tmp_path: Path, unhurt: list[Any]) -> None:
    archive, doomed = open_archive(None), hanging(tmp_path, once=False)
    with Killer(tmp_path) as killer, pytest.raises(WorkerLost) as caught:
        sandboxed(archive, doomed).run()
    doomed.close()
    assert killer.victims >= 4  # the pool tries a job twice, and so does the campaign
    assert caught.value.remedy
    assert archive.events("c")[-1].kind == "paused"
    assert blamed(archive) == []
    fresh = echo()
    assert sandboxed(archive, fresh).run() == Ending.EVALUATIONS
    fresh.close()
    assert story(archive) == unhurt


def test_one_killed_process_is_not_even_noticed(tmp_path: Path, unhurt: list[Any]) -> None:
    archive, pool = open_archive(None), hanging(tmp_path, once=True)
    with Killer(tmp_path) as killer:
        assert sandboxed(archive, pool).run() == Ending.EVALUATIONS
    pool.close()
    assert killer.victims == 1
    assert story(archive) == unhurt


def test_a_killed_server_is_not_even_noticed(tmp_path: Path, unhurt: list[Any]) -> None:
    archive, pool = open_archive(None), hanging(tmp_path, once=True)
    with Killer(tmp_path, parent_of) as killer:
        assert sandboxed(archive, pool).run() == Ending.EVALUATIONS
    pool.close()
    assert killer.victims == 1
    assert story(archive) == unhurt


@pytest.mark.docker
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the SDK closes no socket of a call that failed
def test_a_daemon_that_dies_pauses_it_and_it_goes_on_as_if_nothing_had_been(tmp_path: Path, unhurt: list[Any]) -> None:
    skip_without_docker()
    archive = open_archive(None)
    lose_the_daemon(archive, Door(DAEMON.removeprefix("unix://"), tmp_path / "door.sock"))
    gc.collect()
    assert archive.events("c")[-1].kind == "paused"
    assert blamed(archive) == []
    campaign(spec(evaluations=EVALUATIONS), archive)[0].run()
    assert story(archive) == unhurt


def lose_the_daemon(archive: Archive, door: Door) -> None:
    """The first program is about to be traced in a container that waits for it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", door.address)
        pool = open_docker(pool_size=1)
    pool.test()
    patched = sandboxed(archive, pool, TracedGates)
    door.shut()
    with pytest.raises(WorkerLost) as caught:
        patched.run()
    assert "lossmith doctor" in caught.value.remedy
    pool.close()


@pytest.mark.docker
def test_a_deleted_image_pauses_it_and_it_goes_on_as_if_nothing_had_been(unhurt: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    skip_without_docker()
    daemon, archive = Daemon(), open_archive(None)
    daemon.call(lambda api: api.tag(IMAGE, "lossmith-gone"))
    monkeypatch.setattr(docker, "IMAGE", "lossmith-gone")
    pool = TracerPool("docker", docker.Containers(Daemon(), None), 1)
    pool.test()
    daemon.call(lambda api: api.remove_image("lossmith-gone", noprune=True))
    daemon.close()
    with pytest.raises(WorkerLost, match="lossmith-gone") as caught:
        sandboxed(archive, pool, TracedGates).run()
    pool.close()
    assert caught.value.remedy
    assert archive.events("c")[-1].kind == "paused"
    assert blamed(archive) == []
    campaign(spec(evaluations=EVALUATIONS), archive)[0].run()
    assert story(archive) == unhurt


def turn(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """The clock of the wall jumps by so much whenever somebody looks at it."""
    real, looks = time.time, itertools.count()
    monkeypatch.setattr(time, "time", lambda: real() + seconds * next(looks))


def test_a_clock_that_is_set_forward_changes_nothing(unhurt: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Every limit is by a clock that cannot be set: no job is ever over its time because of it."""
    turn(monkeypatch, 1e6)
    archive, pool = open_archive(None), echo(ECHO.replace("left = frame", "import time; time.sleep(0.1); left = frame"))
    assert sandboxed(archive, pool).run() == Ending.EVALUATIONS
    pool.close()
    assert story(archive) == unhurt


def test_a_clock_that_is_set_back_lets_no_job_run_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    turn(monkeypatch, -1e6)
    pool = hanging(tmp_path, once=False)
    assert pool.run(b"job", Limits(seconds=0.5)).verdict is Verdict.TIME_LIMIT
    pool.close()


FULL = """
import subprocess, sys
from pathlib import Path
from archive.store import open_archive
from sandbox.errors import LossmithError
from tests.synth.doubles import campaign, spec, story
disk, left, told = Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", disk], check=True)
if left >= 0:  # else it is full before there is an archive
    open_archive(disk / "a.sqlite").close()
with (disk / "filler").open("wb", buffering=0) as filler:
    try:
        while filler.write(bytes(4096)): pass
    except OSError:
        filler.truncate(max(0, filler.tell() - max(0, left)))
try:
    campaign(spec(evaluations=10), open_archive(disk / "a.sqlite"))[0].run()
except LossmithError as error:
    print(error.message, "|", error.remedy, "|", error.exit_code)
(disk / "filler").unlink()
archive = open_archive(disk / "a.sqlite")
campaign(spec(evaluations=10), archive)[0].run()
told.write_text(repr(story(archive)))
"""


@pytest.mark.parametrize("left", [-1, 0, 20_000, 100_000])
def test_a_full_disk_pauses_it_with_a_remedy_and_loses_nothing(tmp_path: Path, unhurt: list[Any], left: int) -> None:
    """A real one, with so many bytes left when the campaign begins, in a mount namespace that ends with the test."""
    alone = ["unshare", "--mount", "--map-root-user"]
    if subprocess.run([*alone, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, check=False).returncode:
        pytest.skip("nothing can be mounted here")
    disk, told = tmp_path / "disk", tmp_path / "story"
    disk.mkdir()
    command = [*alone, sys.executable, "-c", FULL, str(disk), str(left), str(told)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr
    assert "the disk is full" in done.stdout
    assert "lossmith resume" in done.stdout
    assert done.stdout.strip().endswith("| 5")
    assert told.read_text() == repr(unhurt)
