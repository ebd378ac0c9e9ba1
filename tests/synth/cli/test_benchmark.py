"""`lossmith benchmark` as a person or a script meets it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from archive.store import open_archive
from tests.networks import write_network
from tests.synth.cli.conftest import Command

TASKS = ("--tasks", "probe:immediate-credit")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LOSSMITH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        (("ppo", "ppo", *TASKS), 2, "twice"),
        (("ppo", "--tasks", "probes,probe:catch@500"), 2, "probe:catch is named twice"),
        (("ppo", "--tasks", "probes@many"), 2, "no budget after its @"),
        (("ppo", "--tasks", "probe:catsh@500"), 2, "probe:catch"),
        (("ppo", "--tasks", " , "), 2, "No task"),
        (("ppo", "-", *TASKS), 2, "standard input"),
        (("ppoo", *TASKS), 2, "ppoo"),
        (("ppo", "baseline", *TASKS, "--baseline", "zzz"), 2, "zzz"),
        (("ppo", *TASKS, "--plot", "plot.gif"), 2, ".svg"),
    ],
)
def test_what_cannot_be_asked_says_why(cache: Path, command: Command, words: tuple[str, ...], code: int, why: str) -> None:
    done = command("benchmark", *words)
    assert (done.code, done.out) == (code, "")
    assert why in done.err


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "synth.cli.main", "benchmark", *words, "--seeds", "2", "--archive", str(folder / "a.sqlite")]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, check=False)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_programs_and_a_network_for_real_and_a_second_time_from_the_archive(cache: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    write_network(cache / "mine.safetensors")
    words = ("a2c", "mine", "baseline", "--baseline", "ppo", "--tasks", "probe:immediate-credit@4000,probe:catch@2000")
    done = run(tmp_path, *words, "--json", "--plot", str(tmp_path / "plot.png"))
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert [rule["name"] for rule in report["rules"]] == ["a2c", "mine", "ppo"]
    assert report["baseline"] == "ppo"
    assert [(task["task"], task["steps"]) for task in report["tasks"]] == [("probe:immediate-credit", 4000), ("probe:catch", 2000)]
    assert (tmp_path / "plot.png").stat().st_size > 10_000
    kept = open_archive(tmp_path / "a.sqlite")
    assert kept._database.one("SELECT COUNT(*) FROM runs", ())[0] == 4 * 2 * 2  # random play, ppo, a2c and the network
    kept.close()
    again = run(tmp_path, *words)
    assert again.returncode == 0, again.stderr
    assert "Score [95 %] by task: 0 is random play, 1 is ppo" in again.stdout
    assert "the baseline" in again.stdout
