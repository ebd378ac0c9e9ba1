from __future__ import annotations

import ast
import re
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sandbox.errors import Gate, Refusal
from sandbox.language.program import parse
from sandbox.records import Act, Constant, Head, Training
from sandbox.rules.references import reference_names, reference_text
from tests.sandbox.language.corpus import Bad, bad_programs, valid_programs

BAD = bad_programs()
VALID = valid_programs()
PPO = reference_text("ppo")


@pytest.mark.parametrize("bad", BAD, ids=[bad.name for bad in BAD])
def test_bad_programs_are_refused_where_they_are_bad(bad: Bad) -> None:
    with pytest.raises(Refusal) as caught:
        parse(bad.text)
    refusal = caught.value
    assert (refusal.gate, refusal.code) == (Gate.PARSE, bad.code)
    assert bad.place in {"*", f"{refusal.line}:{refusal.column}"}
    assert refusal.message.endswith(".")
    assert len(refusal.remedy) > 8


def test_every_code_has_a_bad_program() -> None:
    folder = Path(sys.modules["sandbox.language.program"].__file__ or "").parent
    modules = ("source", "syntax", "declarations", "act", "names", "tensors", "program")
    calls = [node for name in modules for node in ast.walk(ast.parse((folder / f"{name}.py").read_text())) if isinstance(node, ast.Call)]
    raised = {code for call in calls for code in _codes(call)}
    assert len(raised) > 50
    assert raised <= {bad.code for bad in BAD} | {"unknown-torch-function"}


def _codes(call: ast.Call) -> list[str]:
    position = {"refuse": 0, "fault": 1}.get(ast.unparse(call.func).split(".")[-1])
    if position is None or len(call.args) <= position:
        return []
    code = call.args[position]
    return [code.value] if isinstance(code, ast.Constant) and isinstance(code.value, str) else []


@pytest.mark.parametrize("text", VALID.values(), ids=VALID)
def test_valid_programs_are_accepted_without_warnings(text: str) -> None:
    program = parse(text)
    assert program.text == text
    assert program.warnings == ()


@pytest.mark.parametrize("name", reference_names())
def test_references_are_accepted(name: str) -> None:
    assert parse(reference_text(name)).warnings == ()


def test_ppo_is_read_as_written() -> None:
    program = parse(PPO)
    assert program.title == "PPO: clipped policy gradient with generalised advantages."
    assert program.description.startswith("Several passes over each batch")
    assert program.heads == (Head(name="logits", per_action=True, size=1), Head(name="value", per_action=False, size=1))
    assert program.constants[0] == Constant(name="discount", value=0.99)
    assert program.training == Training(epochs=4, minibatches=4, learning_rate=2.5e-3)
    assert program.act == Act(head="logits")
    assert not program.carries_state


def test_heads_of_every_shape() -> None:
    program = parse(PPO.replace('"value": 1', '"value": 1, "y": 21, "z": ("A", 1)'))
    assert [head.shape(5) for head in program.heads] == [(5,), (), (21,), (5, 1)]


def test_an_integer_constant_is_structural_and_bounds_are_kept() -> None:
    program = parse(VALID["structural_steps"])
    steps = next(constant for constant in program.constants if constant.name == "steps")
    assert steps.structural
    assert (steps.value, steps.low, steps.high) == (3, 1, 10)


def test_act_reads_the_value_of_a_constant() -> None:
    assert parse(VALID["soft_q"]).act == Act(head="q", kind="softmax", temperature=0.1)
    assert parse(VALID["expected_sarsa"]).act.epsilon == (0.1, 0.1, 1.0)


def test_act_reduces_a_vector_head() -> None:
    act = parse(VALID["support_softmax"]).act
    assert (act.reduce, act.support, act.transform) == ("support", (-4.0, 4.0), "signed_hyperbolic")


def test_an_unused_constant_is_a_warning() -> None:
    program = parse(PPO.replace('"clip": 0.2', '"clip": 0.2, "spare": 1.0'))
    assert program.warnings == ("The constant 'spare' is never used.",)


def test_constants_are_plain_numbers_in_initial_state() -> None:
    text = VALID["carried_scale"].replace('{"scale": 1.0}', '{"scale": max(c.decay, 0.5) if c.decay > 0 else math.sqrt(c.discount)}')
    assert parse(text).carries_state


def test_a_formula_in_the_docstring_neither_warns_nor_hides_characters() -> None:
    text = PPO.replace("Several passes", r"\alpha \beta and more: several passes")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        program = parse(text)
    assert all(character.isprintable() or character == "\n" for character in program.description)


def test_other_characters_may_stand_in_docstrings_and_comments() -> None:
    program = parse(PPO.replace("Several passes", "λ-returns — naïve: several passes") + "# größer\n")
    assert "λ-returns" in program.description


def test_parsing_needs_no_torch() -> None:
    command = "import sys; import sandbox.language.program; import sandbox.language.reply; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", command], check=False).returncode == 0


TOKENS = sorted({token for text in (*VALID.values(), PPO) for token in re.findall(r"\w+|[^\w\s]|\n {0,8}", text)})
ODD = [
    "\x00",
    "\ud800",
    "“",
    "lambda",
    "while ",
    "((((",
    "'''",
    '"""',
    "\\",
    "**",
    ":=",
    "f'{traj}'",
    "._x",
    "9" * 100,
    "1e999",
    "\t",
    "#",
    "not " * 30,
]


@settings(deadline=None, max_examples=150)
@example(data=None)
@given(data=st.data())
def test_mutilated_programs_raise_nothing_but_refusals(data: st.DataObject | None) -> None:
    if data is None:
        return
    text = data.draw(st.sampled_from([*VALID.values(), PPO]))
    for _ in range(data.draw(st.integers(1, 6))):
        start = data.draw(st.integers(0, len(text)))
        length = data.draw(st.sampled_from([0, 0, 1, 3, 20, 200]))
        text = text[:start] + data.draw(st.sampled_from(TOKENS + ODD)) + text[start + length :]
    _parses_or_refuses(text)


@settings(deadline=None, max_examples=100)
@given(st.text(max_size=300))
def test_any_text_raises_nothing_but_refusals(text: str) -> None:
    _parses_or_refuses(text)


@pytest.mark.parametrize(
    "text", ["-" * 150 + "\n" for _ in range(1)] + ["x = (\n" + ("not " * 35 + "\n") * 100 + "1)", "x = (\n" + "-\n" * 9000 + "1)"]
)
def test_deep_chains_of_operators_do_not_end_the_process(text: str) -> None:
    _parses_or_refuses('"""Deep."""\n' + text)


def _parses_or_refuses(text: str) -> None:
    try:
        parse(text)
    except Refusal as refusal:
        fault = refusal
    else:
        return
    assert fault.gate == Gate.PARSE
    assert min(fault.line, fault.column) >= 0
