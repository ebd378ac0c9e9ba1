"""Where programs stand in the grid."""

from __future__ import annotations

import pytest

from sandbox.language.descriptor import SHAPE, describe
from sandbox.rules.program_rule import ProgramRule
from sandbox.rules.references import reference_text
from tests.support import traced

GRADIENT_ONLY = '''"""A policy gradient without a critic."""

HEADS = {"logits": "A"}


def loss(traj, c):
    returns = rl.discounted_returns(traj.rewards, 0.97 * traj.continues, torch.zeros_like(traj.rewards[-1]))
    return -rl.log_prob(traj.online.logits[:-1], traj.actions) * returns
'''


@pytest.mark.parametrize(
    ("text", "family", "free", "carried"),
    [
        (GRADIENT_ONLY, "policy", False, False),
        (reference_text("ppo"), "both", False, False),
        (reference_text("dqn"), "value", False, False),
        (reference_text("categorical_retrace"), "value", False, False),
        (reference_text("vmpo"), "both", False, True),
        (reference_text("discorl_like"), "both", True, False),
    ],
    ids=["gradient", "ppo", "dqn", "categorical_retrace", "vmpo", "discorl_like"],
)
def test_descriptor(text: str, family: str, free: bool, carried: bool) -> None:
    descriptor = describe(ProgramRule(traced(text, (SHAPE,))))
    assert (descriptor.family, descriptor.free_predictions, descriptor.carried_state) == (family, free, carried)


def test_nodes_grow_with_the_program() -> None:
    nodes = [describe(ProgramRule(traced(reference_text(name), (SHAPE,)))).nodes for name in ("dqn", "ppo", "discorl_like")]
    assert nodes == sorted(set(nodes))
