"""Racing: capital by hand, what it must not depend on, and the error rate that it promises."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.racing import HEADROOM, STAKES, Race, score_range


def race(*rounds: list[float], bar: float = 0.8, alpha: float = 0.05) -> Race:
    running = Race(bar, alpha)
    for scores in rounds:
        running.tell(scores)
    return running


def test_capital_by_hand() -> None:
    """Bar 1, so scores are clipped to [0, 1.5] and λ is g/0.5. At g = 0.8 a score of ½ multiplies by 1.8, one of 1.25 by 0.6."""
    assert np.exp(race([0.5, 1.25], bar=1.0).log_evidence) == pytest.approx(1.8 * 0.6)
    assert race(bar=1.0).log_evidence == 0, "nothing seen, nothing known"


def test_the_next_stake_is_what_would_have_earned_most() -> None:
    """After a ½ a higher stake would have earned more, so 0.95 follows; after a 1.25 a lower one, not the least: it is drawn to 0.8."""
    after_loss, after_gain = race([0.5], [0.5], bar=1.0), race([1.25], [0.5], bar=1.0)
    assert np.exp(after_loss.log_evidence) == pytest.approx(1.8 * 1.95)
    best = max(STAKES, key=lambda g: np.log(1 - g / 2) - (g - 0.8) ** 2)
    assert np.exp(after_gain.log_evidence) == pytest.approx(0.6 * (1 + best))


def test_a_hopeless_program_is_stopped_after_two_rounds_of_two_tasks_or_one_of_five() -> None:
    """A factor of 1 + 1.6·0.8 = 2.28 a run in the first round: 5.2 after two runs, 62 after five; then 2.52 at 0.95, 33 after four."""
    assert not race([0.0, 0.0]).lost
    assert race([0.0, 0.0], [0.0, 0.0]).lost
    assert race([0.0] * 5).lost


def test_one_splendid_run_is_not_the_end_of_the_evidence() -> None:
    assert np.exp(race([9.0]).log_evidence) == pytest.approx(0.2)
    assert race([9.0], *[[0.0]] * 12).lost


@pytest.mark.parametrize("bar", [-0.5, 0.0, 0.8, 3.0])
def test_a_program_at_the_bar_is_never_stopped(bar: float) -> None:
    low, high = score_range(bar)
    assert low <= bar < high
    assert not race(*[[bar]] * 500, bar=bar).lost
    assert not race(*[[bar - 0.2, bar + 0.2]] * 500, bar=bar).lost


def test_a_smaller_alpha_asks_for_more() -> None:
    scores = [[0.0, 0.0]] * 2
    assert race(*scores, alpha=0.05).lost
    assert not race(*scores, alpha=0.01).lost


@given(st.lists(st.floats(-3, 5), min_size=1, max_size=8), st.randoms(), st.floats(0, 1))
def test_order_within_a_round_does_not_matter_and_better_scores_are_less_evidence(scores: list[float], random: Random, more: float) -> None:
    shuffled = list(scores)
    random.shuffle(shuffled)
    assert race(scores).log_evidence == pytest.approx(race(shuffled).log_evidence, rel=1e-6, abs=1e-9)
    assert race([each + more for each in scores]).log_evidence <= race(scores).log_evidence + 1e-9


def stopped(scores: np.ndarray, bar: float, alpha: float) -> np.ndarray:
    """Which of many races, `[races, rounds, tasks]`, stop at any round."""
    return np.array([any(running.lost for running in _rounds(each, Race(bar, alpha))) for each in scores])


def _rounds(scores: np.ndarray, running: Race):
    for row in scores:
        running.tell(row)
        yield running


@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_ten_thousand_races_keep_the_promised_error_rate(alpha: float) -> None:
    """Programs exactly at the bar, of the cruellest kind (0, or the top of the range), two tasks that differ, 30 rounds: at most α stop.

    The bound is α plus three standard deviations of 10,000 coin tosses.
    """
    stream, bar = np.random.default_rng(0), 0.8
    top = bar + HEADROOM
    chances = np.array([0.5, 2 * bar / top - 0.5])  # their mean score is the bar
    scores = top * (stream.random((10_000, 30, 2)) < chances)
    assert scores.mean() == pytest.approx(bar, abs=0.01)
    rate = stopped(scores, bar, alpha).mean()
    assert alpha / 10 < rate <= alpha + 3 * np.sqrt(alpha * (1 - alpha) / 10_000)


def test_the_rate_would_not_be_kept_by_looking_again_and_again_at_one_interval() -> None:
    """What racing is for: a 95 % t-test looked at after each of 30 rounds stops far more than one in twenty of equal programs."""
    scores = 0.8 + 0.3 * np.random.default_rng(1).normal(size=(1000, 30))
    rounds = np.arange(3, 31)
    looks = [(scores[:, :n].mean(1) - 0.8) / (scores[:, :n].std(1, ddof=1) / np.sqrt(n)) < -1.7 for n in rounds]
    assert np.any(looks, axis=0).mean() > 0.2
    assert stopped(scores[:, :, None], 0.8, 0.05).mean() <= 0.05


def test_a_goal_reached_by_hand() -> None:
    """Goal 1, so a score of 1.5 multiplies by 1 + 0.5 g: 1.4 at 0.8, then 1.475 at 0.95; random play takes 0.8 of everything."""
    running = Race(1.0, 0.05, goal=1.0)
    for number in range(1, 9):
        running.tell([1.7])
        assert running.won == (1.4 * 1.475 ** (number - 1) >= 20)
    assert running.won
    assert not running.lost
    running.tell([0.0])
    assert not running.won


@pytest.mark.parametrize("goal", [None, 0.0, -1.0])
def test_without_a_goal_above_random_play_nobody_wins(goal: float | None) -> None:
    running = Race(0.5, 0.05, goal)
    for _ in range(100):
        running.tell([9.0])
    assert not running.won


def test_ten_thousand_programs_at_the_goal_seldom_win() -> None:
    stream, goal = np.random.default_rng(2), 0.8
    top = goal + HEADROOM
    scores = top * (stream.random((10_000, 20, 2)) < np.array([0.5, 2 * goal / top - 0.5]))
    rate = np.mean([any(running.won for running in _rounds(each, Race(goal, 0.05, goal))) for each in scores])
    assert 0.005 < rate <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 10_000)
