"""Racing: capital by hand, what is certain, and the error rate that it promises."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import permutations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sandbox.intervals import interquartile_mean
from sandbox.racing import HEADROOM, STAKES, Race, score_range


def race(*scores: float, bar: float = 0.8, alpha: float = 0.05, runs: int = 40) -> Race:
    running = Race(bar, alpha, runs)
    for score in scores:
        running.tell(score)
    return running


def test_capital_by_hand() -> None:
    """Bar 1, so scores are clipped to [0.5, 1.5]; two runs of ten are forgiven, so the mark is 0.9. At g = 0.8 a score of ½ multiplies by
    1 + 0.8·0.4/0.6.

    Then the nine runs left must bring 8.5, 17/18 each, and 0.95 is staked of what can be lost, 1.5 - 17/18 = 5/9.
    """
    first = 1 + 0.8 * 0.4 / 0.6
    assert np.exp(race(0.5, bar=1.0, runs=10).log_evidence) == pytest.approx(first)
    assert np.exp(race(0.5, 1.25, bar=1.0, runs=10).log_evidence) == pytest.approx(first * (1 + 0.95 * (17 / 18 - 1.25) / (5 / 9)))
    assert race(bar=1.0).log_evidence == 0, "nothing seen, nothing known"


def test_the_next_stake_is_what_would_have_earned_most() -> None:
    """After a ½ a higher stake would have earned more, so 0.95 follows; after a 1.25 a lower one, not the least: it is drawn to 0.8.

    The mark is 0.875, so a ½ earns 0.375/0.625 = 0.6 of the stake, and a 1.25 loses as much.
    """
    many = 10**9  # as good as drawn with replacement: the mean that is due stays at the mark
    after_loss, after_gain = race(0.5, 0.5, bar=1.0, runs=many), race(1.25, 0.5, bar=1.0, runs=many)
    assert np.exp(after_loss.log_evidence) == pytest.approx(1.48 * 1.57)
    best = max(STAKES, key=lambda g: np.log(1 - 0.6 * g) - (g - 0.8) ** 2)
    assert np.exp(after_gain.log_evidence) == pytest.approx(0.52 * (1 + 0.6 * best))


def test_a_hopeless_program_is_stopped_after_seven_runs_of_forty_and_five_of_ten() -> None:
    assert not race(*[0.0] * 6).lost
    assert race(*[0.0] * 7).lost
    assert not race(*[0.0] * 4, runs=10).lost
    assert race(*[0.0] * 5, runs=10).lost


def test_failing_one_task_of_four_is_no_end_where_the_others_are_good() -> None:
    """Its interquartile mean is 1.05, and what it is held against is 1; with the failures, though they count as ½, its mean is 0.91."""
    assert not race(*[-0.5, 1.05, 1.05, 1.05] * 50, bar=1.0, runs=200, alpha=0.5).lost
    assert race(*[-0.5, -0.5, 1.05, 1.05] * 50, bar=1.0, runs=200).lost, "two of four are not forgiven"


def test_what_cannot_be_made_up_for_is_certain_at_any_level() -> None:
    """Four runs must bring 4·0.675 = 2.7 and none counts more than 1.3: with 0.6 after two, the fourth may still save a third of 0.9, but
    not one of 0.7."""
    assert not race(0.3, 0.3, runs=4, alpha=1e-9).lost
    assert not race(0.3, 0.3, 0.9, runs=4, alpha=1e-9).lost
    assert race(0.3, 0.3, 0.7, runs=4, alpha=1e-9).lost


def test_one_splendid_run_is_not_the_end_of_the_evidence() -> None:
    assert np.exp(race(9.0).log_evidence) == pytest.approx(0.2)
    assert race(9.0, *[0.0] * 13).lost


@pytest.mark.parametrize("bar", [-0.5, 0.0, 0.8, 3.0])
def test_a_program_at_the_bar_is_never_stopped(bar: float) -> None:
    low, high = score_range(bar)
    assert low <= bar < high
    assert not race(*[bar] * 500, bar=bar, runs=500).lost
    assert not race(*[bar - 0.2, bar + 0.2] * 250, bar=bar, runs=500).lost


def test_a_smaller_alpha_asks_for_more() -> None:
    assert race(*[0.0] * 7, alpha=0.05).lost
    assert not race(*[0.0] * 7, alpha=0.01).lost


@given(st.lists(st.floats(-3, 5), max_size=5), st.floats(-3, 5), st.floats(0, 1))
def test_a_better_run_is_less_evidence(before: list[float], score: float, more: float) -> None:
    assert race(*before, score + more, runs=8).log_evidence <= race(*before, score, runs=8).log_evidence + 1e-9


def told(scores: Sequence[float], running: Race) -> Iterator[Race]:
    for score in scores:
        running.tell(score)
        yield running


def shares(scores: Sequence[float], bar: float, alpha: float) -> tuple[float, float]:
    """Of all orders of these runs, those in which a race is lost, and those in which it is won."""
    orders = list(permutations(scores))
    lost = sum(any(running.lost for running in told(order, Race(bar, alpha, len(scores)))) for order in orders)
    won = sum(any(running.won for running in told(order, Race(bar, alpha, len(scores), goal=bar))) for order in orders)
    return lost / len(orders), won / len(orders)


BARS, ALPHAS = st.sampled_from([0.4, 0.8, 1.5]), st.sampled_from([0.1, 0.3])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-1, 3), min_size=5, max_size=5), BARS, ALPHAS)
def test_of_all_orders_of_any_runs_as_good_as_the_mark_at_most_alpha_are_stopped(scores: list[float], bar: float, alpha: float) -> None:
    """Exactly, by all 120 orders: whatever the scores are, nothing is assumed of them. One run of five is forgiven: a tenth."""
    whole = float(np.clip(scores, *score_range(bar)).mean())
    assume(min(abs(whole - bar - 0.1), abs(whole - bar + 0.1)) > 1e-6)
    lost, won = shares(scores, bar, alpha)
    assert lost <= alpha if whole > bar - 0.1 else lost == 1, "after the last run it is known"
    assert won <= alpha if whole < bar + 0.1 else won == 1


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-3, 0.5), min_size=5, max_size=5), BARS, ALPHAS)
def test_of_all_orders_of_runs_whose_score_reaches_the_bar_at_most_alpha_are_stopped(scores: list[float], bar: float, alpha: float) -> None:
    """Their interquartile mean is the bar itself, and nothing in the middle is clipped above."""
    moved = np.array(scores) - float(interquartile_mean(np.array(scores))) + 1e-6
    assume(np.sort(moved)[-2] <= HEADROOM)
    assert shares((bar + moved).tolist(), bar, alpha)[0] <= alpha


def stopped(scores: np.ndarray, bar: float, alpha: float) -> np.ndarray:
    """Which of many races, `[races, runs]`, stop at any run."""
    return np.array([any(running.lost for running in told(each, Race(bar, alpha, len(each)))) for each in scores])


@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_thousands_of_races_keep_the_promised_error_rate(alpha: float) -> None:
    """Whole evaluations exactly at the mark, an eighth below the bar, of the cruellest kind (either end of the range), 24 runs.

    The bound is α plus three standard deviations of as many coin tosses.
    """
    stream, races = np.random.default_rng(0), 4000
    bar = 0.75
    whole = np.repeat([bar - HEADROOM, bar + HEADROOM], [15, 9])
    assert whole.mean() == bar - HEADROOM / 4
    rate = stopped(np.array([stream.permutation(whole) for _ in range(races)]), bar, alpha).mean()
    assert alpha / 10 < rate <= alpha + 3 * np.sqrt(alpha * (1 - alpha) / races)


def test_the_rate_would_not_be_kept_by_looking_again_and_again_at_one_interval() -> None:
    """What racing is for: a 95 % t-test looked at after each of 30 runs stops far more than one in twenty of equal programs."""
    scores = 0.3 * np.random.default_rng(1).normal(size=(1000, 30))
    scores += 0.8 - scores.mean(axis=1, keepdims=True)
    runs = np.arange(3, 31)
    looks = [(scores[:, :n].mean(1) - 0.8) / (scores[:, :n].std(1, ddof=1) / np.sqrt(n)) < -1.7 for n in runs]
    assert np.any(looks, axis=0).mean() > 0.2
    reached = np.clip(scores, *score_range(0.8)).mean(axis=1) >= 0.8
    assert reached.sum() > 100
    assert stopped(scores[reached], 0.8, 0.05).mean() <= 0.05


def test_a_goal_reached_by_hand() -> None:
    """Goal 1, mark 1.125, so a score of 1.5 multiplies by 1 + 0.6·g, 1.48 and then 1.57; random play takes 0.95 of everything."""
    many = 10**9
    running = Race(1.0, 0.05, many, goal=1.0)
    for number in range(1, 8):
        running.tell(1.7)
        assert running.won == (1.48 * 1.57 ** (number - 1) >= 20)
    assert running.won
    assert not running.lost
    running.tell(0.0)
    assert not running.won


@pytest.mark.parametrize("goal", [None, 0.0, -1.0])
def test_without_a_goal_above_random_play_nobody_wins(goal: float | None) -> None:
    running = Race(0.5, 0.05, 100, goal)
    for _ in range(100):
        running.tell(9.0)
    assert not running.won


def test_thousands_of_programs_at_the_goal_seldom_win() -> None:
    stream, goal, races = np.random.default_rng(2), 0.75, 4000
    whole = np.repeat([goal - HEADROOM, goal + HEADROOM], [9, 15])  # at the mark above it
    orders = (stream.permutation(whole) for _ in range(races))
    rate = np.mean([any(running.won for running in told(order, Race(goal, 0.05, 24, goal))) for order in orders])
    assert 0.005 < rate <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / races)
