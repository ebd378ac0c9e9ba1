"""Who may be asked: a proposer that gave no answer rests, longer each time, and is then tried again by one order alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

FIRST_REST: Final = 60.0  # seconds; doubles with every attempt that fails
LONGEST_REST: Final = 1800.0


@dataclass
class _Rest:
    seconds: float
    until: float
    tried: bool = False  # somebody is finding out whether it is back


class Roster:
    """One process's; safe from several threads. `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._rests: dict[str, _Rest] = {}
        self._lock = threading.Lock()

    @property
    def resting(self) -> list[str]:
        """Names of those that gave no answer and are not known to be back."""
        return sorted(self._rests)

    def available(self, name: str) -> bool:
        """Whether it may be asked. Once its rest is over, the first who wants to know may find out, and others still stay away."""
        with self._lock:
            rest = self._rests.get(name)
            if rest is None:
                return True
            if self._clock() < rest.until:
                return False
            rest.until, rest.tried = self._clock() + rest.seconds, True
            return True

    def rest(self, name: str) -> float | None:
        """Sends away who gave no answer, and says for how many seconds; None where it rests already: calls often fail together."""
        with self._lock:
            rest = self._rests.get(name)
            if rest is not None and not rest.tried and self._clock() < rest.until:
                return None
            seconds = FIRST_REST if rest is None else min(LONGEST_REST, 2 * rest.seconds)
            self._rests[name] = _Rest(seconds, self._clock() + seconds)
            return seconds

    def back(self, name: str) -> bool:
        """It has answered. Says whether it had been resting."""
        with self._lock:
            return self._rests.pop(name, None) is not None
