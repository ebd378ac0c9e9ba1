"""The commands around campaigns: exit codes, JSON on stdout, narration on stderr."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from archive.locking import hold_campaign
from archive.store import open_archive
from sandbox.errors import ArchiveError
from synth.start import graceful_interrupt
from tests.synth.cli.conftest import Command

SPEC = """
[campaign]
name = "c"
lag = 5
references = ["a2c", "ppo"]
[budget]
evaluations = 12
[[rung]]
name = "low"
tasks = ["probe:catch"]
steps = 10
promote = 0.8
[[rung]]
name = "high"
tasks = ["probe:delayed-credit"]
steps = 20
"""


@pytest.fixture
def spec_file(tmp_path: Path) -> str:
    path = tmp_path / "spec.toml"
    path.write_text(SPEC)
    return str(path)


def test_init_writes_a_spec_that_runs_dry(command: Command, tmp_path: Path) -> None:
    assert command("init").code == 0
    dry = command("run", "campaign.toml", "--dry-run", "--json")
    assert dry.code == 0
    assert dry.json["spec"]["campaign"]["lag"] == 8
    assert [row["runs"] for row in dry.json["rungs"]] == [6, 4, 3]
    assert not list(tmp_path.glob("*.sqlite*")), "a dry run leaves nothing behind"
    again = command("init")
    assert (again.code, "exists already" in again.err) == (2, True)


def test_run_prints_leaderboard_funnel_and_what_to_type_next(command: Command, spec_file: str) -> None:
    done = command("run", spec_file)
    assert done.code == 0
    assert "12 evaluations is used up" in done.err
    assert "Leaderboard" in done.out
    assert "novel 12" in done.out
    assert "lossmith show" in done.out


def test_run_json_is_one_document(command: Command, spec_file: str) -> None:
    done = command("run", spec_file, "--json", "--set", "budget.evaluations=8", "--set", "search.reevaluations=0")
    assert done.json["ending"] == "evaluations"
    assert done.json["funnel"]["novel"] == 8
    assert len(done.json["leaderboard"]) > 3
    assert done.json["leaderboard"][0]["score"]["n"] == 2


def test_a_finished_campaign_says_so_with_exit_4_and_a_raised_budget_goes_on(command: Command, spec_file: str) -> None:
    command("run", spec_file)
    again = command("resume")
    assert again.code == 4
    assert "--set budget.evaluations" in " ".join(again.err.split())
    assert command("resume", "c", "--set", "budget.evaluations=15", "--json").json["funnel"]["novel"] == 15
    assert command("resume", "c", "--set", "campaign.seed=3").code == 2
    assert command("resume", "nobody").code == 2


def test_another_spec_under_the_same_name_is_refused(command: Command, spec_file: str) -> None:
    command("run", spec_file, "--set", "budget.evaluations=3")
    refused = command("run", spec_file, "--set", "campaign.seed=9")
    assert (refused.code, "lossmith resume c" in " ".join(refused.err.split())) == (2, True)


def test_status(command: Command, finished: Path) -> None:
    shown = command("status")
    assert shown.code == 0
    for word in ("evaluations", "funnel:", "re-evaluation: ", "policy/<32", "scribble", "finished"):
        assert word in shown.out
    state = command("status", "c", "--json").json
    assert state["funnel"]["novel"] == 30
    assert {"occupancy", "operators", "events", "refusals", "holdout", "mechanisms"} <= set(state)
    assert state["holdout"]["finalists"][0]["against"][0]["word"] in {"better", "level", "worse"}
    assert command("status", "nobody").code == 2


def test_no_archive_is_exit_5(command: Command) -> None:
    for words in (("status",), ("resume",), ("top",), ("show", "ab"), ("diff", "a", "b"), ("lineage", "ab")):
        outcome = command(*words)
        assert (outcome.code, "no archive" in outcome.err) == (5, True), words


def test_the_archive_may_be_elsewhere(command: Command, spec_file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command("run", spec_file, "--archive", "there.sqlite", "--set", "budget.evaluations=3")
    assert command("status", "--archive", "there.sqlite").code == 0
    monkeypatch.setenv("LOSSMITH_ARCHIVE", "there.sqlite")
    assert command("status").code == 0
    assert not (tmp_path / "lossmith.sqlite").exists()


def test_one_campaign_is_run_by_one_process(command: Command, spec_file: str, tmp_path: Path) -> None:
    open_archive(tmp_path / "lossmith.sqlite").close()
    with hold_campaign(tmp_path / "lossmith.sqlite", "c"):
        refused = command("run", spec_file)
        assert (refused.code, "Another process" in refused.err) == (5, True)
    assert command("run", spec_file).code == 0
    with pytest.raises(ArchiveError, match="Cannot write"), hold_campaign(tmp_path / "none" / "a.sqlite", "c"):
        pass


def test_ctrl_c_once_saves_and_exits_130(command: Command, spec_file: str) -> None:
    before = signal.getsignal(signal.SIGINT)

    def press() -> None:
        while signal.getsignal(signal.SIGINT) == before:  # not yet running
            time.sleep(0.02)
        time.sleep(0.3)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=press, daemon=True).start()
    stopped = command("run", spec_file, "--set", "budget.evaluations=100000", "--set", "budget.proposals=1000000")
    assert stopped.code == 130
    assert "lossmith resume c" in stopped.err
    assert "Leaderboard" in stopped.out
    assert command("status", "--json").json["events"][-1]["kind"] == "paused"


def test_ctrl_c_twice_kills() -> None:
    with graceful_interrupt() as interrupted:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.01)
        assert interrupted.is_set()
        with pytest.raises(KeyboardInterrupt):
            _interrupt()
    with pytest.raises(KeyboardInterrupt):
        _interrupt()  # as before


def _interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(1)


def test_running_loads_no_torch_here(command: Command, spec_file: str) -> None:
    import subprocess
    import sys

    code = (
        "import sys, synth.start, synth.cli.live, synth.cli.campaigns, synth.cli.reading, synth.proposers.mutation\n"
        "import sandbox.execution.local, sandbox.isolation.select\n"
        "loaded = {'torch', 'transformers', 'ale_py', 'gymnasium'} & set(sys.modules)\n"
        "assert not loaded, loaded\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=Path(__file__).parents[3])
    assert done.returncode == 0, done.stderr
