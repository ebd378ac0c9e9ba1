"""The whole thing for real: sandboxed traces, worker processes, training; killed, interrupted, and the same in the end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from archive.store import open_archive
from tests.synth.doubles import story

SPEC = """
[campaign]
name = "c"
lag = 3
references = ["ppo", "vtrace"]
[budget]
evaluations = 4
[[rung]]
name = "catch"
tasks = ["probe:catch"]
steps = 6000
evaluation_episodes = 32
"""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def start(folder: Path, name: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "synth.cli.main", "run", str(folder / "spec.toml"), "--archive", str(folder / name), "--json"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


def wait_for(path: Path, told: int) -> None:
    """Until the archive knows so many results."""
    for _ in range(6000):
        if path.exists():
            archive = open_archive(path)
            reached = archive.campaigns() and archive.progress("c")[1] >= told
            archive.close()
            if reached:
                return
        time.sleep(0.1)
    raise AssertionError("the campaign does not move")


def fates(path: Path) -> list[object]:
    """The story without what is measured in seconds."""
    archive = open_archive(path, create=False)
    rows: list[object] = []
    for text, parents, _, result in story(archive):
        returns = [[run.episode_returns for run in evaluation.runs] for evaluation in result.evaluations]
        rows.append((text, parents, result.identity, result.refusal, [evaluation.score for evaluation in result.evaluations], returns))
    archive.close()
    return rows


def test_killed_and_interrupted_it_is_the_same_campaign(tmp_path: Path) -> None:
    (tmp_path / "spec.toml").write_text(SPEC)
    whole = start(tmp_path, "whole.sqlite")
    out, err = whole.communicate(timeout=600)
    assert whole.returncode == 0, err
    assert json.loads(out)["funnel"]["novel"] == 4

    killed = start(tmp_path, "hurt.sqlite")
    wait_for(tmp_path / "hurt.sqlite", told=1)
    killed.kill()
    killed.communicate(timeout=60)  # what it started ends with it, and closes the pipes
    interrupted = start(tmp_path, "hurt.sqlite")
    wait_for(tmp_path / "hurt.sqlite", told=2)
    os.killpg(interrupted.pid, signal.SIGINT)  # as a terminal does: to everyone
    _, err = interrupted.communicate(timeout=300)
    assert interrupted.returncode in {0, 130}, err
    last = start(tmp_path, "hurt.sqlite")
    _, err = last.communicate(timeout=600)
    assert last.returncode in {0, 4}, err
    assert fates(tmp_path / "hurt.sqlite") == fates(tmp_path / "whole.sqlite")
