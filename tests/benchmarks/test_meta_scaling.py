"""Scaling of the learned rule: what is varied, and what is kept the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from archive.baseline.spec import load_baseline_spec
from benchmarks.meta_scaling import Point, common_step, variant

SPEC = load_baseline_spec(Path(__file__).parents[2] / "examples" / "baseline.toml")
AGENTS = sum(entry.agents for entry in SPEC.task)


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_fewer_tasks_have_as_many_agents(number: int) -> None:
    fewer = variant(SPEC, number, seed=7)
    assert [entry.task for entry in fewer.task] == [entry.task for entry in SPEC.task[:number]]
    assert sum(entry.agents for entry in fewer.task) == AGENTS
    assert fewer.seed == 7
    assert fewer.meta == SPEC.meta


def test_all_tasks_are_the_spec_itself() -> None:
    assert variant(SPEC, len(SPEC.task), SPEC.seed) == SPEC


def test_runs_are_compared_where_all_have_been() -> None:
    points = [Point(1, 0, 100, []), Point(1, 0, 200, []), Point(4, 0, 100, []), Point(4, 0, 200, []), Point(4, 0, 300, [])]
    assert common_step(points) == 200
