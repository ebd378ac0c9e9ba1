"""Which sandbox is chosen, and what is said where there is none."""

from __future__ import annotations

import subprocess
import sys

import pytest

from sandbox.errors import PrerequisiteMissing
from sandbox.isolation import bubblewrap, docker, select
from sandbox.isolation.forked import Launch

NO_DAEMON = "unix:///nowhere/docker.sock"


@pytest.fixture(autouse=True)
def _no_daemon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", NO_DAEMON)


def refuse_docker(monkeypatch: pytest.MonkeyPatch, message: str) -> None:
    def refuse(*_: object) -> None:
        raise PrerequisiteMissing(message)

    monkeypatch.setattr(docker, "open_docker", refuse)


def test_auto_never_chooses_unsafe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bubblewrap.shutil, "which", lambda name: None)
    with pytest.raises(PrerequisiteMissing, match="not installed") as caught:
        select.open_isolation("auto")
    assert caught.value.exit_code == 3
    assert "No docker daemon answers" in caught.value.message
    for command in ("apt-get install docker.io", "lossmith sandbox build", "apt-get install bubblewrap", "--unsafe"):
        assert command in caught.value.remedy


def test_auto_is_docker_where_it_works(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []
    monkeypatch.setitem(select._OPENED, "docker", lambda size: opened.append(size))
    select.open_isolation("auto", pool_size=3)
    assert opened == [3]


def test_auto_is_bubblewrap_where_the_image_is_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []
    refuse_docker(monkeypatch, "The image is stale.")
    monkeypatch.setitem(select._OPENED, "bubblewrap", lambda size: opened.append(size))
    select.open_isolation("auto")
    assert opened == [2]


def test_auto_is_nothing_weaker_where_another_runtime_of_docker_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(docker.RUNTIME, "runsc")
    monkeypatch.setitem(select._OPENED, "bubblewrap", lambda size: pytest.fail("weaker"))
    with pytest.raises(PrerequisiteMissing, match="No docker daemon answers"):
        select.open_isolation("auto")


def test_what_was_asked_for_by_name_is_not_replaced() -> None:
    with pytest.raises(PrerequisiteMissing, match="No docker daemon answers"):
        select.open_isolation("docker")


def test_a_sandbox_that_does_not_start_is_a_prerequisite(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bubblewrap, "launch", lambda: Launch(("/bin/sh", "-c", "echo 'no namespaces' >&2; exit 1"), {}))
    with pytest.raises(PrerequisiteMissing, match="no namespaces") as caught:
        select.open_isolation("bubblewrap")
    assert caught.value.exit_code == 3


def test_doctor_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bubblewrap.shutil, "which", lambda name: None)
    rows = {row.name: row for row in select.probe()}
    assert not rows["bubblewrap"].ok
    assert "apt-get install bubblewrap" in rows["bubblewrap"].remedy
    assert not rows["docker"].ok
    assert "apt-get install docker.io" in rows["docker"].remedy
    assert rows["unsafe"].ok


def test_the_sdk_is_loaded_only_where_docker_may_be_used() -> None:
    code = "import sys; from sandbox.isolation.select import open_isolation; assert 'docker' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
