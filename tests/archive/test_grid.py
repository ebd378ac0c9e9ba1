from __future__ import annotations

import pytest

from archive.grid import Standing, cell, complexity
from sandbox.records import Descriptor


@pytest.mark.parametrize(
    ("nodes", "name"),
    [
        (0, "<32"),
        (31, "<32"),
        (32, "32-63"),
        (63, "32-63"),
        (64, "64-127"),
        (255, "128-255"),
        (511, "256-511"),
        (512, ">=512"),
        (4000, ">=512"),
    ],
)
def test_bins_double(nodes: int, name: str) -> None:
    assert complexity(nodes) == name


def test_a_cell_names_every_trait() -> None:
    assert cell(Descriptor(family="both", nodes=100, free_predictions=True, carried_state=False)) == "both/64-127/free/-"
    assert cell(Descriptor(family="value", nodes=5, free_predictions=False, carried_state=True)) == "value/<32/-/state"


def test_a_higher_rung_stands_higher_whatever_the_score() -> None:
    assert Standing(1, -3.0) > Standing(0, 0.9) > Standing(0, 0.8)
