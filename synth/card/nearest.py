"""Which known algorithm a program is nearest to. Needs torch: both are run on the same made-up trajectories.

    distance = (teaching + wording) / 2, from 0 (the same) to 1 (nothing in common)

`teaching` compares what agents are taught: the angle between the gradients of the two losses with respect to each head, as a fraction of a
right angle, averaged over heads and over the fingerprint's trajectories. Heads are matched by kind and by whether they act; one without a
match counts as 1. An angle does not see a factor on the whole loss, as Adam does not. `wording` is the weighted Jaccard distance of the
operations in the two canonical graphs: 1 - sum of smaller counts / sum of larger counts.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from sandbox.graph.canonical import operations
from sandbox.language.fingerprint import RECIPES, SHAPE, canonical_heads
from sandbox.language.probing import evaluate, newborn_state
from sandbox.language.program import parse
from sandbox.language.synthetic import head_kind, make_batch
from sandbox.language.trace import trace_reply
from sandbox.language.tracing import traced_from_reply
from sandbox.records import Traced
from sandbox.rules.base import Batch, Heads
from sandbox.rules.program_rule import ProgramRule
from sandbox.rules.references import reference_names, reference_text
from synth.card.records import Neighbour


def nearest(traced: Traced, references: Iterable[tuple[str, Traced]]) -> tuple[Neighbour, ...]:
    """Every reference, the nearest first."""
    rule = ProgramRule(traced)
    found = []
    for name, reference in references:
        other = ProgramRule(reference)
        teaching, wording = teaching_distance(rule, other), wording_distance(rule, other)
        title = reference.program.title
        found.append(Neighbour(name=name, title=title, distance=(teaching + wording) / 2, teaching=teaching, wording=wording))
    return tuple(sorted(found, key=lambda neighbour: (neighbour.distance, neighbour.name)))


def traced_references() -> Iterator[tuple[str, Traced]]:
    """Our own references at the fingerprint's shape. Traced in this process: their text is part of this package, and trusted like it."""
    for name in reference_names():
        program = parse(reference_text(name))
        yield name, traced_from_reply(program, trace_reply(program, (SHAPE,), seed=0), (SHAPE,))


def wording_distance(one: ProgramRule, other: ProgramRule) -> float:
    """Weighted Jaccard distance of the operations."""
    first, second = operations(one.graph(SHAPE)), operations(other.graph(SHAPE))
    union = (first | second).total()
    return 1 - (first & second).total() / union if union else 0.0


def teaching_distance(one: ProgramRule, other: ProgramRule) -> float:
    """Mean angle between gradients, as a fraction of a right angle; on trajectories acted by `one`."""
    pairs = _matched(one, other)
    heads = len(one.traced.program.heads) + len(other.traced.program.heads) - len(pairs)
    total = float(heads - len(pairs))
    states = [newborn_state(one), newborn_state(other)]
    for recipe in RECIPES:
        batch = make_batch(canonical_heads(one), one.act, SHAPE, recipe)
        own = make_batch(canonical_heads(other), other.act, SHAPE, recipe)
        outcomes = evaluate(one, batch, states[0]), evaluate(other, _dressed(batch, own, pairs), states[1])
        states = [outcome.state for outcome in outcomes]
        angles = [_angle(outcomes[0].gradients[head], outcomes[1].gradients[twin]) for head, twin in pairs.items()]
        total += sum(angles) / len(RECIPES)
    return total / heads


def _matched(one: ProgramRule, other: ProgramRule) -> dict[str, str]:
    """Heads of `one` to heads of `other` of the same kind and role, in canonical order."""
    left = [(head.name, _role(one, head.name), head_kind(head)) for head in canonical_heads(one)]
    right = [(head.name, _role(other, head.name), head_kind(head)) for head in canonical_heads(other)]
    pairs: dict[str, str] = {}
    for name, role, kind in left:
        free = [twin for twin, its_role, its_kind in right if (its_role, its_kind) == (role, kind) and twin not in pairs.values()]
        if free:
            pairs[name] = free[0]
    return pairs


def _role(rule: ProgramRule, head: str) -> str:
    """Whether a head is a policy that acts, values that act, or neither."""
    if head != rule.act.head:
        return ""
    return "policy" if rule.act.kind == "sample" else "values"


def _dressed(batch: Batch, own: Batch, pairs: dict[str, str]) -> Batch:
    """The trajectories of `batch` with heads by the other rule's names; heads without a match hold that rule's own numbers."""

    def renamed(view: Heads, others: Heads) -> Heads:
        return {**others, **{twin: view[head] for head, twin in pairs.items()}}

    views = {name: renamed(getattr(batch, name), getattr(own, name)) for name in ("online", "behaviour", "target")}
    return Batch(**{**vars(batch), **views})


def _angle(one: Tensor, other: Tensor) -> float:
    """Between two gradients, as a fraction of a right angle, at most 1; none at all is at a right angle to any other."""
    first, second = one.flatten(), other.flatten()
    lengths = float(first.norm()), float(second.norm())
    if min(lengths) == 0:
        return float(max(lengths) > 0)
    unit, twin = first / lengths[0], second / lengths[1]
    angle = 2 * math.atan2(float(torch.linalg.vector_norm(unit - twin)), float(torch.linalg.vector_norm(unit + twin)))
    return min(1.0, angle / (math.pi / 2))
