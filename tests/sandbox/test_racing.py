"""Racing: capital by hand, what it must not depend on, and the error rate that it promises."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.racing import HEADROOM, SHARES, STAKES, Race, score_range


def race(*rounds: list[float], bar: float = 0.8, alpha: float = 0.05) -> Race:
    running = Race(bar, alpha)
    for scores in rounds:
        running.tell(scores)
    return running


def test_capital_by_hand() -> None:
    """Bar 1, so scores are clipped to [0, 1.5] and λ is g/0.5. A score of ½ multiplies by 1 + g, one of 1.25 by 1 − g/2."""
    both = 1 / 3 * (1 + 0.5) * (1 - 0.25) + 2 / 3 * (1 + 1) * (1 - 0.5)
    assert np.exp(race([0.5, 1.25], bar=1.0).log_evidence) == pytest.approx(both)
    assert race(bar=1.0).log_evidence == pytest.approx(0), "nothing seen, nothing known"


def test_a_hopeless_program_is_stopped_after_two_rounds_of_two_tasks() -> None:
    """Factors 1 + 1.6 g in four runs: 1.8⁴/3 + 2.6⁴·2/3 is 34; after three runs it is 13.7."""
    assert not race([0.0, 0.0]).lost
    assert not race([0.0], [0.0], [0.0]).lost
    assert race([0.0, 0.0], [0.0, 0.0]).lost


def test_one_splendid_run_takes_all_from_who_bet_all() -> None:
    assert np.exp(race([9.0]).log_evidence) == pytest.approx(SHARES @ (1 - STAKES))
    assert race([9.0], *[[0.0]] * 9).lost, "those who bet less go on"


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
def test_order_does_not_matter_and_better_scores_are_less_evidence(scores: list[float], random: object, more: float) -> None:
    shuffled = list(scores)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert race(scores).log_evidence == pytest.approx(race(*[[each] for each in shuffled]).log_evidence, rel=1e-6, abs=1e-9)
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
