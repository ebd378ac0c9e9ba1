"""Broken variants of the references, made by edits on their texts: what a screening must rank below the sound original.

An edit is (old, new), and `old` must stand in the text exactly once; a pattern that must break wherever it stands is in `EVERYWHERE`.
"""

from __future__ import annotations

import re

from sandbox.rules.references import reference_names, reference_text

Edit = tuple[str, str]

EVERYWHERE: dict[str, Edit] = {
    "discount 0": (r'"discount": [\d.]+', '"discount": 0.0'),
    "rewards ignored": (r"traj\.rewards", "(0 * traj.rewards)"),
}
"""Kind to a regular expression and its replacement, for all references."""

NO_GAE: Edit = (
    "advantages, returns = rl.gae(traj.rewards, c.discount * traj.continues, traj.behaviour.value, c.gae_lambda)",
    "returns = rl.discounted_returns(traj.rewards, c.discount * traj.continues, torch.zeros_like(traj.rewards[0]))\n"
    "    advantages = returns - traj.behaviour.value[:-1]",
)
MONTE_CARLO = "target = rl.discounted_returns(traj.rewards, c.discount * traj.continues, torch.zeros_like(traj.rewards[0]))"
NEXT_LOGITS: Edit = ("logits = traj.online.logits[:-1]", "logits = traj.online.logits[1:]")
NEXT_Q: Edit = ("rl.select(traj.online.q[:-1], traj.actions)", "rl.select(traj.online.q[1:], traj.actions)")
ATTACHED: Edit = ("rl.stop_gradient(returns - value[:-1])", "returns - value[:-1]")
UNCORRECTED: Edit = ("- traj.behaviour.log_prob)", "- rl.stop_gradient(rl.log_prob(logits, traj.actions)))")

EDITS: dict[str, dict[str, Edit]] = {
    "reinforce": {
        "wrong sign": ("policy_loss = -rl.log_prob", "policy_loss = rl.log_prob"),
        "no bootstrapping": ("c.discount * traj.continues, value[-1])", "c.discount * traj.continues, torch.zeros_like(value[-1]))"),
        "entropy only": ("return policy_loss + ", "return -0.01 * rl.entropy(traj.online.logits[:-1]) + "),
        "advantage attached": ATTACHED,
        "next step's logits": ("rl.log_prob(traj.online.logits[:-1]", "rl.log_prob(traj.online.logits[1:]"),
    },
    "a2c": {
        "wrong sign": ("policy_loss = -rl.log_prob", "policy_loss = rl.log_prob"),
        "no bootstrapping": ("value, c.steps)", "torch.zeros_like(value), c.steps)"),
        "entropy only": ("return policy_loss + c.value_cost", "return c.value_cost"),
        "advantage attached": ATTACHED,
        "next step's logits": NEXT_LOGITS,
    },
    "ppo": {
        "wrong sign": ("return -surrogate", "return surrogate"),
        "no bootstrapping": NO_GAE,
        "entropy only": ("return -surrogate + c.value_cost", "return c.value_cost"),
        "uncorrected": UNCORRECTED,
        "next step's logits": NEXT_LOGITS,
    },
    "vtrace": {
        "wrong sign": ("return -log_prob * advantages", "return log_prob * advantages"),
        "no bootstrapping": ("        traj.online.value,\n", "        torch.cat([traj.online.value[:-1], 0 * traj.online.value[-1:]]),\n"),
        "entropy only": ("return -log_prob * advantages + c.value_cost", "return c.value_cost"),
        "uncorrected": ("log_prob - traj.behaviour.log_prob", "torch.zeros_like(log_prob)"),
        "next step's logits": NEXT_LOGITS,
    },
    "vmpo": {
        "wrong sign": ("policy_loss = -weights", "policy_loss = weights"),
        "no bootstrapping": NO_GAE,
        "entropy only": ("return policy_loss + alpha * divergence", "return alpha * divergence"),
        "next step's logits": NEXT_LOGITS,
    },
    "discorl_like": {
        "wrong sign": ("policy_loss = -torch.minimum", "policy_loss = torch.minimum"),
        "no bootstrapping": NO_GAE,
        "uncorrected": UNCORRECTED,
        "next step's logits": NEXT_LOGITS,
    },
    "dqn": {
        "wrong sign": ("return F.smooth_l1_loss", "return -F.smooth_l1_loss"),
        "no bootstrapping": ("target = traj.rewards + c.discount * traj.continues * best", MONTE_CARLO),
        "target of the same step": ("traj.target.q[1:]", "traj.target.q[:-1]"),
        "next step's values": NEXT_Q,
    },
    "double_dqn": {
        "wrong sign": ("return F.smooth_l1_loss", "return -F.smooth_l1_loss"),
        "target of the same step": ("rl.select(traj.target.q[1:], choice)", "rl.select(traj.target.q[:-1], choice)"),
        "next step's values": NEXT_Q,
    },
    "dqnreg": {
        "wrong sign": ("return c.pull * taken + (taken - target) ** 2", "return c.pull * taken - (taken - target) ** 2"),
        "target of the same step": ("traj.target.q[1:]", "traj.target.q[:-1]"),
        "next step's values": NEXT_Q,
    },
    "munchausen_dqn": {
        "wrong sign": ("return F.smooth_l1_loss", "return -F.smooth_l1_loss"),
        "target of the same step": ("soft_value[1:]", "soft_value[:-1]"),
        "next step's values": NEXT_Q,
    },
    "categorical_retrace": {
        "wrong sign": ("return -torch.sum(goal", "return torch.sum(goal"),
        "next step's values": NEXT_Q,
    },
}
"""Reference to kind to edit."""


def broken_texts(reference: str) -> dict[str, str]:
    """Kind to text of every broken variant of a reference. An edit that no longer fits raises AssertionError: the reference has changed."""
    text = reference_text(reference)
    texts = {kind: _everywhere(text, edit, reference) for kind, edit in EVERYWHERE.items()}
    return texts | {kind: _once(text, edit, f"{reference}, {kind}") for kind, edit in EDITS[reference].items()}


def all_references() -> tuple[str, ...]:
    """Those that have broken variants: all there are."""
    return tuple(name for name in reference_names() if name in EDITS)


def _everywhere(text: str, edit: Edit, reference: str) -> str:
    changed, count = re.subn(edit[0], edit[1], text)
    assert count, f"{edit[0]!r} is not in {reference}"
    return changed


def _once(text: str, edit: Edit, where: str) -> str:
    assert text.count(edit[0]) == 1, f"{edit[0]!r} is in it {text.count(edit[0])} times: {where}"
    return text.replace(*edit)
