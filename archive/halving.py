"""Successive halving without waiting (ASHA; Li et al. 2020, "A System for Massively Parallel Hyperparameter Tuning", algorithm 2).

Of the programs that a rung has seen so far, only the best share goes on to the next one, so that dear rungs get the programs that cheap
ones have chosen among many. Our ladder decides about a program once, when its rung is done, and from results that are told: what timing
cannot change.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

WINDOW = 1000
"""Proposals back from which a rung's programs are counted: a bar that follows the search, at a cost that does not grow with it."""


def climbing_bar(lows: Sequence[float], share: float) -> float | None:
    """The lower bound that puts a newcomer among the best `share` of all, given those of the earlier ones; None where any does."""
    places = math.ceil(share * (len(lows) + 1))  # with the newcomer
    return sorted(lows, reverse=True)[places - 1] if places <= len(lows) else None


def keeping_bar(lows: Sequence[float], keep: int) -> float | None:
    """The lower bound of the last of the best `keep`, which a newcomer has to beat; None while there are not as many."""
    return sorted(lows, reverse=True)[keep - 1] if keep <= len(lows) else None
