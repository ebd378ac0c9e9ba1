"""Edits that let the network predict more: a head together with the target that it learns from, and often a use for it."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Final

import numpy as np

from sandbox.language import limits
from synth.proposers.edits.draft import Draft, expression, log_uniform, pick
from synth.proposers.edits.numbers import Mates
from synth.proposers.edits.sketch import Sketch, discounts, sketch

Maker = Callable[[Draft, Sketch, np.random.Generator], str | None]

_POINTS: Final = (5, 11, 21)
_LONG: Final = (0.98, 0.99, 0.995)


def add_head(draft: Draft, stream: np.random.Generator, mates: Mates) -> str | None:
    """Adds one head that has a meaning, or one that finds its own."""
    if len(draft.heads) >= limits.HEADS or not draft.terms:
        return None
    return pick(stream, _MAKERS)(draft, sketch(draft), stream)


def _add_cost(draft: Draft, stream: np.random.Generator, name: str, code: str, low: float = 0.05, high: float = 1.0) -> None:
    weight = draft.add_constant(f"{name}_cost", log_uniform(stream, low, high))
    draft.set_terms([*draft.terms, (1, ast.BinOp(expression(f"c.{weight}"), ast.Mult(), expression(code)))])


def _reward_head(draft: Draft, found: Sketch, stream: np.random.Generator) -> str:
    """The reward of every action, squashed: a task of its own for the torso."""
    head = draft.add_head("reward", "A")
    _add_cost(draft, stream, head, f"(rl.select(traj.online.{head}[:-1], traj.actions) - rl.signed_hyperbolic(traj.rewards)) ** 2")
    return "predicted rewards"


def _ending_head(draft: Draft, found: Sketch, stream: np.random.Generator) -> str:
    """The log-odds that the episode ends at the next step."""
    head = draft.add_head("ending", 1)
    code = f"F.binary_cross_entropy_with_logits(traj.online.{head}[:-1], 1 - traj.continues, reduction='none')"
    _add_cost(draft, stream, head, code)
    return "predicted endings"


def _long_value(draft: Draft, found: Sketch, stream: np.random.Generator) -> str | None:
    """A second value with a longer discount; with advantages at hand it has a say in them."""
    head = draft.add_head("far_value", 1)
    far = draft.add_constant("far_discount", pick(stream, _LONG))
    lambda_ = draft.add_constant("far_lambda", pick(stream, (0.8, 0.9, 0.95)))
    name = draft.fresh("far_returns")
    code = f"{name} = rl.lambda_returns(traj.rewards, c.{far} * traj.continues, traj.target.{head}, c.{lambda_})"
    position = draft.assigned(found.advantage) if found.advantage else None
    if found.advantage is None or position is None:
        draft.insert(code)
        _add_cost(draft, stream, head, f"({name} - traj.online.{head}[:-1]) ** 2")
        return "a far-sighted value"
    mix = draft.add_constant("far_mix", log_uniform(stream, 0.1, 1.0))
    draft.insert(f"{code}\n{found.advantage} = {found.advantage} + c.{mix} * ({name} - traj.target.{head}[:-1])", position + 1)
    _add_cost(draft, stream, head, f"({name} - traj.online.{head}[:-1]) ** 2")
    return "a far-sighted value in the advantages"


def _second_q(draft: Draft, found: Sketch, stream: np.random.Generator) -> str | None:
    """A second Q-function; both learn from the smaller of the two."""
    if found.q is None:
        return None
    head = draft.add_head("q_two", "A")
    step = discounts(draft)
    name = draft.fresh("cautious")
    draft.insert(f"{name} = traj.rewards + {step} * torch.amax(torch.minimum(traj.target.{found.q}[1:], traj.target.{head}[1:]), -1)")
    _add_cost(
        draft, stream, head, f"F.smooth_l1_loss(rl.select(traj.online.{head}[:-1], traj.actions), {name}, reduction='none')", 0.3, 1.5
    )
    _add_cost(draft, stream, "agree", f"(rl.select(traj.online.{found.q}[:-1], traj.actions) - {name}) ** 2", 0.1, 1.0)
    return "a second, cautious Q-function"


def _state_value(draft: Draft, found: Sketch, stream: np.random.Generator) -> str | None:
    """A state value: of the return for a policy, of the slow maximum for Q-learning, which it then regularises."""
    if found.value is not None:
        return None
    head = draft.add_head("value", 1)
    if found.q is not None:
        quantile = draft.add_constant("expectile", pick(stream, (0.6, 0.7, 0.8, 0.9)))
        name = draft.fresh("gap")
        draft.insert(f"{name} = rl.select(traj.target.{found.q}[:-1], traj.actions) - traj.online.{head}[:-1]")
        _add_cost(draft, stream, head, f"torch.where({name} > 0, c.{quantile}, 1 - c.{quantile}) * {name} ** 2")
        step = discounts(draft)
        target = f"(traj.rewards + {step} * traj.target.{head}[1:] - rl.select(traj.online.{found.q}[:-1], traj.actions)) ** 2"
        _add_cost(draft, stream, "implicit", target)
        return "an implicit value"
    lambda_ = draft.add_constant("value_lambda", pick(stream, (0.8, 0.9, 0.95)))
    code = f"(traj.online.{head}[:-1] - rl.lambda_returns(traj.rewards, {discounts(draft)}, traj.target.{head}, c.{lambda_})) ** 2"
    _add_cost(draft, stream, head, code)
    return "a value beside it"


def _free_prediction(draft: Draft, found: Sketch, stream: np.random.Generator) -> str:
    """A distribution over points that means what its target makes it mean: a signal now, its own slow future later."""
    points = pick(stream, _POINTS)
    head = draft.add_head("y", points)
    signal = f"rl.signed_log({found.advantage})" if found.advantage else "rl.signed_hyperbolic(traj.rewards)"
    horizon = draft.add_constant("horizon", pick(stream, (0.5, 0.7, 0.8, 0.9)))
    keep, goal = draft.fresh("keep"), draft.fresh("goal")
    draft.insert(
        f"{keep} = (c.{horizon} * traj.continues).unsqueeze(-1)\n"
        f"{goal} = (1 - {keep}) * rl.two_hot({signal}, -3.0, 3.0, {points}) + {keep} * F.softmax(traj.target.{head}[1:], -1)"
    )
    _add_cost(draft, stream, head, f"-torch.sum({goal} * F.log_softmax(traj.online.{head}[:-1], -1), -1)")
    return "a prediction without a fixed meaning"


def _tilt(draft: Draft, found: Sketch, stream: np.random.Generator) -> str | None:
    """An advantage for every action, learned from what was seen, to which the policy is drawn."""
    if found.logits is None or found.advantage is None:
        return None
    head = draft.add_head("preference", "A")
    tilt = draft.add_constant("tilt", log_uniform(stream, 0.3, 2.0))
    name = draft.fresh("tilted")
    draft.insert(f"{name} = traj.target.{found.logits}[:-1] + c.{tilt} * torch.tanh(traj.target.{head}[:-1])")
    _add_cost(draft, stream, head, f"(rl.select(traj.online.{head}[:-1], traj.actions) - rl.signed_hyperbolic({found.advantage})) ** 2")
    _add_cost(draft, stream, "draw", f"rl.kl_divergence({name}, traj.online.{found.logits}[:-1])", 0.1, 1.0)
    return "a policy drawn to learned preferences"


def _uncertainty(draft: Draft, found: Sketch, stream: np.random.Generator) -> str | None:
    """A head that predicts how large advantages are, and tempers them by that."""
    position = draft.assigned(found.advantage) if found.advantage else None
    if found.advantage is None or position is None:
        return None
    head = draft.add_head("size", 1)
    name = draft.fresh("size_goal")
    draft.insert(
        f"{name} = torch.log1p(torch.abs({found.advantage}))\n"
        f"{found.advantage} = {found.advantage} / (1 + F.softplus(traj.target.{head}[:-1]))",
        position + 1,
    )
    _add_cost(draft, stream, head, f"(F.softplus(traj.online.{head}[:-1]) - {name}) ** 2")
    return "advantages tempered by their predicted size"


_MAKERS: Final[tuple[Maker, ...]] = (
    _reward_head,
    _ending_head,
    _long_value,
    _second_q,
    _state_value,
    _free_prediction,
    _tilt,
    _uncertainty,
)
