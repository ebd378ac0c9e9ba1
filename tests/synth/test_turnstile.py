from __future__ import annotations

import random
import threading
import time

import pytest

from sandbox.records import Identity
from synth.turnstile import Turnstile
from synth.valve import Stopped

IDENTITY = Identity(structure="s", fingerprint="f", settings="t")


def test_whoever_comes_first_the_numbers_pass_in_order() -> None:
    turnstile = Turnstile(3, 0, 10)
    passed: list[int] = []

    def go(number: int) -> None:
        time.sleep(random.random() * 0.02)
        with turnstile.turn(number):
            passed.append(number)

    threads = [threading.Thread(target=go, args=(number,)) for number in range(12, 2, -1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert passed == list(range(3, 13))


def test_giving_up_sends_away_the_later_ones_alone() -> None:
    turnstile = Turnstile(0, 0, 10)
    turnstile.give_up(1)
    with turnstile.turn(0):
        pass
    with pytest.raises(Stopped), turnstile.turn(2):
        pass


def test_giving_up_after_passing_harms_nobody() -> None:
    turnstile = Turnstile(0, 0, 10)
    with turnstile.turn(0):
        pass
    turnstile.give_up(0)
    with turnstile.turn(1):
        pass


def test_it_counts_what_it_admits_and_forgets_what_is_told() -> None:
    turnstile = Turnstile(0, 8, 10)
    turnstile.admit(1, IDENTITY, "b")
    assert not turnstile.full
    turnstile.admit(0, IDENTITY, "a")
    assert turnstile.full
    assert turnstile.in_flight() == [(IDENTITY, "a"), (IDENTITY, "b")]
    turnstile.forget(0)
    turnstile.forget(7)
    assert turnstile.in_flight() == [(IDENTITY, "b")]
