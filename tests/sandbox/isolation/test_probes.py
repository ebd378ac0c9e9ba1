"""The attacks that `lossmith doctor` makes: walls stop all of them, and where there are none they are seen to succeed."""

from __future__ import annotations

from contextlib import closing

import pytest

from sandbox.isolation import probes
from sandbox.isolation.pool import TracerPool
from sandbox.isolation.select import open_isolation
from tests.sandbox.isolation.conftest import MAIN


@pytest.mark.skipif(MAIN != "bubblewrap", reason="bubblewrap is not installed")
def test_bubblewrap_stops_all(bubblewrap: TracerPool) -> None:
    assert probes.breaches(bubblewrap) == []


@pytest.mark.docker
def test_docker_stops_all(docker: TracerPool) -> None:
    assert probes.breaches(docker) == []


def test_what_gets_through_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(open_isolation("unsafe", pool_size=1)) as nothing:
        monkeypatch.setenv("HOME", "/home/somebody")
        monkeypatch.setattr(probes, "INSIDE_TOO", {"PATH"})  # as if HOME, which every sandbox has, were this machine's
        found = probes.breaches(nothing)
    assert {"file_read", "environment"} <= set(found)
    assert not {"fork", "exec", "memory", "time", "file_write", "network"} & set(found)
