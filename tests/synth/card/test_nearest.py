"""A program is nearest to itself and to its own family; scaling and renaming do not move it."""

import pytest

from sandbox.language.fingerprint import SHAPE
from sandbox.language.program import parse
from sandbox.language.trace import trace_reply
from sandbox.language.tracing import traced_from_reply
from sandbox.records import Traced
from sandbox.rules.program_rule import ProgramRule
from sandbox.rules.references import reference_text
from synth.card.nearest import nearest, teaching_distance, wording_distance


def traced(text: str) -> Traced:
    program = parse(text)
    return traced_from_reply(program, trace_reply(program, (SHAPE,), seed=0), (SHAPE,))


@pytest.fixture(scope="module")
def family() -> dict[str, Traced]:
    return {name: traced(reference_text(name)) for name in ("ppo", "vtrace", "dqn", "double_dqn")}


def test_families_stay_together(family: dict[str, Traced]) -> None:
    order = {name: [neighbour.name for neighbour in nearest(family[name], family.items())] for name in ("dqn", "vtrace")}
    assert order["dqn"][:2] == ["dqn", "double_dqn"]
    assert order["vtrace"][:2] == ["vtrace", "ppo"]
    assert nearest(family["dqn"], family.items())[0].distance < 1e-6


def test_a_policy_has_nothing_in_common_with_values(family: dict[str, Traced]) -> None:
    assert teaching_distance(ProgramRule(family["dqn"]), ProgramRule(family["ppo"])) == 1.0


def test_names_and_a_factor_on_the_whole_loss_do_not_count(family: dict[str, Traced]) -> None:
    text = reference_text("dqn").replace('"q"', '"worth"').replace(".q[", ".worth[").replace("return F.", "return 3 * F.")
    rules = ProgramRule(family["dqn"]), ProgramRule(traced(text))
    assert teaching_distance(*rules) == pytest.approx(0, abs=1e-6)
    assert 0 < wording_distance(*rules) < 0.2  # one multiplication more


def test_the_opposite_loss_is_as_far_as_can_be(family: dict[str, Traced]) -> None:
    text = reference_text("dqn").replace("return F.", "return -F.")
    assert teaching_distance(ProgramRule(family["dqn"]), ProgramRule(traced(text))) == pytest.approx(1.0)
