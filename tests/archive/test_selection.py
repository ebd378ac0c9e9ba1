from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archive.grid import Standing
from archive.selection import Candidate, draw, probabilities

THREE = [
    Candidate(0, Standing(0, 0.9), children=3, occupants=4),
    Candidate(1, Standing(1, 0.1), children=0, occupants=1),
    Candidate(2, Standing(0, 0.2), children=0, occupants=4),
]


def test_golden_distribution() -> None:
    # Ranks 1, 0, 2: e^(-4/3) = 0.263597, 1, e^(-8/3) = 0.069483, sum 1.333081. Rarity: 1/8, 1, 1/2, sum 13/8.
    expected = [0.5 * 0.263597 / 1.333081 + 1 / 26, 0.5 / 1.333081 + 8 / 26, 0.5 * 0.069483 / 1.333081 + 4 / 26]
    assert probabilities(THREE) == pytest.approx(expected, abs=1e-6)


def test_frequencies_follow_the_distribution() -> None:
    stream = np.random.default_rng(0)
    drawn = [draw(THREE, 1, stream)[0] for _ in range(4000)]
    assert np.bincount(drawn) / 4000 == pytest.approx(probabilities(THREE), abs=0.03)


def test_golden_draw() -> None:
    assert [draw(THREE, 2, np.random.default_rng(seed)) for seed in range(4)] == [[1, 0], [1, 2], [1, 2], [0, 1]]


def test_nothing_to_draw_from() -> None:
    assert draw([], 2, np.random.default_rng(0)) == []


candidates = st.builds(
    Candidate,
    number=st.integers(0, 999),
    standing=st.builds(Standing, st.integers(0, 2), st.floats(-5, 5)),
    children=st.integers(0, 50),
    occupants=st.integers(1, 50),
)


@settings(deadline=None, max_examples=50)
@given(st.lists(candidates, min_size=1, max_size=30, unique_by=lambda c: c.number), st.randoms())
def test_order_of_rows_does_not_matter(rows: list[Candidate], random: object) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert draw(rows, 3, np.random.default_rng(1)) == draw(shuffled, 3, np.random.default_rng(1))
    assert probabilities(rows).sum() == pytest.approx(1)
    assert probabilities(rows).min() > 0


def test_a_pin_multiplies_the_chance_against_all_others() -> None:
    plain = probabilities(THREE)
    pinned = probabilities([THREE[0]._replace(pinned=True), *THREE[1:]])
    assert pinned[0] / pinned[1] == pytest.approx(4 * plain[0] / plain[1])
    assert pinned[2] / pinned[1] == pytest.approx(plain[2] / plain[1])
    assert pinned.sum() == pytest.approx(1)
    assert probabilities([each._replace(pinned=True) for each in THREE]) == pytest.approx(plain)
