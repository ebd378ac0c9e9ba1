"""The score: golden numbers by hand."""

import numpy as np
import pytest

from sandbox.errors import UsageError
from sandbox.intervals import USUAL, student_quantile
from sandbox.score import Anchor, clearly_above, normalise, score


def stream() -> np.random.Generator:
    return np.random.default_rng(0)


def anchor(task: str = "t", random: float = 0.0, baseline: float = 10.0, spread: float = 1.0) -> Anchor:
    wave = spread * np.sin(np.arange(32.0) * np.pi / 2)  # mean exactly 0 over 32 episodes
    return Anchor(task=task, random=tuple(random + wave), baseline=tuple(baseline + wave))


def test_normalise_by_hand() -> None:
    assert normalise([1.0, 3.0, 5.0], random=1.0, baseline=3.0).tolist() == [0.0, 1.0, 2.0]


def test_normalise_refuses_a_baseline_that_is_no_better() -> None:
    with pytest.raises(UsageError, match="longer budget"):
        normalise([1.0], random=2.0, baseline=2.0)


def test_baseline_and_random_score_one_and_nothing() -> None:
    anchors = {"a": anchor("a"), "b": anchor("b", random=-20.0, baseline=30.0)}
    one = score({"a": [10.0, 10.0], "b": [30.0, 30.0]}, anchors, stream())
    nothing = score({"a": [0.0, 0.0], "b": [-20.0, -20.0]}, anchors, stream())
    half = student_quantile(0.975, USUAL.freedom + 2) * USUAL.deviation * np.sqrt(USUAL.freedom / (4 * (USUAL.freedom + 2)))
    assert (one.mean, one.low, one.high, one.n) == pytest.approx((1.0, 1.0 - half, 1.0 + half, 4))
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
