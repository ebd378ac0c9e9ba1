"""Comparisons of programs: golden numbers by hand, and what must hold of any."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from archive.statistics import optimality_gap, paired_difference, performance_profile, probability_of_improvement

Array = NDArray[np.float64]


def runs(*tasks: list[float]) -> list[Array]:
    return [np.array(task) for task in tasks]


def stream(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_optimality_gap_by_hand() -> None:
    # Misses 0.5 and 0 on the first task, 0.8 and 0.2 on the second: (0.25 + 0.5) / 2.
    assert optimality_gap(runs([0.5, 3.0], [0.2, 0.8])) == pytest.approx(0.375)
    assert optimality_gap(runs([0.5, 3.0]), target=4.0) == pytest.approx(2.25)


def test_performance_profile_by_hand() -> None:
    # Above 0: 1/2 of the first task, all of the second; above 0.5 (not at it): 1/2 and 1/3.
    assert performance_profile(runs([0.0, 2.0], [0.1, 0.5, 0.9]), [0.0, 0.5, 2.0]) == pytest.approx([0.75, 5 / 12, 0.0])


def test_probability_of_improvement_by_hand() -> None:
    # First task: pairs (1,0) won, (1,1) tied, (3,0) and (3,1) won: 3.5 of 4. Second: lost both of 2.
    found = probability_of_improvement(runs([1.0, 3.0], [0.0]), runs([0.0, 1.0], [5.0, 6.0]), stream())
    assert found.value == pytest.approx((3.5 / 4 + 0) / 2)
    assert found.low <= found.value <= found.high


def test_probability_of_improvement_of_two_seeds_by_hand() -> None:
    """x = {0, 2}, y = {1, 1}: a resample of x wins 0, 1/2 or 1, the ends with chance 1/4 each, so the 95 % interval is all of it."""
    found = probability_of_improvement(runs([0.0, 2.0]), runs([1.0, 1.0]), stream())
    assert (found.low, found.value, found.high) == (0.0, 0.5, 1.0)


def test_probability_of_improvement_of_one_seed_is_unknown() -> None:
    found = probability_of_improvement(runs([2.0], [2.0]), runs([1.0], [1.0]), stream())
    assert (found.low, found.value, found.high) == (0.0, 1.0, 1.0)


def test_paired_difference_by_hand() -> None:
    """One task, differences 1, 2, 3: mean 2, standard error 1/√3, two degrees of freedom: 2 ± 4.30265/√3 (2000 resamples give s to 2 %)."""
    found = paired_difference(runs([11.0, 2.0, 8.0]), runs([10.0, 0.0, 5.0]), stream())
    assert found.value == pytest.approx(2.0)
    assert found.high - found.low == pytest.approx(2 * 4.30265 / np.sqrt(3), rel=0.05)


def test_pairing_takes_out_what_both_share() -> None:
    shared = stream(1).normal(size=(3, 4)) * 10
    found = paired_difference([*(shared + 0.5)], [*shared], stream())
    assert (found.low, found.value, found.high) == pytest.approx((0.5, 0.5, 0.5), abs=1e-9)


def test_a_program_is_level_with_itself() -> None:
    table = [*stream(2).normal(size=(2, 3))]
    found = paired_difference(table, table, stream())
    assert (found.low, found.value, found.high) == (0.0, 0.0, 0.0)


def test_one_seed_a_task_says_that_its_spread_is_unknown() -> None:
    found = paired_difference(runs([0.7]), runs([0.2]), stream())
    assert (found.low, found.value, found.high) == pytest.approx((-0.5, 0.5, 1.5))


@pytest.mark.parametrize(("tasks", "seeds"), [(1, 3), (2, 2), (3, 5)])
def test_paired_difference_covers_as_often_as_it_says_even_with_few_seeds(tasks: int, seeds: int) -> None:
    """Truth 0 inside 95 of 100 intervals; 400 tables, so 363 is 3.9 standard deviations below."""
    draws = stream(3)
    tables = draws.normal(size=(400, 2, tasks, seeds)) * np.linspace(1, 2, tasks)[:, None]
    found = [paired_difference([*x], [*y], np.random.default_rng(k), resamples=300) for k, (x, y) in enumerate(tables)]
    assert sum(each.low <= 0 <= each.high for each in found) >= 363


def test_more_confidence_is_a_wider_interval() -> None:
    x, y = [*stream(4).normal(size=(2, 4))], [*stream(5).normal(size=(2, 4))]
    for compare in (paired_difference, probability_of_improvement):
        narrow, wide = (compare(x, y, stream(), confidence=confidence) for confidence in (0.8, 0.99))
        assert wide.low < narrow.low < narrow.high < wide.high


tables = st.integers(1, 3).flatmap(
    lambda seeds: st.lists(
        st.tuples(*(st.lists(st.floats(-5, 5), min_size=seeds, max_size=seeds) for _ in range(2))), min_size=1, max_size=3
    )
)


@settings(deadline=None, max_examples=40)
@given(tables)
def test_sides_change_places(pairs: list[tuple[list[float], list[float]]]) -> None:
    x, y = ([np.array(task) for task in side] for side in zip(*pairs, strict=True))
    there, back = (probability_of_improvement(*sides, stream(), resamples=20) for sides in ((x, y), (y, x)))
    assert there.value + back.value == pytest.approx(1)
    assert 0 <= there.low <= there.high <= 1
    one, other = (paired_difference(*sides, stream(), resamples=50) for sides in ((x, y), (y, x)))
    assert (one.value, one.low, one.high) == pytest.approx((-other.value, -other.high, -other.low), abs=1e-9)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.lists(st.floats(-5, 5), min_size=1, max_size=4), min_size=1, max_size=3))
def test_profiles_fall_and_gaps_are_the_area_beside_them(tasks: list[list[float]]) -> None:
    """The gap below a target is the integral of 1 − F up to it (here on a grid from below every run)."""
    grid = np.linspace(-5.001, 1, 4001)
    profile = performance_profile(runs(*tasks), grid.tolist())
    assert (np.diff(profile) <= 1e-12).all()
    assert optimality_gap(runs(*tasks)) == pytest.approx((1 - profile).mean() * 6.001, abs=0.01)
