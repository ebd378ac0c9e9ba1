"""Every command that trains asks one place where to train, and passes on what it is told."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from archive.store import open_archive
from sandbox.errors import PrerequisiteMissing
from sandbox.execution.base import Place
from synth.start import open_campaign
from tests.networks import write_network
from tests.synth.cli.conftest import Command
from tests.synth.doubles import spec

ASKED = {
    "evaluate": ("evaluate", "ppo", "--tasks", "probe:catch"),
    "benchmark": ("benchmark", "ppo", "dqn", "--tasks", "probe:catch"),
    "simplify": ("simplify", "ppo"),
    "tune": ("tune", "ppo"),
    "baseline": ("baseline", "evaluate", "mine"),
}


@pytest.fixture(autouse=True)
def _no_daemon(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    monkeypatch.setenv("LOSSMITH_CACHE", str(tmp_path / "cache"))
    write_network(tmp_path / "cache" / "mine.safetensors")


@pytest.mark.parametrize("name", ASKED)
def test_containers_asked_for_and_not_there_stop_a_command(command: Command, name: str) -> None:
    outcome = command(*ASKED[name], "--training", "container")
    assert outcome.code == 3
    assert "No docker daemon answers" in outcome.err


def test_and_a_campaign() -> None:
    whole = spec()
    sandbox = whole.sandbox.model_copy(update={"training": Place.CONTAINER})
    whole = whole.model_copy(update={"sandbox": sandbox}).resolved()
    archive = open_archive(None)
    with pytest.raises(PrerequisiteMissing, match="No docker daemon answers"), open_campaign(whole, archive, threading.Event()):
        pass
    archive.close()
