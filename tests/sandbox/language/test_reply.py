from __future__ import annotations

import html
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.language.program import parse
from sandbox.language.reply import find_program
from sandbox.rules.references import reference_names, reference_text

PPO = reference_text("ppo")
DQN = reference_text("dqn")


def fenced(text: str, language: str = "python") -> str:
    return f"```{language}\n{text}```\n"


@pytest.mark.parametrize("name", reference_names())
def test_a_bare_program_is_itself(name: str) -> None:
    assert find_program(reference_text(name)) == reference_text(name)


@pytest.mark.parametrize(
    "reply",
    [
        fenced(PPO),
        f"Here it is:\n\n{fenced(PPO)}\nIt clips the ratio.",
        fenced(PPO, ""),
        fenced(PPO, "py").replace("```", "~~~"),
        f"```python\n{PPO}",  # cut off before the fence ended
        f"Here it is:\n\n{PPO}\nIt clips the ratio.",
        f"<think>Maybe\n{fenced(DQN)}</think>\n{fenced(PPO)}",
        f"Maybe\n{fenced(DQN)}</think>\n{fenced(PPO)}",  # the template opened the block
        f"{fenced(PPO)}<think>Or better\n{fenced(DQN)}",  # never closed
        f"First:\n{fenced(DQN)}Better:\n{fenced(PPO)}",
        f"{fenced(PPO)}Run it with:\n{fenced('lossmith check ppo.py', 'sh')}",
        f"{fenced(PPO)}The heart of it:\n{fenced('ratio = torch.exp(x)', 'python')}",
        json.dumps({"title": "PPO", "code": PPO}),
        fenced(json.dumps({"title": "PPO", "code": PPO}) + "\n", "json"),
        json.dumps({"code": fenced(PPO)}),
        fenced(PPO).replace("\n", "\r\n"),
        "1. The program:\n" + "".join(f"   {line}\n" for line in fenced(PPO).splitlines()),
    ],
)
def test_the_program_is_found(reply: str) -> None:
    found = find_program(reply)
    assert found is not None
    assert parse(found).title == parse(PPO).title
    assert found.rstrip() == PPO.rstrip() or "   " in reply


def test_a_docstring_may_hold_a_fence() -> None:
    program = PPO.replace("Several passes", "For example\n```python\nloss = -surrogate\n```\nSeveral passes")
    assert find_program(fenced(program)) == program
    assert find_program(program) == program


def test_entities_are_undone_only_where_the_text_fails_to_parse() -> None:
    escaped = PPO.replace("- c.entropy_cost", "- (1 if 2 > 1 else 0) * c.entropy_cost")
    assert find_program(fenced(html.escape(escaped))) == escaped
    kept = PPO.replace("Several passes", "A &lt; B: several passes")
    assert find_program(fenced(kept)) == kept


def test_an_incomplete_program_is_returned_for_the_gate_to_explain() -> None:
    cut = PPO[: PPO.index("value_loss = ")]
    assert find_program(f"```python\n{cut}") == cut.rstrip() + "\n"
    broken = PPO.replace("def loss(traj, c):", "def loss(traj, c)")
    assert find_program(fenced(broken)) == broken


@pytest.mark.parametrize("reply", ["", "I cannot do that.", fenced("print(1)\n"), "{}", '{"code": 1}', f"<think>{fenced(PPO)}</think>"])
def test_no_program_is_none(reply: str) -> None:
    assert find_program(reply) is None


@settings(deadline=None, max_examples=60)
@given(st.text(max_size=200), st.text(max_size=200))
def test_no_reply_raises(before: str, after: str) -> None:
    find_program(before + fenced(PPO) + after)
    find_program(before + "{" + after)
