"""Where a program stands in the archive's grid."""

from __future__ import annotations

from typing import Literal

import torch

from sandbox.graph.canonical import node_count
from sandbox.language.probing import Outcome, evaluate, evaluate_chain, newborn_state
from sandbox.language.synthetic import Recipe, make_batch
from sandbox.records import Descriptor, Shape
from sandbox.rules.program_rule import ProgramRule

SHAPE = Shape(20, 8, 18)
CALLS = 3


def describe(rule: ProgramRule) -> Descriptor:
    """The descriptor of a traced program that has passed the sense gate."""
    moved = _heads_moved_by_rewards(rule)
    others = {head.name for head in rule.traced.program.heads} - {rule.act.head}
    return Descriptor(
        family=_family(rule, moved),
        nodes=node_count(rule.graph(SHAPE)),
        free_predictions=bool((others & _trained_heads(rule)) - moved),
        carried_state=bool(rule.traced.initial_state),
    )


def _family(rule: ProgramRule, moved: set[str]) -> Literal["policy", "value", "both"]:
    """`value` where actions follow from a head of values, `both` where a policy acts and rewards train another head, else `policy`."""
    if rule.act.kind != "sample":
        return "value"
    return "both" if moved - {rule.act.head} else "policy"


def _heads_moved_by_rewards(rule: ProgramRule) -> set[str]:
    """Heads whose gradient in one call depends on the rewards in it: those trained towards rewards or returns.

    A head that is trained but not moved predicts what only other predictions define: a free prediction.
    """
    first, second = (_one_call(rule, reward_seed) for reward_seed in (0, 1))
    return {name for name, x in first.gradients.items() if not torch.allclose(x, second.gradients[name], rtol=1e-7, atol=1e-12)}


def _one_call(rule: ProgramRule, reward_seed: int) -> Outcome:
    recipe = Recipe(seed=200, reward_seed=reward_seed, dtype=torch.float64)
    return evaluate(rule, make_batch(rule.traced.program.heads, rule.act, SHAPE, recipe), newborn_state(rule))


def _trained_heads(rule: ProgramRule) -> set[str]:
    """Heads that a gradient reaches in one of several calls."""
    batches = (
        make_batch(rule.traced.program.heads, rule.act, SHAPE, Recipe(seed=201 + call, dtype=torch.float64)) for call in range(CALLS)
    )
    outcomes = evaluate_chain(rule, batches)
    return {name for outcome in outcomes for name, x in outcome.gradients.items() if bool(x.abs().max() > 0)}
