"""Where programs that may overlap in time pass one by one, in the order in which they were proposed.

Novelty and the budget of evaluations depend on what came before. Here they depend on proposal numbers, never on who was traced first.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sandbox.records import Identity
from synth.valve import Stopped


class Turnstile:
    """`first` is the number that may pass next; `admitted` programs of at most `most` have passed as new before it."""

    def __init__(self, first: int, admitted: int, most: int) -> None:
        self._due = first
        self._admitted = admitted
        self._most = most
        self._blocked: float = math.inf  # no later number ever passes
        self._condition = threading.Condition()
        self._in_flight: dict[int, tuple[Identity, str]] = {}

    @contextmanager
    def turn(self, number: int) -> Iterator[None]:
        """Waits for this number's turn and holds it. Raises Stopped if an earlier one never passes."""
        with self._condition:
            self._condition.wait_for(lambda: self._blocked < number or self._due == number)
            if self._blocked < number:
                raise Stopped
        yield
        with self._condition:
            self._due += 1
            self._condition.notify_all()

    @property
    def full(self) -> bool:
        """Whether the budget of evaluations is used up. Only to be asked while holding a turn."""
        return self._admitted >= self._most

    def admit(self, number: int, identity: Identity, program_id: str) -> None:
        """Counts a new program and keeps its identity until it is told."""
        with self._condition:
            self._admitted += 1
            self._in_flight[number] = (identity, program_id)

    def in_flight(self) -> list[tuple[Identity, str]]:
        """Identities admitted and not yet forgotten, oldest first."""
        with self._condition:
            return [self._in_flight[number] for number in sorted(self._in_flight)]

    def forget(self, number: int) -> None:
        """The archive knows this one now."""
        with self._condition:
            self._in_flight.pop(number, None)

    def give_up(self, number: int) -> None:
        """Sends every later one away, if this one has not passed: their novelty could not be judged without it."""
        with self._condition:
            if number >= self._due:
                self._blocked = min(self._blocked, number)
                self._condition.notify_all()
