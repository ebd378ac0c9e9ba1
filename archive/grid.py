"""The MAP-Elites grid: one cell for every kind of program, held by the best of its kind (Mouret and Clune, 2015).

A program's kind is its family × complexity × free predictions × carried state, all read off the verified graph. With 3 × 6 × 2 × 2 = 72
cells the grid is small: what it keeps alive is not the second best of the leading kind but the best of every kind.
"""

from __future__ import annotations

from typing import NamedTuple

from sandbox.records import Descriptor

SMALLEST_BIN, LARGEST_BIN = 32, 1024
"""Nodes of the graph: bins double from below 32 to 512 and more."""


class Standing(NamedTuple):
    """What programs are compared by, as a tuple: the rung reached, then the lower end of the score's interval there.

    Lower bounds of different rungs are of different tasks or budgets, so a program that climbed higher always stands higher.
    """

    rung: int
    low: float


def cell(descriptor: Descriptor) -> str:
    """The name of the cell, such as `policy/64-127/free/state`; `-` where a trait is missing."""
    free = "free" if descriptor.free_predictions else "-"
    state = "state" if descriptor.carried_state else "-"
    return f"{descriptor.family}/{complexity(descriptor.nodes)}/{free}/{state}"


def complexity(nodes: int) -> str:
    """The bin of a graph's size: `<32`, `32-63`, `64-127`, … `>=512`."""
    if nodes < SMALLEST_BIN:
        return f"<{SMALLEST_BIN}"
    low = 1 << (nodes.bit_length() - 1)
    return f"{low}-{2 * low - 1}" if 2 * low < LARGEST_BIN else f">={LARGEST_BIN // 2}"
