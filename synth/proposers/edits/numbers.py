"""Edits of numbers: constants, TRAINING, and how the acting head explores."""

from __future__ import annotations

import ast
from typing import Final

import numpy as np

from sandbox.language.declarations import training_bounds
from synth.proposers.edits.draft import Draft, expression, log_uniform, pick, rounded

Mates = tuple[Draft, ...]

_NEAR_ONE: Final = ("discount", "lambda", "decay", "horizon", "gamma")
_MOST_STEPS: Final = 16


def perturb_constant(draft: Draft, stream: np.random.Generator, mates: Mates) -> str | None:
    """Moves one to three constants: those near one by their distance to it, others by a factor, integers by a step or two."""
    if not draft.constants:
        return None
    names = list(draft.constants)
    chosen = [names[int(one)] for one in stream.permutation(len(names))[: int(stream.integers(1, 4))]]
    for name in chosen:
        _set_constant(draft, name, _moved(name, draft.constants[name], stream))
    return f"another {_words(chosen[0])}" if len(chosen) == 1 else "other constants"


def _words(name: str) -> str:
    return name.strip("_").replace("_", " ")


def _moved(name: str, value: float, stream: np.random.Generator) -> int | float:
    if isinstance(value, int):
        step = int(pick(stream, (-2, -1, 1, 2)))
        return max(1, min(value + step, max(value, _MOST_STEPS)))
    if value == 0:
        return log_uniform(stream, 0.003, 0.3)
    if 0.6 <= value < 1 and any(word in name for word in _NEAR_ONE):
        gap = (1 - value) * float(np.exp(stream.normal(0, 0.6)))
        return round(1 - min(max(gap, 5e-4), 0.6), 4)
    return rounded(value * float(np.exp(stream.normal(0, 0.7))))


def _set_constant(draft: Draft, name: str, value: int | float) -> None:
    entry = draft.entry("CONSTANTS", name)
    if isinstance(entry, ast.Tuple):
        low, high = (float(ast.literal_eval(one)) for one in entry.elts[1:])
        value = type(draft.constants[name])(min(max(value, low), high))
        entry.elts[0] = expression(repr(value))
    else:
        draft.declare("CONSTANTS", name, value)
    draft.constants[name] = value


def change_training(draft: Draft, stream: np.random.Generator, mates: Mates) -> str | None:
    """Changes one setting of TRAINING within its bounds. Replay is left to programs that can learn from old data.

    A falling learning rate is left to whoever writes a program: on short probes it costs (docs/measurements/atari.md).
    """
    names = ["epochs", "minibatches", "learning_rate", "max_grad_norm", "target_decay"]
    if draft.act.kind != "sample" or draft.mentions("traj.behaviour.log_prob"):
        names.append("replay_ratio")
    if draft.mentions("traj.target") is False:
        names.remove("target_decay")
    name = pick(stream, names)
    value = _new_setting(draft, name, stream)
    low, high = training_bounds(name)
    draft.declare("TRAINING", name, min(max(value, type(value)(low)), type(value)(high)))
    return f"another {_words(name)}"


def _new_setting(draft: Draft, name: str, stream: np.random.Generator) -> int | float:
    training = draft.program.training
    choices = {"epochs": (1, 2, 3, 4, 6, 8), "minibatches": (1, 2, 4, 8), "replay_ratio": (0, 1, 2, 3, 4, 6)}
    if name in choices:
        return int(pick(stream, [one for one in choices[name] if one != getattr(training, name)]))
    if name == "target_decay":
        return float(pick(stream, [one for one in (0.9, 0.95, 0.98, 0.99, 0.995) if one != training.target_decay]))
    if name == "max_grad_norm":
        return float(pick(stream, [one for one in (0.2, 0.5, 1.0, 2.0, 10.0) if one != training.max_grad_norm]))
    return rounded((training.learning_rate or 1e-3) * float(np.exp(stream.normal(0, 0.6))))


def change_exploration(draft: Draft, stream: np.random.Generator, mates: Mates) -> str | None:
    """Another epsilon schedule or temperature; or the softmax of the values in place of the greedy action."""
    if draft.act.kind == "sample" or draft.declared("ACT") is None:
        return None
    if stream.random() < 0.3:
        return _change_kind(draft, stream)
    if draft.act.kind == "softmax":
        draft.declare("ACT", "temperature", log_uniform(stream, 0.02, 0.6))
        return "another temperature"
    _declare_schedule(draft, stream)
    return "another schedule of exploration"


def _declare_schedule(draft: Draft, stream: np.random.Generator) -> None:
    start = pick(stream, (0.3, 0.6, 1.0))
    draft.declare("ACT", "epsilon", (start, pick(stream, (0.01, 0.03, 0.05, 0.1)), pick(stream, (0.1, 0.2, 0.3, 0.5, 0.8))))


def _change_kind(draft: Draft, stream: np.random.Generator) -> str:
    if draft.act.kind == "softmax":
        draft.undeclare("ACT", "temperature")
        draft.declare("ACT", "kind", "epsilon_greedy")
        _declare_schedule(draft, stream)
        draft.act = draft.act.model_copy(update={"kind": "epsilon_greedy"})
        return "greedy actions"
    draft.undeclare("ACT", "epsilon")
    draft.declare("ACT", "kind", "softmax")
    draft.declare("ACT", "temperature", log_uniform(stream, 0.02, 0.6))
    draft.act = draft.act.model_copy(update={"kind": "softmax"})
    return "actions drawn by a softmax of their values"


def tune_literal(draft: Draft, stream: np.random.Generator, mates: Mates) -> str | None:
    """Turns a literal factor in the loss into a constant that can be tuned, and moves it."""
    found = [
        node.left for node in ast.walk(draft.loss) if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult) and _is_float(node.left)
    ]
    if not found:
        return None
    node = pick(stream, found)
    value = float(ast.literal_eval(node))
    name = draft.add_constant("weight", rounded(value * float(np.exp(stream.normal(0, 0.7)))))
    draft.replace(node, expression(f"c.{name}"))
    return "a factor made a constant"


def _is_float(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, float) and node.value > 0
