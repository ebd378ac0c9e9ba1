"""What can go without any training: terms that provably teach nothing. Needs torch.

A term is idle where every way from it to an online head is cut by `detach` or multiplied by zero; then its gradient is zero on all data,
not only on the data that was tried. That the program *without* it teaches the same is checked in numbers besides.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from sandbox.graph.graph import Argument, Graph, Node, Ref
from sandbox.graph.terms import terms
from sandbox.language.fingerprint import RECIPES, SHAPE
from sandbox.language.probing import Outcome, evaluate, newborn_state
from sandbox.language.synthetic import make_batch
from sandbox.records import Traced
from sandbox.rules.program_rule import ProgramRule

_PRODUCTS = frozenset({"aten.mul.Tensor", "aten.multiply.Tensor", "aten.mul.Scalar"})
_RELATIVE = 1e-9


def idle_terms(traced: Traced) -> tuple[bool, ...]:
    """For every term of the loss, in the order of the text, whether it is idle at the declared constants."""
    graph = ProgramRule(traced).graph(SHAPE)
    zeros = {f"c.{constant.name}" for constant in traced.program.tunable if constant.value == 0}
    learns = _learning(graph, zeros)
    return tuple(not all(learns[node] for node in (term.ref.node, *(node for node, _ in term.path))) for term in terms(graph))


def _learning(graph: Graph, zeros: set[str]) -> list[bool]:
    """For every node whether a gradient may flow through it to an online head. Errs on the side of yes."""
    learns: list[bool] = []
    silent: list[bool] = []  # zero whatever the data
    for node in graph.nodes:
        silent.append(_is_silent(node, silent, zeros))
        if node.op == "input":
            learns.append(str(node.args[0]).startswith("online."))
        elif node.op == "aten.detach.default" or silent[-1]:
            learns.append(False)
        else:
            learns.append(any(learns[ref.node] for ref in node.refs()))
    return learns


def _is_silent(node: Node, silent: list[bool], zeros: set[str]) -> bool:
    if node.op == "input":
        return str(node.args[0]) in zeros
    if node.op in _PRODUCTS:
        return any(_is_zero(item, silent) for item in node.args[:2])
    return node.op == "aten.zeros_like.default"


def _is_zero(item: Argument, silent: list[bool]) -> bool:
    return silent[item.node] if isinstance(item, Ref) else isinstance(item, int | float) and item == 0


def teaches_the_same(before: Traced, after: Traced) -> bool:
    """Whether gradients and carried state agree on all probe trajectories, up to rounding. `after` may lack heads of `before`."""
    rules = ProgramRule(before), ProgramRule(after)
    if before.program.act != after.program.act or before.program.training != after.program.training:
        return False
    states = [newborn_state(rule) for rule in rules]
    for recipe in RECIPES:
        batch = make_batch(before.program.heads, rules[0].act, SHAPE, recipe)
        outcomes = [evaluate(rule, batch, state) for rule, state in zip(rules, states, strict=True)]
        if not _agree(*outcomes):
            return False
        states = [outcome.state for outcome in outcomes]
    return True


def _agree(one: Outcome, other: Outcome) -> bool:
    return _equal(one.gradients, other.gradients) and one.state.keys() == other.state.keys() and _equal(one.state, other.state)


def _equal(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    return all(bool(torch.max(torch.abs(x - other[name])) <= _RELATIVE * torch.max(torch.abs(x))) for name, x in one.items())
