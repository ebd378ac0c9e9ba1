"""Work goes where it improved most per unit of cost, and the same results give the same choice."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from archive.records import Outcome
from synth.bandit import Arm, choose, reward, tallies

A, B = Arm("model", "refine"), Arm("mutation", "")


def outcome(arm: Arm = A, **fields: Any) -> Outcome:
    defaults = {"program_id": "x", "parents": (), "cost": 0.0, "kept": False, "rungs": 1, "rung": 0, "low": 0.5}
    return Outcome(proposer=arm.proposer, operator=arm.operator, **{**defaults, **fields})


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"parents": ("p",), "low": 0.7}, 0.3),  # above its parent on the same rung
        ({"parents": ("p", "q"), "low": 0.7}, 0.0),  # below the better parent
        ({"parents": ("p",), "low": 0.7, "kept": True}, 0.4),
        ({"parents": ("p",), "rung": 1, "low": -3.0}, 0.5),  # climbed
        ({"parents": ("r",), "low": 9.0}, 0.0),  # fell below its parent's rung
        ({"low": 1.25}, 0.25),  # against the baseline
        ({"low": 0.9, "kept": True}, 0.1),
        ({"parents": ("p",), "low": 40.0, "kept": True}, 1.0),
        ({"rung": None, "low": None}, 0.0),  # refused
    ],
)
def test_rewards(fields: dict[str, Any], expected: float) -> None:
    standings = {"p": (0, 0.4), "q": (0, 0.8), "r": (1, 0.1)}
    assert reward(outcome(**fields), standings) == pytest.approx(expected)


def test_tallies_are_discounted_and_costs_are_relative() -> None:
    outcomes = [outcome(A, cost=3.0, low=1.5, rungs=1), outcome(B, cost=1.0, low=0.0, rungs=2)]
    first, second = tallies([A, B], outcomes, [100, 300])
    assert (first.proposals, first.reward) == (pytest.approx(0.98), pytest.approx(0.49))
    assert first.cost == pytest.approx(0.98 * (3 / 2 + 100 / 250) / 2)
    assert (second.proposals, second.reward, second.cost) == (1, 0, pytest.approx((1 / 2 + 400 / 250) / 2))


def test_a_parent_counts_from_when_it_was_told() -> None:
    parent = outcome(B, program_id="p", low=0.5)
    (tally,) = tallies([A], [parent, outcome(A, parents=("p",), low=0.75)], [10])
    assert tally.reward == pytest.approx(0.25)


def test_work_goes_to_what_improves_and_what_is_cheap_and_nothing_starves() -> None:
    good = [outcome(A, low=1.6, cost=1.0) for _ in range(40)]
    bad = [outcome(B, rung=None, low=None, rungs=0, cost=1.0) for _ in range(40)]
    counts = shares(tallies([A, B], good + bad, [1]))
    assert counts[A] > 0.8
    assert counts[B] > 0.02
    dear = [outcome(A, low=1.2, cost=9.0) for _ in range(40)]
    cheap = [outcome(B, low=1.2, cost=1.0) for _ in range(40)]
    assert shares(tallies([A, B], [one for pair in zip(dear, cheap, strict=True) for one in pair], [0]))[B] > 0.8


def shares(tallied: Any) -> dict[Arm, float]:
    chosen = [choose(tallied, np.random.default_rng(seed)) for seed in range(300)]
    return {arm: chosen.count(arm) / 300 for arm in (A, B)}


def test_the_same_stream_chooses_the_same() -> None:
    tallied = tallies([A, B], [outcome(A), outcome(B)], [1])
    assert [choose(tallied, np.random.default_rng(5)) for _ in range(3)] == [choose(tallied, np.random.default_rng(5))] * 3


def test_nothing_known_is_no_trouble() -> None:
    assert shares(tallies([A, B], [], [1]))[A] == pytest.approx(0.5, abs=0.1)
