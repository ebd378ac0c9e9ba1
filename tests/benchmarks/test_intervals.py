"""The table of intervals in small: what scores have holds the truth, percentiles of few seeds do not."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = str(Path(__file__).parents[2] / "benchmarks")


@pytest.fixture(scope="module")
def intervals() -> Iterator[ModuleType]:
    sys.path.insert(0, FOLDER)
    yield import_module("intervals")
    sys.path.remove(FOLDER)


def test_two_seeds_on_two_tasks(intervals: ModuleType) -> None:
    rows = {row.way: row for row in intervals.measure(2, 2, 150, (0.03, 0.6), seed=1)}
    assert rows["as scores have it"].held > 0.87
    assert rows["percentiles"].held < 0.7
    assert rows["as scores have it"].width < 4
