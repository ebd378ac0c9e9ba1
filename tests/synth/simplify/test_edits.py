"""Which terms a loss has in its text, and the texts without one; every result is a valid program that says what went."""

import ast

import pytest

from sandbox.language.program import parse
from sandbox.rules.references import reference_names, reference_text
from synth.simplify.edits import Rounding, roundings, terms_of, with_rounding, without_term, without_unused

HIDDEN = '''"""Hidden: terms behind simple variables."""

HEADS = {"logits": "A", "value": 1, "extra": 1}
CONSTANTS = {"discount": 0.993, "cost": (0.5, 0.1, 0.6), "k": 0.01234, "steps": 5}


def penalty(x):
    return x ** 2


def loss(traj, c):
    logits = traj.online.logits[:-1]
    returns = rl.n_step_returns(traj.rewards, c.discount * traj.continues, traj.online.value, c.steps)
    policy = -rl.log_prob(logits, traj.actions) * rl.stop_gradient(returns - traj.online.value[:-1])
    value = (returns - traj.online.value[:-1]) ** 2
    rest = c.cost * value + c.k * penalty(traj.online.extra[:-1])
    total = policy - rest
    return total
'''


def codes(text: str) -> list[str]:
    return [term.code for term in terms_of(text)]


def test_terms_are_found_through_simple_variables() -> None:
    assert codes(HIDDEN) == ["policy", "c.cost * value", "c.k * penalty(traj.online.extra[:-1])"]
    assert codes(reference_text("ppo")) == ["surrogate", "c.value_cost * value_loss", "c.entropy_cost * rl.entropy(logits)"]


def test_a_variable_that_is_read_twice_is_a_term_itself() -> None:
    text = HIDDEN.replace("return total", "return total + torch.mean(rest) * 0.1")
    assert codes(text) == ["policy", "rest", "torch.mean(rest) * 0.1"]


def test_what_only_the_term_read_goes_with_it_and_the_docstring_says_so() -> None:
    found = without_term(HIDDEN, terms_of(HIDDEN)[2])
    assert found is not None
    program = parse(found)
    assert [head.name for head in program.heads] == ["logits", "value"]
    assert [constant.name for constant in program.constants] == ["discount", "cost", "steps"]
    assert "penalty" not in found
    assert program.description == "Simplified: no third term of 3."
    again = without_term(found, terms_of(HIDDEN)[1])
    assert again is not None
    assert parse(again).description == "Simplified: no third term of 3; no second term of 3."
    assert codes(again) == ["policy"]


@pytest.mark.parametrize("name", reference_names())
def test_every_reference_without_any_of_its_terms_is_a_program_with_one_term_less(name: str) -> None:
    terms = terms_of(reference_text(name))
    for term in terms if len(terms) > 1 else ():
        left = without_term(reference_text(name), term)
        assert left is not None
        parse(left)
        assert codes(left) == [one.code for one in terms if one.number != term.number]


def test_the_only_term_stays() -> None:
    text = reference_text("dqn")
    assert without_term(text, terms_of(text)[0]) is None


def test_of_twins_either_can_go_and_the_other_after_it() -> None:
    text = reference_text("ppo").replace("rl.entropy(logits)", "rl.entropy(logits) - c.entropy_cost * rl.entropy(logits)")
    first, second = terms_of(text)[2:]
    one = without_term(text, first)
    assert one is not None
    assert codes(one).count("c.entropy_cost * rl.entropy(logits)") == 1
    both = without_term(one, second)
    assert both is not None
    assert "entropy" not in both.split('"""')[2]


def test_unused_parts_go_and_a_tidy_text_stays_as_it_is() -> None:
    assert without_unused(reference_text("ppo")) == reference_text("ppo")
    text = reference_text("ppo").replace("    logits = ", "    unused = traj.rewards * 2\n    logits = ")
    assert "unused =" not in without_unused(text)


def test_numbers_are_rounded_to_one_digit_then_two_and_near_one_by_their_distance() -> None:
    found = [(one.name, one.rounded) for one in roundings(HIDDEN)]
    assert found == [("discount", 0.993), ("k", 0.01), ("k", 0.012)][1:]
    text = HIDDEN.replace("0.993", "0.9937").replace('"k": 0.01234', '"k": 0.0')
    assert [(one.name, one.rounded) for one in roundings(text)] == [("discount", 0.994)]


def test_a_rounded_number_stays_within_its_bounds() -> None:
    rounded = with_rounding(HIDDEN, Rounding("k", 0.01234, 0.01))
    assert rounded is not None
    assert {one.name: one.value for one in parse(rounded).constants}["k"] == 0.01
    assert with_rounding(HIDDEN, Rounding("cost", 0.5, 0.7)) is None
    assert with_rounding(HIDDEN, Rounding("k", 0.5, 0.7)) is None  # it is another number by now
    bounded = with_rounding(HIDDEN, Rounding("cost", 0.5, 0.4))
    assert bounded is not None
    assert ast.literal_eval(bounded.split('"cost": ')[1].split(")")[0] + ")") == (0.4, 0.1, 0.6)
