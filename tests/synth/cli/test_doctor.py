"""`doctor`: every finding has a remedy or is well, and no secret is shown."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from sandbox.isolation import select
from sandbox.isolation.select import ProbeRow
from synth.cli import doctor

KEY = "sk-very-secret"
WORKS = ProbeRow("bubblewrap", True, "works", "")
BROKEN = ProbeRow("bubblewrap", False, "is not installed", "apt-get install bubblewrap")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch):
    app = typer.Typer()
    doctor.register(app)

    def run(*arguments: str, sandbox: ProbeRow = WORKS):
        monkeypatch.setattr(select, "probe", lambda: [sandbox, ProbeRow("unsafe", True, "", "")])
        return CliRunner().invoke(app, list(arguments), env={"OPENAI_API_KEY": KEY, "COLUMNS": "200"})

    return run


def findings(result) -> dict[str, dict]:
    return {finding["name"]: finding for finding in json.loads(result.stdout)["findings"]}


def test_a_sound_machine(run, tmp_path: Path) -> None:
    result = run("--json", "--archive", str(tmp_path / "a.sqlite"))
    found = findings(result)
    assert result.exit_code == 0
    assert {"python", "torch", "ale-py", "sandbox: bubblewrap", "trainings", "machine", "cuda", "OPENAI_API_KEY", "archive"} <= set(found)
    assert all(finding["remedy"] for finding in found.values() if not finding["ok"])
    assert "cores" in found["machine"]["detail"]


def test_where_trainings_run_is_said_and_why(run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox.execution.select.has_cuda", lambda: True)
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    found = findings(run("--json"))["trainings"]
    assert found["ok"]
    assert "in a process each: No docker daemon answers" in found["detail"]
    assert "docker.io" in found["remedy"]


def test_the_key_is_never_shown(run) -> None:
    for arguments in ([], ["--json"]):
        assert KEY not in run(*arguments).output
    assert findings(run("--json"))["OPENAI_API_KEY"]["ok"]


def test_no_sandbox_exits_3_with_the_way_to_one(run) -> None:
    result = run(sandbox=BROKEN)
    assert result.exit_code == 3
    assert "apt-get install bubblewrap" in result.stdout


def test_a_missing_library_is_named(run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(doctor.LIBRARIES, "no-such-library", "nothing")
    result = run("--json")
    assert result.exit_code == 3
    assert findings(result)["no-such-library"]["remedy"] == "pip install no-such-library"


def test_an_archive_that_cannot_be_written(run, tmp_path: Path) -> None:
    result = run("--json", "--archive", str(tmp_path / "missing" / "a.sqlite"))
    assert result.exit_code == 3
    assert not findings(result)["archive"]["ok"]
