"""CMA-ES in the few trainings that tuning can afford. Source: Hansen 2016, "The CMA Evolution Strategy: A Tutorial".

The library `cmaes` is maintained, asks for nothing but numpy, and is seeded by what it is given: own code would gain nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np

from sandbox.randomness import derive

SPREAD: Final = 1.5  # of the first generation, in units of the constants' lines: factors of 4.5
FEWEST: Final = 4  # trials a generation

Places = dict[str, float]


def evolve(start: Mapping[str, float], trials: int, seed: int, rate: Callable[[Sequence[Places]], Sequence[float]]) -> None:
    """Asks `rate` for the worth (more is better) of one generation of places after the other, at most `trials` in all.

    What failed is worth -inf. The same seed asks for the same places as long as it is told the same.
    """
    from cmaes import CMA

    names = list(start)
    usual = 4 + int(3 * np.log(len(names)))
    generations = max(1, trials // max(FEWEST, min(usual, trials // 3)))
    size = trials // generations
    search = CMA(np.array([start[name] for name in names]), SPREAD, seed=derive(seed, "cmaes") % 2**32, population_size=size)
    for _ in range(generations):
        points = [search.ask() for _ in range(size)]
        worth = rate([dict(zip(names, map(float, point), strict=True)) for point in points])
        search.tell([(point, -value if np.isfinite(value) else 1e9) for point, value in zip(points, worth, strict=True)])
