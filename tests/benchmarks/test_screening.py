"""The broken variants are programs that differ from the sound ones, and accuracy is counted by hand."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from sandbox.errors import UsageError
from sandbox.language.program import parse
from sandbox.rules.references import reference_names, reference_text

FOLDER = str(Path(__file__).parents[2] / "benchmarks")


@pytest.fixture(scope="module")
def screening() -> Iterator[ModuleType]:
    sys.path.insert(0, FOLDER)
    yield import_module("screening")
    sys.path.remove(FOLDER)


def screened(screening: ModuleType, *scores: float | None, refusal: str = "") -> object:
    return screening.Screened("ppo", "v", refusal, scores, {}, (1.0,))


def test_every_reference_has_variants_that_parse_and_differ(screening: ModuleType) -> None:
    assert set(screening.all_references()) == set(reference_names())
    for order in screening.orders(list(screening.all_references()), 1, {}):
        parse(order.text)
        assert (order.text == reference_text(order.reference)) == (order.variant == screening.SOUND), order.variant


@pytest.mark.parametrize(
    ("sound", "broken", "share"),
    [
        ((0.9, 0.7), (0.8, 0.1), 0.75),
        ((0.5,), (0.5,), 0.5),
        ((0.9,), (None,), 1.0),
        ((None,), (0.1,), 0.0),
    ],
)
def test_accuracy_is_the_share_of_pairs(
    screening: ModuleType, sound: tuple[float | None, ...], broken: tuple[float | None, ...], share: float
) -> None:
    assert screening.accuracy(screened(screening, *sound), screened(screening, *broken)) == share


def test_a_refused_program_ranks_below(screening: ModuleType) -> None:
    assert screening.accuracy(screened(screening, 0.0), screened(screening, refusal="sense: x")) == 1.0


def test_a_sound_program_is_screened_to_the_end(screening: ModuleType) -> None:
    one = screening.screen(screening.Order("ppo", "sound", reference_text("ppo"), 2, {"immediate-credit": 1024}))
    assert (one.refusal, len(one.scores), len(one.seconds)) == ("", 2, 2)
    assert one.by_probe["immediate-credit"] == one.scores


def test_plans_are_read_and_refused(screening: ModuleType) -> None:
    assert screening.chosen_plan("catch=100, chain=20") == {"catch": 100, "chain": 20}
    for wrong in ("cach=100", "catch", "catch=many"):
        with pytest.raises(UsageError):
            screening.chosen_plan(wrong)
