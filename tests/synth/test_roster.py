"""Rests: by a clock that the test sets."""

from __future__ import annotations

from synth.roster import FIRST_REST, LONGEST_REST, Roster


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_rest_ends_for_one_and_doubles_until_there_is_an_answer() -> None:
    clock = Clock()
    roster = Roster(clock)
    assert roster.available("m")
    for rest in (FIRST_REST, 2 * FIRST_REST, 4 * FIRST_REST):
        assert roster.rest("m") == rest
        clock.now += rest - 1
        assert not roster.available("m")
        clock.now += 1
        assert roster.available("m")
        assert not roster.available("m"), "one is enough to find out"
        assert roster.resting == ["m"]
        assert roster.available("n"), "others are not concerned"
    assert roster.back("m")
    assert not roster.back("m")
    assert roster.available("m")
    assert roster.resting == []
    assert roster.rest("m") == FIRST_REST


def test_calls_that_fail_together_are_one_failure() -> None:
    roster = Roster(Clock())
    assert [roster.rest("m") for _ in range(4)] == [FIRST_REST, None, None, None]


def test_no_rest_is_longer_than_the_longest() -> None:
    clock = Clock()
    roster = Roster(clock)
    for _ in range(12):
        last = roster.rest("m")
        clock.now += LONGEST_REST
    assert last == LONGEST_REST
