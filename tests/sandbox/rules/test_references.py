"""Reference programs: found by name, and legal in the language they are written in."""

from __future__ import annotations

import pytest

from sandbox.errors import UsageError
from sandbox.graph.canonical import node_count
from sandbox.language.program import parse
from sandbox.records import Shape
from sandbox.rules.program_rule import ProgramRule
from sandbox.rules.references import reference_names, reference_text
from tests.support import traced

NAMES = {
    "reinforce",
    "a2c",
    "ppo",
    "vtrace",
    "vmpo",
    "dqn",
    "double_dqn",
    "munchausen_dqn",
    "dqnreg",
    "categorical_retrace",
    "discorl_like",
}


def test_names() -> None:
    assert set(reference_names()) >= NAMES


@pytest.mark.parametrize("name", reference_names())
def test_parses_without_a_warning_and_names_its_source(name: str) -> None:
    program = parse(reference_text(name))
    assert not program.warnings
    assert program.training.learning_rate is not None
    assert any(year in program.description for year in ("19", "20"))


def test_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"munchausen_dqn"):
        reference_text("munchhausen_dqn")
    with pytest.raises(UsageError, match=r"a2c, .*vtrace"):
        reference_text("zzz")


def test_ppo_stays_small_over_a_long_rollout() -> None:
    shape = Shape(128, 2, 6)
    rule = ProgramRule(traced(reference_text("ppo"), (shape,)))
    assert node_count(rule.graph(shape)) < 200
    assert len(rule.graph(shape).nodes) < 200
