"""How many trainings of so many threads a machine of four cores takes."""

from __future__ import annotations

import pytest

from sandbox.errors import UsageError
from sandbox.execution import cores


@pytest.fixture(autouse=True)
def four_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores.os, "cpu_count", lambda: 4)


@pytest.mark.parametrize(("threads", "asked", "workers"), [(1, None, 4), (2, None, 2), (3, None, 1), (4, 1, 1), (2, 1, 1), (1, 9, 9)])
def test_as_many_as_asked_for_or_as_there_are_cores_for(threads: int, asked: int | None, workers: int) -> None:
    assert cores.workers_of(threads, asked) == workers


@pytest.mark.parametrize(("threads", "asked"), [(5, None), (5, 1), (2, 3), (3, 2)])
def test_more_threads_than_cores_are_refused(threads: int, asked: int | None) -> None:
    with pytest.raises(UsageError, match="4 cores"):
        cores.workers_of(threads, asked)
