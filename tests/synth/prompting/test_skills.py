"""Profiles over skills, number by number."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth.prompting.skills import Skill, profile, skill, spread


def test_a_skill_is_the_share_of_the_way_from_random_play_to_the_best_policy() -> None:
    assert skill("probe:immediate-credit", [4.0, 6.0, 8.0]) == Skill("telling good actions from bad ones", 0.5)
    assert skill("probe:delayed-credit", [1.0]) == Skill("credit that comes later than the rollout is long", 1.0)


@pytest.mark.parametrize("task", ["atari-ram:Breakout", "gymnasium:CartPole-v1", "immediate-credit"])
def test_other_tasks_measure_no_single_skill(task: str) -> None:
    assert skill(task, [1.0]) is None


def test_a_profile_goes_from_the_best_to_the_worst() -> None:
    skills = {
        "a": Skill("waiting", -0.2),
        "b": Skill("seeing", 0.97),
        "c": Skill("hoping", 0.5),
        "d": Skill("knowing", 0.99),
        "e": Skill("going", 0.71),
        "f": Skill("coming", 0.1),
    }
    assert profile(skills) == (
        "mastered: knowing (d, 0.99), seeing (b, 0.97); mostly: going (e, 0.71); in part: hoping (c, 0.50); "
        "hardly: coming (f, 0.10); not at all: waiting (a, -0.20)"
    )
    assert profile({}) == ""


def test_the_interval_of_two_returns_is_students() -> None:
    """t(0.975, 1) = 12.706, and the error of two values is half their distance."""
    found = spread([1.0, 3.0])
    assert found is not None
    assert found == pytest.approx((2.0, 2.0 - 12.706, 2.0 + 12.706), abs=0.01)
    assert spread([1.0]) is None


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=9))
@settings(deadline=None, max_examples=30)
def test_the_interval_holds_the_mean(returns: list[float]) -> None:
    found = spread(returns)
    assert found is not None
    middle, low, high = found
    assert low <= middle <= high
