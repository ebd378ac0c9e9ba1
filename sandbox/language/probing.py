"""One call of a rule on a made-up batch: its loss, its gradients and its new state. What all gates after tracing look at."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from sandbox.errors import Gate, Refusal
from sandbox.language.trees import parse_module
from sandbox.records import Program
from sandbox.rules.base import Batch, Heads, State
from sandbox.rules.program_rule import ProgramRule


@dataclass(frozen=True)
class Outcome:
    """What one call gave. `gradients` are of the mean loss with respect to each online head, zeros where none flows."""

    loss: Tensor  # [T, B] or scalar
    gradients: Heads  # [T+1, B, …]
    state: State


def evaluate(rule: ProgramRule, batch: Batch, state: State) -> Outcome:
    """Calls the rule and differentiates its mean loss.

    Raises Refusal (trace, `cannot-run`) where a kernel does not accept what the shapes and types alone could not rule out.
    """
    online = {name: x.detach().requires_grad_() for name, x in batch.online.items()}
    try:
        loss, new_state = rule(Batch(**{**vars(batch), "online": online}), state)
        gradients = _gradients(loss, online)
    except Refusal:
        raise
    except Exception as error:  # kernels raise whatever they like; at verified shapes every one of them is the program's doing
        raise _cannot_run(rule.traced.program) from error
    return Outcome(loss.detach(), gradients, new_state)


def evaluate_chain(rule: ProgramRule, batches: Iterable[Batch]) -> list[Outcome]:
    """Calls the rule on one batch after the other, the state carried from each call to the next."""
    state = newborn_state(rule)
    outcomes = []
    for batch in batches:
        outcomes.append(evaluate(rule, batch, state))
        state = outcomes[-1].state
    return outcomes


def newborn_state(rule: ProgramRule) -> State:
    """The state before the first call."""
    return rule.initial_state(torch.device("cpu"))


def loss_place(program: Program) -> int:
    """Line of `def loss`, 0 if there is none."""
    nodes = parse_module(program.text).body
    return next((node.lineno for node in nodes if isinstance(node, ast.FunctionDef) and node.name == "loss"), 0)


def head_place(program: Program, head: str) -> int:
    """Line of the head's entry in HEADS, or that of `def loss` if it stands nowhere."""
    for node in parse_module(program.text).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict) and ast.unparse(node.targets[0]) == "HEADS":
            lines = [key.lineno for key in node.value.keys if isinstance(key, ast.Constant) and key.value == head]
            return lines[0] if lines else node.lineno
    return loss_place(program)


def _gradients(loss: Tensor, online: Heads) -> Heads:
    if not loss.requires_grad:
        return {name: torch.zeros_like(x) for name, x in online.items()}
    found = torch.autograd.grad(loss.mean(), list(online.values()), allow_unused=True)
    return {name: torch.zeros_like(x) if g is None else g for (name, x), g in zip(online.items(), found, strict=True)}


def _cannot_run(program: Program) -> Refusal:
    return Refusal(
        Gate.TRACE,
        "cannot-run",
        "The loss passes every check of shapes and types, but its operations do not run on real numbers.",
        "Use operations on floating-point tensors, and keep indices within their ranges.",
        loss_place(program),
    )
