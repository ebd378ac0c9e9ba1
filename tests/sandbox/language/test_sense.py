"""The sense gate: every bad program is refused for its own reason at its own line, every sound one passes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from sandbox.errors import Refusal
from sandbox.language import probing, sense
from sandbox.language.sense import check_sense
from sandbox.language.synthetic import Recipe, make_batch
from sandbox.rules.program_rule import ProgramRule
from sandbox.rules.references import reference_names, reference_text
from tests.sandbox.language.corpus import PROGRAMS
from tests.support import traced

BAD = sorted((PROGRAMS / "bad_late").glob("*.py"))


def expectation(path: Path) -> tuple[str, str, int]:
    """Gate, code and line from the first line of the file."""
    gate, code, line = path.read_text().split("\n", 1)[0].removeprefix("# expect: ").split()
    return gate, code, int(line)


@pytest.mark.parametrize("path", BAD, ids=[path.stem for path in BAD])
def test_bad_program_is_refused(path: Path) -> None:
    rule = ProgramRule(traced(path.read_text()))
    with pytest.raises(Refusal) as caught:
        check_sense(rule)
    assert (caught.value.gate, caught.value.code, caught.value.line) == expectation(path)
    assert caught.value.remedy


def test_every_code_has_a_bad_program() -> None:
    codes = {"unused-head", "not-finite", "ignores-rewards", "no-gradient", "leaks-over-episodes", "depends-on-order"}
    assert {expectation(path)[1] for path in BAD} == codes
    assert all(code in (sense.__doc__ or "") for code in codes)


@pytest.mark.parametrize("name", reference_names())
def test_references_make_sense(name: str) -> None:
    check_sense(ProgramRule(traced(reference_text(name))))


HIDDEN_BEHIND_TARGET = '''"""The head that acts gets its first gradient only when the views have moved apart."""

HEADS = {"logits": "A", "value": 1}


def loss(traj, c):
    _, returns = rl.gae(traj.rewards, 0.97 * traj.continues, traj.behaviour.value, 0.95)
    drawn = rl.kl_divergence(traj.target.logits[:-1], traj.online.logits[:-1])
    return drawn + (traj.online.value[:-1] - returns) ** 2
'''

LEARNS_BY_STATE = '''"""Rewards reach the gradient one call late, through what is carried."""

HEADS = {"logits": "A"}


def initial_state(c):
    return {"level": 0.0}


def loss(traj, c, state):
    score = torch.tanh(state.level) * traj.continues
    level = traj.rewards.mean()
    return -rl.log_prob(traj.online.logits[:-1], traj.actions) * score, {"level": level}
'''

NORMALISES_OVER_EVERYTHING = '''"""A statistic over all environments and steps is no leak."""

HEADS = {"logits": "A", "value": 1}


def loss(traj, c):
    advantages, returns = rl.gae(traj.rewards, 0.97 * traj.continues, traj.behaviour.value, 0.95)
    ranks = torch.argsort(torch.argsort(advantages.flatten())).reshape(advantages.shape).float()
    policy_loss = -rl.log_prob(traj.online.logits[:-1], traj.actions) * rl.normalize(ranks)
    return policy_loss + (traj.online.value[:-1] - returns) ** 2
'''


@pytest.mark.parametrize("text", [HIDDEN_BEHIND_TARGET, LEARNS_BY_STATE, NORMALISES_OVER_EVERYTHING])
def test_unusual_but_sound(text: str) -> None:
    check_sense(ProgramRule(traced(text)))


def test_order_is_no_accident() -> None:
    """No fixed point, no rotation, and it does not commute with the mirror image."""
    order, count = sense.ORDER, len(sense.ORDER)
    assert sorted(order) == list(range(count)) == list(range(sense.PROBE_SHAPE.B))
    assert all(place != value for place, value in enumerate(order))
    assert len({(value - place) % count for place, value in enumerate(order)}) > 2
    assert [order[count - 1 - place] for place in range(count)] != [count - 1 - value for value in order]


class _Breaks(ProgramRule):
    def __call__(self, batch, state):  # type: ignore[no-untyped-def]
        raise RuntimeError("kernel not implemented for this type")


def test_a_kernel_that_refuses_is_the_programs_fault() -> None:
    rule = _Breaks(traced(reference_text("dqn")))
    batch = make_batch(rule.traced.program.heads, rule.act, sense.PROBE_SHAPE, Recipe())
    with pytest.raises(Refusal, match=r"do not run") as caught:
        probing.evaluate(rule, batch, {})
    assert (caught.value.gate, caught.value.code) == ("trace", "cannot-run")


def test_gradients_are_of_the_mean() -> None:
    rule = ProgramRule(traced(reference_text("dqnreg")))
    batch = make_batch(rule.traced.program.heads, rule.act, sense.PROBE_SHAPE, Recipe(dtype=torch.float64))
    outcome = probing.evaluate(rule, batch, {})
    taken = batch.online["q"][:-1].gather(-1, batch.actions.unsqueeze(-1)).squeeze(-1)
    target = batch.rewards + 0.97 * batch.continues * batch.target["q"][1:].amax(-1)
    expected = (0.1 + 2 * (taken - target)) / taken.numel()
    torch.testing.assert_close(outcome.gradients["q"].sum(-1)[:-1], expected)
