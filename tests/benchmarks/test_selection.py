"""The simulation that stands behind what is claimed, in small: nothing in it is a copy of what a campaign does."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

FOLDER = str(Path(__file__).parents[2] / "benchmarks")


@pytest.fixture(scope="module")
def selection() -> Iterator[ModuleType]:
    sys.path.insert(0, FOLDER)
    yield import_module("selection")
    sys.path.remove(FOLDER)


@pytest.mark.parametrize("kind", ["level", "spread", "literature", "probes"])
def test_what_is_believed_of_the_chosen_one_is_honoured(selection: ModuleType, kind: str) -> None:
    """By the mean score the best of 150 equal programs looks more than two standard deviations better than it is; the lower end of what is
    believed of it, on average, no more than a tenth, for less than a tenth more trainings."""
    found = selection.choosing(10, 150, selection.CHOOSING[kind], seed=3)
    naive, ours = found["highest mean score"], found["believed, re-evaluated"]
    assert ours.low <= 0.1
    assert ours.claim < naive.claim / 2
    assert ours.runs < 1.1 * naive.runs
    assert kind != "level" or naive.claim > 2


def test_races_keep_their_promise_and_save_trainings(selection: ModuleType) -> None:
    assert max(max(rates) for rates in selection.error_rates(300, seed=1).values()) <= 0.08
    saving = selection.racing(selection.as_in_literature, 10, 0.9, seed=1)
    assert saving.saved > 0.5
    assert max(saving.above_stopped, saving.below_climbed) <= 0.05


def test_known_programs_are_read_from_a_screening(selection: ModuleType, tmp_path: Path) -> None:
    def one(variant: str, refusal: str, **by_probe: list[float | None]) -> dict[str, object]:
        return {"reference": "ppo", "variant": variant, "refusal": refusal, "by_probe": by_probe}

    path = tmp_path / "screening.json"
    programs = [one("sound", "", catch=[0.8, 1.0], chain=[0.6, 0.8]), one("wrong sign", "", catch=[0.0, None], chain=[0.0, 0.4])]
    path.write_text(json.dumps({"programs": [*programs, one("rewards ignored", "sense: x")]}))
    known = selection.known_programs(path)
    assert set(known) == {"ppo, sound", "ppo, wrong sign"}
    assert known["ppo, wrong sign"].tolist() == [[0.0, 0.0], [0.0, pytest.approx(0.4 / 0.7)]]
    saving = selection.known_racing(known, 0.9, seed=0)
    assert saving.above_stopped == 0.0
    assert 0.9 < saving.below_stopped <= 1.0
    assert 0.3 < saving.saved < 0.7
    assert np.isclose(known["ppo, sound"].mean(), 1.0)
