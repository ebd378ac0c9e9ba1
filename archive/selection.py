"""Parents: drawn from the grid's elites, half by how good they are and half by how little they were tried.

    p(i) = ½ · exp(-4·rank(i) / n) / Z₁  +  ½ · 1 / ((1 + children(i)) · √occupants(i)) / Z₂

`rank` is 0 for the best of n elites by standing (rung, then lower bound; the earlier program first among equals), `children` counts the
proposals made from the elite, `occupants` the scored programs that ever fell into its cell. The first half has its mass on the best
quarter whatever the scale of scores; the second falls as 1/children, so that no elite waits for ever and none is drawn for ever.

What a person has pinned counts PINNED times: p'(i) = w(i)·p(i) / Σ w·p with w = PINNED or 1. So it is likelier than before beside every
program that is not pinned, and whoever was good stays so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from archive.grid import Standing

STEEPNESS = 4.0  # the elite a quarter down the ranking is e times less likely than the best
EXPLOIT = 0.5
PINNED = 4.0


class Candidate(NamedTuple):
    """One elite, as selection sees it. `number` is its proposal's."""

    number: int
    standing: Standing
    children: int
    occupants: int
    pinned: bool = False


def probabilities(candidates: Sequence[Candidate]) -> NDArray[np.float64]:
    """The distribution above, `[n]`, in the order given."""
    order = sorted(range(len(candidates)), key=lambda i: (-candidates[i].standing.rung, -candidates[i].standing.low, candidates[i].number))
    rank = np.empty(len(candidates))
    rank[order] = np.arange(len(candidates))
    good = np.exp(-STEEPNESS * rank / len(candidates))
    rare = np.array([1.0 / ((1 + c.children) * np.sqrt(c.occupants)) for c in candidates])
    chances: NDArray[np.float64] = EXPLOIT * good / good.sum() + (1 - EXPLOIT) * rare / rare.sum()
    weighed: NDArray[np.float64] = chances * np.where([c.pinned for c in candidates], PINNED, 1.0)
    return weighed / weighed.sum() if any(c.pinned for c in candidates) else chances


def draw(candidates: Sequence[Candidate], count: int, stream: np.random.Generator) -> list[int]:
    """Numbers of up to `count` different candidates. Depends on the set alone, not on the order in which it is given."""
    if not candidates:
        return []
    ordered = sorted(candidates)
    chosen = stream.choice(len(ordered), size=min(count, len(ordered)), replace=False, p=probabilities(ordered))
    return [ordered[int(i)].number for i in chosen]
