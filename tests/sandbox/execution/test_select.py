"""Where trainings run, and what is said where they cannot run in containers."""

from __future__ import annotations

import pytest

from sandbox.errors import PrerequisiteMissing, WorkerLost
from sandbox.execution import select
from sandbox.execution.base import Place
from sandbox.execution.local import LocalExecutor
from sandbox.execution.select import choose, open_executor


@pytest.fixture
def _no_daemon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")


def on_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which all is there that containers need."""
    monkeypatch.setattr(select, "has_cuda", lambda: True)
    monkeypatch.setattr(select, "check_containers", lambda *, gpu: None)
    monkeypatch.setattr(select, "ContainerExecutor", lambda *arguments: arguments)


def test_the_default_is_a_process_where_torch_knows_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(select, "has_cuda", lambda: False)
    monkeypatch.setattr(select, "check_containers", lambda **_: pytest.fail("asked for a container"))
    executor = open_executor(1)
    assert type(executor) is LocalExecutor
    executor.close()
    assert "CUDA" in choose().why


def test_the_default_is_a_container_where_there_are_gpus_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    on_gpus(monkeypatch)
    assert open_executor(3, ("a",), 4) == (3, ("a",), 4)  # type: ignore[comparison-overlap]
    assert choose().place is Place.CONTAINER


def test_whoever_asks_for_processes_gets_them(monkeypatch: pytest.MonkeyPatch) -> None:
    on_gpus(monkeypatch)
    executor = open_executor(1, place=Place.PROCESS)
    assert type(executor) is LocalExecutor
    executor.close()


@pytest.mark.parametrize("error", [PrerequisiteMissing("The image is stale.", "Build it."), WorkerLost("Docker failed.", "Look.")])
def test_by_default_nothing_of_dockers_stops_a_training(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def refuse(*, gpu: bool) -> None:
        assert gpu
        raise error

    on_gpus(monkeypatch)
    monkeypatch.setattr(select, "check_containers", refuse)
    assert choose().place is Place.PROCESS
    assert f"{choose().why} {choose().remedy}" == str(error)


@pytest.mark.usefixtures("_no_daemon")
def test_what_was_asked_for_by_name_is_not_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(select, "has_cuda", lambda: True)
    assert choose().place is Place.PROCESS
    with pytest.raises(PrerequisiteMissing, match="No docker daemon answers") as caught:
        open_executor(1, place=Place.CONTAINER)
    assert caught.value.exit_code == 3
