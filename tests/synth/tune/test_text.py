"""Other numbers in the same text: nothing else of it changes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.language.program import parse
from sandbox.rules.references import reference_names, reference_text
from synth.tune.text import with_constants

ODD = '''"""Odd: constants as people may write them; ünïcode in comments."""

HEADS = {"logits": "A", "value": 1}
SMALL = 0.25
CONSTANTS: dict = {  # ä
    "discount": 0.99, "cost": (0.5, 0.1, 0.6),  # é
    "floor": -1.0, "named": SMALL,
    "sum": 1.0
    + 2.0,
    "steps": 5,
}


def loss(traj, c):
    returns = rl.n_step_returns(traj.rewards, c.discount * traj.continues, traj.online.value, c.steps)
    error = (returns - traj.online.value[:-1]) ** 2 * (c.floor + c.named + c.sum)
    return -rl.log_prob(traj.online.logits[:-1], traj.actions) * rl.stop_gradient(error) + c.cost * error
'''


def values(text: str) -> dict[str, float]:
    return {constant.name: constant.value for constant in parse(text).constants}


def test_only_the_numbers_change() -> None:
    changed = with_constants(ODD, {"discount": 0.5, "cost": 0.2, "floor": -3e-05, "named": 0.125, "sum": 4.0})
    assert values(changed) == {"discount": 0.5, "cost": 0.2, "floor": -3e-05, "named": 0.125, "sum": 4.0, "steps": 5}
    assert parse(changed).constants[1].high == 0.6
    kept = ODD.replace("1.0\n    + 2.0", "4.0").replace("0.99", "0.5").replace("(0.5,", "(0.2,")
    assert changed == kept.replace('"floor": -1.0', '"floor": -3e-05').replace('"named": SMALL', '"named": 0.125')


def test_no_change_is_no_change() -> None:
    assert with_constants(ODD, {}) == ODD
    assert with_constants(ODD, {"elsewhere": 1.0}) == ODD


@settings(deadline=None, max_examples=30)
@given(name=st.sampled_from(reference_names()), value=st.floats(1e-6, 0.999))
def test_every_float_of_every_reference_can_be_set_and_stays_a_float(name: str, value: float) -> None:
    text = reference_text(name)
    floats = [constant.name for constant in parse(text).tunable]
    changed = parse(with_constants(text, dict.fromkeys(floats, value)))
    assert {constant.value for constant in changed.tunable} == {value}
    assert [constant.name for constant in changed.tunable] == floats


@pytest.mark.parametrize("value", [1.0, 5.0, 1e-12, 123456.0])
def test_a_round_number_does_not_become_structural(value: float) -> None:
    assert "discount" in {constant.name for constant in parse(with_constants(ODD, {"discount": value})).tunable}
