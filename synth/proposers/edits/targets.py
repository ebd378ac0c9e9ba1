"""Edits of what is learned towards: the estimator of returns, the bootstrap of Q-learning, and whose parameters are asked."""

from __future__ import annotations

import ast
from typing import Final

import numpy as np

from sandbox.language.vocabulary import RL_FUNCTIONS, VIEWS
from synth.proposers.edits.draft import Draft, expression, log_uniform, pick, statements
from synth.proposers.edits.kinds import ROWS, STEPS, kind_of
from synth.proposers.edits.numbers import Mates
from synth.proposers.edits.sketch import discounts, sketch
from synth.proposers.edits.tidy import tidy

_PAIRS: Final = ("gae", "vtrace")
_SINGLES: Final = ("n_step_returns", "lambda_returns", "discounted_returns")
_LAMBDAS: Final = (0.5, 0.7, 0.8, 0.9, 0.95, 0.97)
Q_TARGETS: Final = (
    ("rl.n_step_returns(traj.rewards, {d}, torch.amax(traj.target.{q}, -1), c.{steps})", "several steps of reward"),
    ("rl.lambda_returns(traj.rewards, {d}, torch.amax(traj.target.{q}, -1), c.{lambda_})", "lambda-returns"),
    ("traj.rewards + {d} * rl.select(traj.target.{q}[1:], torch.argmax(traj.online.{q}[1:], -1))", "a choice by the fast values"),
    ("traj.rewards + {d} * c.{heat} * torch.logsumexp(traj.target.{q}[1:] / c.{heat}, -1)", "a soft maximum"),
    (
        "traj.rewards + {d} * torch.sum(F.softmax(traj.target.{q}[1:] / c.{heat}, -1) * traj.target.{q}[1:], -1)",
        "the expectation of a softmax",
    ),
    (
        "traj.rewards + {d} * ((1 - c.{mix}) * torch.amax(traj.target.{q}[1:], -1) + c.{mix} * torch.mean(traj.target.{q}[1:], -1))",
        "a cautious bootstrap",
    ),
    (
        "traj.rewards + {d} * torch.minimum(torch.amax(traj.target.{q}[1:], -1), rl.stop_gradient(torch.amax(traj.online.{q}[1:], -1)))",
        "the smaller of two bootstraps",
    ),
    ("traj.rewards + {d} * torch.amax(0.5 * (traj.target.{q}[1:] + traj.behaviour.{q}[1:]), -1)", "a bootstrap averaged over parameters"),
    (
        "rl.lambda_returns(traj.rewards, {d}, torch.sum(F.softmax(traj.target.{q} / c.{heat}, -1) * traj.target.{q}, -1), c.{lambda_})",
        "lambda-returns of a softmax",
    ),
)


def change_estimator(draft: Draft, stream: np.random.Generator, mates: Mates) -> str | None:
    """Replaces one call of a returns estimator by another that fits the same arguments."""
    found = [one for one in draft.loss.body if isinstance(one, ast.Assign) and _toolkit(one.value) in (*_PAIRS, *_SINGLES)]
    if not found:
        return None
    statement = pick(stream, found)
    assert isinstance(statement.value, ast.Call)
    arguments = _arguments(statement.value)
    kind = kind_of(expression(arguments.get("values", "None")), sketch(draft).kinds, draft)
    if _toolkit(statement.value) in _PAIRS:
        return _change_pair(draft, stream, statement, arguments)
    return _change_single(draft, stream, statement.value, arguments) if kind in {ROWS, None} and "values" in arguments else None


def _toolkit(node: ast.expr) -> str:
    is_rl = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value) == "rl"
    return node.func.attr if is_rl and isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) else ""


def _arguments(call: ast.Call) -> dict[str, str]:
    """Code of every argument by its parameter's name."""
    names = RL_FUNCTIONS[_toolkit(call)].parameters
    given = dict(zip(names, map(ast.unparse, call.args), strict=False))
    return given | {str(one.arg): ast.unparse(one.value) for one in call.keywords}


def _change_pair(draft: Draft, stream: np.random.Generator, statement: ast.Assign, arguments: dict[str, str]) -> str | None:
    """`advantages, returns` by another estimator. gae gives (advantages, returns), vtrace (returns, advantages)."""
    target = statement.targets[0]
    if not isinstance(target, ast.Tuple) or len(target.elts) != 2:
        return None
    first, second = map(ast.unparse, target.elts)
    is_gae = _toolkit(statement.value) == "gae"
    advantages, returns = (first, second) if is_gae else (second, first)
    found = sketch(draft)
    choices = (
        ["n-step", *(["vtrace"] if found.logits else [])] if is_gae else ["n-step", "lambda", "gae"]
    )  # gae's returns are lambda-returns
    choice = pick(stream, choices)
    base = f"{arguments['rewards']}, {arguments['discounts']}, {arguments['values']}"
    lambda_ = arguments.get("lambda_") or f"c.{draft.add_constant('lambda_', pick(stream, _LAMBDAS))}"
    if choice == "vtrace":
        log_rhos = f"rl.log_prob(traj.online.{found.logits}[:-1], traj.actions) - traj.behaviour.log_prob"
        code = f"{returns}, {advantages} = rl.vtrace({base}, {log_rhos}, {lambda_})"
    elif choice == "gae":
        code = f"{advantages}, {returns} = rl.gae({base}, {lambda_})"
    else:
        last = f"c.{draft.add_constant('steps', int(stream.integers(2, 9)))}" if choice == "n-step" else lambda_
        call = f"rl.{'n_step' if choice == 'n-step' else 'lambda'}_returns({base}, {last})"
        code = f"{returns} = {call}\n{advantages} = rl.stop_gradient({returns} - {_rows(arguments['values'])})"
    position = draft.loss.body.index(statement)
    draft.loss.body[position : position + 1] = statements(code)
    tidy(draft)
    return {"n-step": "several-step returns", "lambda": "lambda-returns", "vtrace": "V-trace", "gae": "generalised advantages"}[choice]


