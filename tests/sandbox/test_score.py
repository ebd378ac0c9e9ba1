"""The score: golden numbers by hand, and what must hold of any interval."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.errors import UsageError
from sandbox.score import UNKNOWN_SPREAD, Anchor, bootstrap_interval, clearly_above, interquartile_mean, normalise, score


def stream() -> np.random.Generator:
    return np.random.default_rng(0)


def anchor(task: str = "t", random: float = 0.0, baseline: float = 10.0, spread: float = 1.0) -> Anchor:
    wave = spread * np.sin(np.arange(32.0) * np.pi / 2)  # mean exactly 0 over 32 episodes
    return Anchor(task=task, random=tuple(random + wave), baseline=tuple(baseline + wave))


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


def test_interquartile_mean_of_ten_runs_on_26_tasks() -> None:
    table = np.random.default_rng(3).lognormal(size=(10, 26))
    ordered = np.sort(table, axis=None)
    assert interquartile_mean(table.ravel()) == pytest.approx(ordered[65:195].mean())


def test_interval_of_two_seeds_by_hand() -> None:
    """One task, runs 0 and 1: a resample is (0,0), (0,1), (1,0), (1,1), so the mean is 0, 1/2 or 1 and the 95 % interval is all of it."""
    assert bootstrap_interval([np.array([0.0, 1.0])], stream()) == (0.0, 1.0)


def test_interval_covers_as_often_as_it_says() -> None:
    """Eight tasks with ten runs each of a normal distribution: the true mean 0 lies inside in about 95 of 100 tables."""
    tables = np.random.default_rng(5).normal(size=(200, 8, 10))
    intervals = [bootstrap_interval(list(table), np.random.default_rng(k), resamples=400) for k, table in enumerate(tables)]
    covered = sum(low <= 0 <= high for low, high in intervals)
    assert 175 <= covered <= 198


def test_resampling_keeps_to_the_task() -> None:
    """Two tasks with constant but different runs: strata make every resample the same."""
    assert bootstrap_interval([np.full(4, 1.0), np.full(4, 9.0)], stream()) == (5.0, 5.0)


def test_one_seed_a_task_says_that_its_spread_is_unknown() -> None:
    low, high = bootstrap_interval([np.array([0.5]), np.array([0.7])], stream())
    assert (low, high) == pytest.approx((0.6 - UNKNOWN_SPREAD, 0.6 + UNKNOWN_SPREAD))


def test_equal_runs_have_no_spread() -> None:
    assert bootstrap_interval([np.full(3, 0.25)], stream()) == (0.25, 0.25)


def test_normalise_by_hand() -> None:
    assert normalise([1.0, 3.0, 5.0], random=1.0, baseline=3.0).tolist() == [0.0, 1.0, 2.0]


def test_normalise_refuses_a_baseline_that_is_no_better() -> None:
    with pytest.raises(UsageError, match="longer budget"):
        normalise([1.0], random=2.0, baseline=2.0)


def test_baseline_and_random_score_one_and_nothing() -> None:
    anchors = {"a": anchor("a"), "b": anchor("b", random=-20.0, baseline=30.0)}
    one = score({"a": [10.0, 10.0], "b": [30.0, 30.0]}, anchors, stream())
    nothing = score({"a": [0.0, 0.0], "b": [-20.0, -20.0]}, anchors, stream())
    assert (one.mean, one.low, one.high, one.n) == pytest.approx((1.0, 1.0, 1.0, 4))
    assert (nothing.mean, nothing.n) == pytest.approx((0.0, 4))


def test_same_stream_same_score() -> None:
    returns = {"t": [1.0, 7.0, 12.0]}
    assert score(returns, {"t": anchor()}, stream()) == score(returns, {"t": anchor()}, stream())


@pytest.mark.parametrize(
    ("baseline", "spread", "clear"), [(10.0, 1.0, True), (0.2, 1.0, False), (-5.0, 1.0, False), (0.2, 0.0, True), (0.0, 0.0, False)]
)
def test_clearly_above(baseline: float, spread: float, clear: bool) -> None:
    assert clearly_above(anchor(baseline=baseline, spread=spread)) is clear


def test_a_task_without_a_baseline_above_random_is_refused_with_the_remedy() -> None:
    with pytest.raises(UsageError, match=r"On t the baseline .* longer budget"):
        score({"t": [1.0]}, {"t": anchor(baseline=0.1)}, stream())


@settings(deadline=None, max_examples=30)
@given(
    runs=st.lists(st.lists(st.floats(-100, 100), min_size=2, max_size=5), min_size=1, max_size=4),
    scale=st.floats(0.1, 10),
    shift=st.floats(-10, 10),
)
def test_interval_moves_with_its_numbers(runs: list[list[float]], scale: float, shift: float) -> None:
    plain = bootstrap_interval([np.array(task) for task in runs], stream(), 200)
    moved = bootstrap_interval([scale * np.array(task) + shift for task in runs], stream(), 200)
    assert moved == pytest.approx([scale * end + shift for end in plain], abs=1e-6)
    lowest, highest = min(map(min, runs)), max(map(max, runs))
    assert lowest - 1e-9 <= plain[0] <= plain[1] <= highest + 1e-9
