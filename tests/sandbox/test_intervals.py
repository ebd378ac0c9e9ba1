"""The interquartile mean and its interval: golden numbers by hand, how often the truth lies inside, and what must hold of any."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.intervals import UNKNOWN, UNKNOWN_SPREAD, Array, freedom, interquartile_mean, mean_interval, student_quantile


def stream(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize(
    ("values", "mean"),
    [
        ([3.0], 3.0),
        ([1.0, 2.0, 6.0], 3.0),
        ([100.0, 2.0, 4.0, -50.0], 3.0),
        ([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 99.0], 3.5),
    ],
)
def test_interquartile_mean_by_hand(values: list[float], mean: float) -> None:
    assert interquartile_mean(np.array(values)) == pytest.approx(mean)


def test_ten_runs_on_26_tasks() -> None:
    """So many runs that neither Student nor what is usual matters: the normal interval of a trimmed mean."""
    table = stream(3).lognormal(size=(10, 26))
    ordered = np.sort(table, axis=None)
    middle = ordered[65:195].mean()
    assert interquartile_mean(table.ravel()) == pytest.approx(middle)
    low, high = mean_interval(list(table.T), stream())
    clipped = np.clip(ordered, ordered[65], ordered[194])
    assert high - low == pytest.approx(2 * 1.97 * clipped.std(ddof=1) / (0.5 * np.sqrt(260)), rel=0.15)
    assert middle == pytest.approx((low + high) / 2)


@pytest.mark.parametrize(
    ("probability", "degrees", "quantile"),
    [(0.975, 1, 12.7062), (0.975, 2, 4.30265), (0.95, 5, 2.01505), (0.975, 10, 2.22814), (0.975, 1000, 1.96234), (0.5, 3, 0.0)],
)
def test_student_quantiles_of_the_tables(probability: float, degrees: float, quantile: float) -> None:
    assert student_quantile(probability, degrees) == pytest.approx(quantile, rel=1e-4, abs=1e-9)


def test_two_runs_by_hand() -> None:
    """Runs 0 and 1: standard error ½ with one degree of freedom, and four of 0.15²/2: s² = (4·0.01125 + ¼)/5, t(5) = 2.5706."""
    half = 2.5706 * np.sqrt((4 * 0.15**2 / 2 + 0.25) / 5)
    assert mean_interval([np.array([0.0, 1.0])], stream()) == pytest.approx((0.5 - half, 0.5 + half), abs=0.03)


def test_two_runs_that_speak_alone_by_hand() -> None:
    assert mean_interval([np.array([0.0, 1.0])], stream(), usual=UNKNOWN) == pytest.approx((0.5 - 12.706 / 2, 0.5 + 12.706 / 2), rel=0.04)


def test_degrees_of_freedom_by_hand() -> None:
    """Variances 1 and 4 of three runs each: (1 + 4)²/(1/2 + 16/2); a task whose runs agree adds nothing, and all agreeing count in full."""
    assert freedom([np.array([-1.0, 0, 1]), np.array([-2.0, 0, 2])]) == pytest.approx(25 / 8.5)
    assert freedom([np.array([-1.0, 0, 1]), np.zeros(3)]) == pytest.approx(2)
    assert freedom([np.zeros(3), np.ones(2)]) == 3


def test_resampling_keeps_to_the_task() -> None:
    """Two tasks with constant but different runs: strata make every resample the same."""
    assert mean_interval([np.full(4, 1.0), np.full(4, 9.0)], stream(), usual=UNKNOWN) == pytest.approx((5.0, 5.0))


def test_one_seed_a_task_says_that_its_spread_is_unknown() -> None:
    low, high = mean_interval([np.array([0.5]), np.array([0.7])], stream())
    assert (low, high) == pytest.approx((0.6 - UNKNOWN_SPREAD, 0.6 + UNKNOWN_SPREAD))


def test_runs_that_agree_are_not_wholly_trusted_and_the_less_the_fewer() -> None:
    widths = [np.diff(mean_interval([np.full(seeds, 0.25)], stream()))[0] for seeds in (2, 3, 10)]
    assert widths[0] == pytest.approx(2 * 2.5706 * 0.15 * np.sqrt(4 / 5 / 2), rel=1e-3)
    assert widths[0] > widths[1] > widths[2] > 0


NOISES = {
    "normal": lambda draws, shape: draws.normal(size=shape),
    "skewed": lambda draws, shape: draws.exponential(size=shape) - 1,
    "one run in five fails": lambda draws, shape: 2.5 * (0.2 - (draws.random(shape) < 0.2)),
}


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize(("tasks", "seeds"), [(1, 2), (2, 2), (2, 3), (1, 5)])
def test_it_covers_about_as_often_as_it_says_with_few_seeds(tasks: int, seeds: int, noise: str) -> None:
    """Deviations from 0.03 to 0.6 baselines, mixed. At least 88 of 100 in every kind of noise, where percentiles held 40 to 75."""
    draws, held = stream(1), []
    for number in range(200):
        deviations = np.exp(draws.uniform(np.log(0.03), np.log(0.6), size=(tasks, 1)))
        many, few = (deviations * NOISES[noise](draws, shape) for shape in ((2000, tasks, seeds), (tasks, seeds)))
        truth = interquartile_mean(many.reshape(2000, -1)).mean()
        low, high = mean_interval(list(few), stream(number), resamples=200)
        held.append(low <= truth <= high)
    assert np.mean(held) >= 0.88


tables = st.lists(st.lists(st.floats(-100, 100), min_size=2, max_size=5), min_size=1, max_size=4)


@settings(deadline=None, max_examples=30)
@given(runs=tables, scale=st.floats(0.1, 10), shift=st.floats(-10, 10))
def test_it_moves_with_its_numbers_and_holds_their_mean(runs: list[list[float]], scale: float, shift: float) -> None:
    arrays: list[Array] = [np.array(task) for task in runs]
    plain = mean_interval(arrays, stream(), usual=UNKNOWN, resamples=200)
    moved = mean_interval([scale * task + shift for task in arrays], stream(), usual=UNKNOWN, resamples=200)
    assert moved == pytest.approx([scale * end + shift for end in plain], rel=1e-6, abs=1e-6)
    assert plain[0] <= interquartile_mean(np.concatenate(arrays)) <= plain[1]
