"""The fault drill: what goes wrong around a campaign is ours, is tried again, and pauses it with a remedy; no program is blamed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from archive.base import Archive
from archive.store import open_archive
from sandbox.errors import Verdict, WorkerLost
from sandbox.isolation.pool import TracerPool
from sandbox.records import GateReport, Limits, RefusalRecord
from synth.budget import Ending
from synth.campaign import Campaign, Crew
from synth.pipeline import Runs
from synth.proposers.base import Author
from synth.valve import Valve
from tests.sandbox.isolation.attacks import descendants
from tests.sandbox.isolation.test_pool import ECHO, echo
from tests.synth.doubles import ArithmeticExecutor, ArithmeticGates, Scribbler, campaign, spec, story

ROOT = Path(__file__).parent.parent.parent
EVALUATIONS = 10
SLOW_ECHO = ECHO.replace("left = frame", "import time; time.sleep(0.2); left = frame")


class SandboxedGates(ArithmeticGates):
    """Arithmetic, after every text has been through a real pool of real processes. A verdict of theirs would blame the program."""

    pool: TracerPool

    def gates(self, text: str, rungs: Any = (), *, trusted: bool = False, priority: int = 0) -> GateReport:
        reply = self.pool.run(text.encode(), Limits(seconds=60))
        if reply.verdict is not Verdict.OK:
            blamed = RefusalRecord(gate="trace", code=reply.verdict, line=0, column=0, message="Blamed.", remedy="")
            return GateReport(refusal=blamed)
        return super().gates(text, rungs, trusted=trusted, priority=priority)


def sandboxed(archive: Archive, pool: TracerPool) -> Campaign:
    whole = spec(evaluations=EVALUATIONS)
    archive.create_campaign("c", whole.model_dump_json())
    valve = Valve(ArithmeticExecutor(), Runs(archive, "c").remember)
    judge = SandboxedGates(valve, None, whole.agent, seed=whole.campaign.seed)
    judge.pool = pool
    return Campaign(whole, archive, Crew(judge, (Author(Scribbler()),), valve), threading.Event())


@pytest.fixture(scope="module")
def unhurt() -> list[tuple[Any, ...]]:
    """The campaign to which nothing happens."""
    archive = open_archive(None)
    campaign(spec(evaluations=EVALUATIONS), archive)[0].run()
    return story(archive)


@pytest.fixture
def pool() -> Iterator[TracerPool]:
    pool = echo(SLOW_ECHO)
    yield pool
    pool.close()


def parent_of(pid: int) -> int:
    """0 where it has ended."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


class Killer:
    """Kills this process's sandboxed processes as long as it is told to."""

    def __init__(self, spare: Callable[[int], bool] = lambda pid: False) -> None:
        self.before = descendants(os.getpid())
        self.spare = spare
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
        while not self._stop.wait(0.05):
            for pid in descendants(os.getpid()) - self.before:
                if not self.spare(pid):
                    try:
                        os.kill(pid, signal.SIGKILL)
                    except ProcessLookupError:
                        continue
                    self.victims += 1


def blamed(archive: Archive) -> list[str]:
    """Programs whose fate names the sandbox."""
    rows = (archive.result_of("c", number) for number in range(archive.progress("c")[1]))
    return [row.program_id for row in rows if row is not None and row.refusal is not None and row.refusal.message == "Blamed."]


def test_processes_that_are_always_killed_pause_it_and_it_goes_on_as_if_nothing_had_been(pool: TracerPool, unhurt: list[Any]) -> None:
    archive = open_archive(None)
    with Killer() as killer, pytest.raises(WorkerLost) as caught:
        sandboxed(archive, pool).run()
    assert killer.victims
    assert caught.value.remedy
    assert archive.events("c")[-1].kind == "paused"
    assert blamed(archive) == []
    fresh = echo()
    assert sandboxed(archive, fresh).run() == Ending.EVALUATIONS
    fresh.close()
    assert story(archive) == unhurt


def test_one_killed_process_is_not_even_noticed(pool: TracerPool, unhurt: list[Any]) -> None:
    archive, fired = open_archive(None), threading.Event()

    def only_one(pid: int) -> bool:
        spared = fired.is_set() or parent_of(pid) in (0, os.getpid())  # the server itself is another test's
        fired.set() if not spared else None
        return spared

    with Killer(only_one) as killer:
        assert sandboxed(archive, pool).run() == Ending.EVALUATIONS
    assert killer.victims == 1
    assert story(archive) == unhurt


def test_a_killed_server_is_not_even_noticed(pool: TracerPool, unhurt: list[Any]) -> None:
    archive, fired = open_archive(None), threading.Event()

    def only_server(pid: int) -> bool:
        spared = fired.is_set() or parent_of(pid) != os.getpid()
        fired.set() if not spared else None
        return spared

    pool.test()  # it is up
    with Killer(only_server) as killer:
        killer.before = set()
        assert sandboxed(archive, pool).run() == Ending.EVALUATIONS
    assert killer.victims == 1
    assert story(archive) == unhurt


def test_a_jump_of_the_clock_changes_nothing(pool: TracerPool, unhurt: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Every limit is by a clock that cannot be set."""
    real, calls = time.time, iter(range(10**9))
    monkeypatch.setattr(time, "time", lambda: real() + (1e6 if next(calls) % 2 else -1e6))
    archive = open_archive(None)
    assert sandboxed(archive, pool).run() == Ending.EVALUATIONS
    assert story(archive) == unhurt


FULL = """
import resource, sys
from pathlib import Path
from archive.store import open_archive
from sandbox.errors import LossmithError
from tests.synth.doubles import campaign, spec
archive = open_archive(Path(sys.argv[1]))
size = int(sys.argv[2])
if size:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
try:
    campaign(spec(evaluations=10), archive)[0].run()
except LossmithError as error:
    print(error.message, "|", error.remedy)
    sys.exit(error.exit_code)
"""


def test_a_full_disk_pauses_it_with_a_remedy_and_loses_nothing(tmp_path: Path, unhurt: list[Any]) -> None:
    """A limit on the size of files stands for the disk."""
    path = tmp_path / "a.sqlite"
    codes = []
    for size in (230_000, 0):
        command = [sys.executable, "-c", FULL, str(path), str(size)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=100)
        codes.append(done.returncode)
        if size:
            assert "lossmith resume" in done.stdout, done.stdout + done.stderr
    assert codes == [5, 0]
    resumed = open_archive(path, create=False)
    assert story(resumed) == unhurt
