"""What a program computes, as a hash that does not depend on how it is written.

On fixed trajectories (large rewards among them, several moments of training, state carried from call to call) the mean loss and every
gradient are taken in float64 and described by four numbers relative to the tensor's own size, rounded to 1e-4. Rounding the raw numbers
fails: where exact arithmetic gives 0, two equal programs differ in every digit of their rounding errors. Differences below about 1e-4 of a
tensor's size are not seen.

Heads are compared up to renaming: only kind, whether it acts, and how its gradient looks tell one from another.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeAlias

import torch
from torch import Tensor

from sandbox.language.probing import evaluate, evaluate_chain, newborn_state
from sandbox.language.synthetic import Recipe, head_kind, make_batch
from sandbox.records import Head, Shape
from sandbox.rules.base import Batch
from sandbox.rules.program_rule import ProgramRule

Print: TypeAlias = tuple[int, ...]
"""A tensor's description in units of 1e-4; empty where the tensor is zero."""

SHAPE = Shape(20, 8, 18)
STEP = 1e-4
ZERO = 1e-10  # mean absolute value below which a tensor counts as zero
FREQUENCIES = (0.7, 1.3, 2.9)  # of the three fixed cosines a tensor is projected on
MOVE = 1.01  # factor by which a constant is moved to see whether the fingerprint notices it

RECIPES: tuple[Recipe, ...] = (
    Recipe(seed=100, progress=0.0, dtype=torch.float64),
    Recipe(seed=101, progress=0.3, dtype=torch.float64, reward_scale=100.0),
    Recipe(seed=102, progress=0.6, dtype=torch.float64, episodes="none"),
    Recipe(seed=103, progress=0.9, dtype=torch.float64, views="equal"),
    Recipe(seed=104, progress=0.97, dtype=torch.float64, reward_scale=1e4),
    Recipe(seed=105, progress=1.0, dtype=torch.float64),
)


def fingerprint(rule: ProgramRule) -> str:
    """Hash of what the rule computes at its constants. Equal for programs that differ only in wording and names."""
    heads = canonical_heads(rule)
    batches = [make_batch(heads, rule.act, SHAPE, recipe) for recipe in RECIPES]
    prints = _prints(rule, heads, batches)
    return _digest([prints, _unnoticed_constants(rule, heads, batches, prints)])


def canonical_heads(rule: ProgramRule) -> tuple[Head, ...]:
    """The declared heads in an order that renaming and reordering them does not change.

    Heads of one kind are told apart by their gradients on a trajectory on which they all hold the same numbers.
    """
    heads = rule.traced.program.heads
    if max(Counter(map(head_kind, heads)).values()) == 1:
        return tuple(sorted(heads, key=head_kind))
    recipe = Recipe(seed=99, dtype=torch.float64, twins=True)
    outcome = evaluate(rule, make_batch(heads, rule.act, SHAPE, recipe), newborn_state(rule))
    return tuple(sorted(heads, key=lambda head: (head_kind(head), head.name != rule.act.head, tensor_print(outcome.gradients[head.name]))))


def tensor_print(x: Tensor) -> Print:
    """log mean|x| and three projections on cosines, relative to mean|x| and of order 1, in units of 1e-4."""
    flat = x.flatten()
    size = float(flat.abs().mean())
    if size < ZERO:
        return ()
    index = torch.arange(1, flat.numel() + 1, dtype=flat.dtype)
    relative = flat / (size * math.sqrt(flat.numel()))
    numbers = [math.log(size), *(float(relative @ torch.cos(frequency * index)) for frequency in FREQUENCIES)]
    return tuple(round(number / STEP) for number in numbers)


def _prints(rule: ProgramRule, heads: tuple[Head, ...], batches: list[Batch]) -> list[object]:
    """Loss and gradients of a chain of calls, described; heads by kind and by whether they act."""
    described: list[object] = []
    for outcome in evaluate_chain(rule, batches):
        described.append(tensor_print(outcome.loss.mean()))
        described += [(head_kind(head), head.name == rule.act.head, tensor_print(outcome.gradients[head.name])) for head in heads]
    return described


def _unnoticed_constants(rule: ProgramRule, heads: tuple[Head, ...], batches: list[Batch], prints: list[object]) -> list[str]:
    """Values of the constants that are used but make no visible difference on these trajectories, such as a bound never reached.

    They may make one in training, so two programs that differ in them are not the same.
    """
    live = rule.live_inputs(SHAPE)
    values = []
    for name in (constant.name for constant in rule.traced.program.tunable if f"c.{constant.name}" in live):
        with _moved(rule, name):
            unnoticed = _prints(rule, heads, batches) == prints
        if unnoticed:
            values.append(f"{float(rule.constants[name]):.4g}")
    return sorted(values)


@contextmanager
def _moved(rule: ProgramRule, name: str) -> Iterator[None]:
    """The rule with one constant moved a little."""
    kept = rule.constants[name]
    rule.constants[name] = kept * MOVE if float(kept) != 0 else kept + (MOVE - 1)
    try:
        yield
    finally:
        rule.constants[name] = kept


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:24]
