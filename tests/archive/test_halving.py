"""Who may climb, by hand and as a share."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archive.halving import climbing_bar, keeping_bar


@pytest.mark.parametrize(
    ("lows", "share", "bar"),
    [
        ([], 0.25, None),  # the first one may
        ([0.5], 0.25, 0.5),  # the second, if it is as good
        ([0.1, 0.9, 0.5], 0.25, 0.9),  # one of four
        ([0.1, 0.9, 0.5, 0.4, 0.3, 0.2, 0.0], 0.25, 0.5),  # two of eight
        ([0.1, 0.9, 0.5], 1.0, None),
    ],
)
def test_the_bar_by_hand(lows: list[float], share: float, bar: float | None) -> None:
    assert climbing_bar(lows, share) == bar


@pytest.mark.parametrize(("keep", "bar"), [(1, 0.9), (2, 0.5), (3, 0.1), (4, None)])
def test_the_last_of_the_best_few_by_hand(keep: int, bar: float | None) -> None:
    assert keeping_bar([0.1, 0.9, 0.5], keep) == bar


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10_000), st.sampled_from([0.1, 0.25, 0.5]))
def test_in_a_random_order_the_best_climbs_and_about_a_share_does(seed: int, share: float) -> None:
    lows = np.random.default_rng(seed).permutation(400).tolist()
    climbed = []
    for place, low in enumerate(lows):
        bar = climbing_bar(lows[:place], share)
        climbed += [low] * (bar is None or low >= bar)
    assert 399 in climbed
    assert abs(len(climbed) - 400 * share) <= 50  # rounding up adds ln 400 = 6 on average; the rest is five deviations
