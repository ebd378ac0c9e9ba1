"""Edits of how far off counts: squared errors, robust errors, lopsided ones; and of the rewards before anything is made of them."""

from __future__ import annotations

import ast
from typing import Final

import numpy as np

from synth.proposers.edits.draft import Draft, expression, log_uniform, pick
from synth.proposers.edits.kinds import STEPS, kind_of
from synth.proposers.edits.numbers import Mates
from synth.proposers.edits.sketch import sketch

ERRORS: Final = (
    ("({error}) ** 2", None, "a squared error"),
    ("torch.sqrt(1 + ({error}) ** 2) - 1", None, "a robust error"),
    ("torch.abs({error})", None, "an absolute error"),
    ("torch.log1p(({error}) ** 2)", None, "a logarithmic error"),
    ("torch.where({error} > 0, c.{constant}, 1 - c.{constant}) * ({error}) ** 2", ("expectile", 0.3, 0.8), "an expectile"),
    ("c.{constant} ** 2 * (torch.sqrt(1 + ({error} / c.{constant}) ** 2) - 1)", ("width", 0.2, 3.0), "a robust error of some width"),
    ("(rl.signed_hyperbolic({left}) - rl.signed_hyperbolic({right})) ** 2", None, "errors of squashed values"),
    ("F.smooth_l1_loss({left}, {right}, reduction='none')", None, "a smooth absolute error"),
)
REWARDS: Final = (
    ("rl.signed_log(traj.rewards)", None, "logarithmic rewards"),
    ("rl.signed_hyperbolic(traj.rewards)", None, "squashed rewards"),
    ("torch.clamp(traj.rewards, -c.{constant}, c.{constant})", ("most", 0.5, 2.0), "clamped rewards"),
    ("c.{constant} * traj.rewards", ("reward_scale", 0.2, 4.0), "scaled rewards"),
    ("traj.rewards - c.{constant}", ("step_cost", 0.002, 0.05), "a price on every step"),
    ("torch.tanh(traj.rewards)", None, "rewards through a tanh"),
    ("traj.rewards / (torch.mean(torch.abs(traj.rewards)) + c.{constant})", ("floor", 0.05, 0.5), "rewards relative to their size"),
)


def change_error(draft: Draft, stream: np.random.Generator, mates: Mates) -> str | None:
    """Writes one `[T, B]` error of the loss in another form."""
    kinds = sketch(draft).kinds
    found = [
        (node, pair) for node in ast.walk(draft.loss) if isinstance(node, ast.expr) and (pair := _error(node)) and _fits(draft, pair, kinds)
    ]
    if not found:
        return None
    node, (left, right) = pick(stream, found)
    code, constant, phrase = pick(stream, ERRORS)
    error = f"{ast.unparse(left)} - ({ast.unparse(right)})" if right is not None else ast.unparse(left)
    if right is None and "{left}" in code:
        return None
    names = {"left": ast.unparse(left), "right": ast.unparse(right) if right is not None else ""}
    if code.count("{error}") > 1 or "/" in code or ">" in code:
        error = _named(draft, node, error)
    if constant is not None:
        name, low, high = constant
        names["constant"] = draft.add_constant(name, log_uniform(stream, low, high))
    new = expression(code.format(error=error, **names))
    if ast.unparse(new) == ast.unparse(node):
        return None
    draft.replace(node, new)
    return phrase


def _error(node: ast.expr) -> tuple[ast.expr, ast.expr | None] | None:
    """The two sides of a squared or robust error; the second is None where the difference has a name."""
    base: ast.expr | None = None
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow) and ast.unparse(node.right) == "2":
        base = node.left
    elif isinstance(node, ast.Call) and ast.unparse(node.func) in {"torch.square", "torch.abs"} and len(node.args) == 1:
        base = node.args[0]
    elif (
        isinstance(node, ast.Call) and ast.unparse(node.func) in {"F.smooth_l1_loss", "F.huber_loss", "F.mse_loss"} and len(node.args) == 2
    ):
        return node.args[0], node.args[1]
    if isinstance(base, ast.BinOp) and isinstance(base.op, ast.Sub):
        return base.left, base.right
    return (base, None) if isinstance(base, ast.Name) and "err" in base.id else None


def _fits(draft: Draft, pair: tuple[ast.expr, ast.expr | None], kinds: dict[str, tuple[str, ...] | None]) -> bool:
    return all(kind_of(one, kinds, draft) == STEPS for one in pair if one is not None) and "traj.online" in _reach(draft, pair)


def _reach(draft: Draft, pair: tuple[ast.expr, ast.expr | None]) -> str:
    """Code of both sides and of every statement of `loss` that assigns a name in them."""
    code = " ".join(ast.unparse(one) for one in pair if one is not None)
    names = {node.id for one in pair if one is not None for node in ast.walk(one) if isinstance(node, ast.Name)}
    return code + " ".join(
        ast.unparse(one) for one in draft.loss.body if isinstance(one, ast.Assign) and any(ast.unparse(t) in names for t in one.targets)
    )


def _named(draft: Draft, node: ast.expr, code: str) -> str:
    """Assigns an error to a name before the statement that uses it."""
    position = next(index for index, statement in enumerate(draft.loss.body) if any(one is node for one in ast.walk(statement)))
    name = draft.fresh("error")
    draft.insert(f"{name} = {code}", position)
    return name


def change_rewards(draft: Draft, stream: np.random.Generator, mates: Mates) -> str | None:
    """Reads every reward of `loss` through a transformation."""
    nodes = [node for node in draft.attributes("traj") if node.attr == "rewards" and _inside_loss(draft, node)]
    if not nodes or draft.mentions("traj.rewards.shape") or draft.mentions("rewards = "):
        return None
    code, constant, phrase = pick(stream, REWARDS)
    if constant is not None:
        name, low, high = constant
        code = code.replace("{constant}", draft.add_constant(name, log_uniform(stream, low, high)))
    name = draft.fresh("rewards")
    for node in nodes:
        draft.replace(node, ast.Name(name, ast.Load()))
    first = 1 if isinstance(draft.loss.body[0], ast.Expr) else 0
    draft.insert(f"{name} = {code}", first)
    return phrase


def _inside_loss(draft: Draft, node: ast.AST) -> bool:
    return any(one is node for one in ast.walk(draft.loss))
