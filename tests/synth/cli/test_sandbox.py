"""`lossmith sandbox`: which wall stops a program, and how an image is built."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from sandbox.rules.references import reference_text
from synth.cli import sandbox

FORK = '"""Attack."""\nHEADS = {"logits": "A", "value": 1}\ntorch.os.fork()\n\n\ndef loss(traj, c):\n    return traj.rewards\n'
needs_bubblewrap = pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed")


def run(*arguments: str) -> Result:
    app = typer.Typer()
    sandbox.register(app)
    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200", "DOCKER_HOST": "unix:///nowhere/docker.sock"})


def attack(tmp_path: Path, text: str) -> Result:
    file = tmp_path / "attack.py"
    file.write_text(text)
    return run("sandbox", "attack", str(file), "--backend", "bubblewrap", "--json")


@needs_bubblewrap
def test_an_attack_is_stopped_by_the_gate_and_by_the_walls_behind_it(tmp_path: Path) -> None:
    result = attack(tmp_path, FORK)
    assert result.exit_code == 0
    walls = json.loads(result.stdout)["walls"]
    assert [(wall["wall"], wall["stopped"]) for wall in walls] == [("parse gate", True), ("bubblewrap sandbox", True)]
    assert "process-limit" in walls[1]["how"]


@needs_bubblewrap
def test_a_harmless_program_passes_all_of_them(tmp_path: Path) -> None:
    result = attack(tmp_path, reference_text("a2c"))
    assert result.exit_code == 1
    walls = json.loads(result.stdout)["walls"]
    assert [wall["stopped"] for wall in walls] == [False, False, False]


@needs_bubblewrap
def test_a_program_that_only_wastes_its_answer_is_judged_as_data(tmp_path: Path) -> None:
    text = FORK.replace("torch.os.fork()\n", "").replace("return traj.rewards", "return traj.rewards[0]")
    walls = json.loads(attack(tmp_path, text).stdout)["walls"]
    assert [wall["stopped"] for wall in walls] == [False, False, True]


def test_no_daemon_is_a_prerequisite() -> None:
    result = run("sandbox", "build", "--from-here")
    assert getattr(result.exception, "exit_code", None) == 3
    assert "No docker daemon answers" in str(result.exception)