def _rows(values: str) -> str:
    """All but the last row of an expression."""
    return f"{values}[:-1]" if values.replace(".", "").replace("_", "").isalnum() else f"({values})[:-1]"


def _change_single(draft: Draft, stream: np.random.Generator, call: ast.Call, arguments: dict[str, str]) -> str:
    name = _toolkit(call)
    choice = pick(stream, [one for one in _SINGLES if one != name])
    base = f"{arguments['rewards']}, {arguments['discounts']}"
    values = arguments["values"]
    if choice == "n_step_returns":
        code = f"rl.n_step_returns({base}, {values}, c.{draft.add_constant('steps', int(stream.integers(2, 9)))})"
    elif choice == "lambda_returns":
        code = f"rl.lambda_returns({base}, {values}, c.{draft.add_constant('lambda_', pick(stream, _LAMBDAS))})"
    else:
        code = f"rl.discounted_returns({base}, {_rows(values).removesuffix('[:-1]')}[-1])"
    draft.replace(call, expression(code))
    tidy(draft)
    return {"n_step_returns": "several-step returns", "lambda_returns": "lambda-returns", "discounted_returns": "whole returns"}[choice]


def change_q_target(draft: Draft, stream: np.random.Generator, mates: Mates) -> str | None:
    """Replaces the target of Q-learning, a local `[T, B]` that starts from the rewards, by another from the table."""
    found = sketch(draft)
    if found.q is None:
        return None
    statement = _target_statement(draft)
    if statement is None:
        return None
    code, phrase = pick(stream, Q_TARGETS)
    names = {"q": found.q, "d": discounts(draft)}
    if "{steps}" in code:
        names["steps"] = draft.add_constant("steps", int(stream.integers(2, 7)))
    if "{lambda_}" in code:
        names["lambda_"] = draft.add_constant("lambda_", pick(stream, _LAMBDAS[:4]))
    if "{heat}" in code:
        names["heat"] = draft.add_constant("heat", log_uniform(stream, 0.02, 0.5))
    if "{mix}" in code:
        names["mix"] = draft.add_constant("mix", log_uniform(stream, 0.02, 0.4))
    statement.value = expression(code.format(**names))
    tidy(draft)
    return phrase


def _target_statement(draft: Draft) -> ast.Assign | None:
    """The assignment of a `[T, B]` that starts from rewards and looks at the slow parameters or at a name that does."""
    kinds = sketch(draft).kinds
    for statement in draft.loss.body:
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            code = ast.unparse(statement.value)
            if kinds.get(statement.targets[0].id) == STEPS and code.startswith(("traj.rewards +", "rl.n_step", "rl.lambda", "rl.retrace")):
                return statement
    return None


def change_view(draft: Draft, stream: np.random.Generator, mates: Mates) -> str | None:
    """Asks other parameters for one head: those learned (cut), those that acted, or the slow ones."""
    found = [
        (node, view)
        for view in VIEWS
        for node in draft.attributes(f"traj.{view}")
        if node.attr in draft.heads and _may_change(draft, node, view)
    ]
    if not found:
        return None
    node, view = pick(stream, found)
    new = pick(stream, [one for one in VIEWS if one != view])
    name = node.attr
    draft.replace(node, expression(f"rl.stop_gradient(traj.online.{name})" if new == "online" else f"traj.{new}.{name}"))
    words = {"online": "the fast", "behaviour": "the acting", "target": "the slow"}
    return f"{words[new]} {name.replace('_', ' ')} in place of {words[view]}"


def _may_change(draft: Draft, node: ast.Attribute, view: str) -> bool:
    """Reads without gradient: the other views, and `online` inside a call that cuts it."""
    if view != "online":
        return True
    cutting = (*_PAIRS, *_SINGLES, "stop_gradient", "argmax")
    calls = [one for one in ast.walk(draft.loss) if isinstance(one, ast.Call) and isinstance(one.func, ast.Attribute)]
    return any(call.func.attr in cutting and node in set(ast.walk(call)) for call in calls if isinstance(call.func, ast.Attribute))
