"""The additive terms of a loss: which there are, and the loss without one of them."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from sandbox.graph.graph import Argument, Graph, Node, Ref
from sandbox.graph.simplify import without_dead_nodes

_SUMS = frozenset({"aten.add.Tensor", "aten.sub.Tensor", "aten.subtract.Tensor", "aten.rsub.Tensor"})
# Linear in their one tensor, so that a term of what stands inside is a term of what stands outside.
_LINEAR = frozenset(
    {"aten.neg.default", "aten.negative.default", "aten.mean.default", "aten.mean.dim", "aten.sum.default", "aten.sum.dim_IntList"}
    | {"aten.add.Tensor", "aten.sub.Tensor", "aten.mul.Tensor", "aten.div.Tensor", "aten.rsub.Scalar"}
    | {"aten.add.Scalar", "aten.sub.Scalar", "aten.mul.Scalar", "aten.div.Scalar"}
)
_MOST = 64


class Term(NamedTuple):
    """One summand of the loss: its value `ref`, its line in the program, and the way to it from the loss.

    `path` lists (node, place among that node's references) from the loss inwards.
    """

    ref: Ref
    line: int
    path: tuple[tuple[int, int], ...]


def terms(graph: Graph) -> tuple[Term, ...]:
    """The summands of the loss, in the order of the text. Signs and numbers outside a sum belong to each of its summands."""
    found: list[Term] = []
    waiting: list[tuple[Ref, tuple[tuple[int, int], ...]]] = [(graph.outputs[0], ())]
    while waiting:
        ref, path = waiting.pop()
        node = graph.nodes[ref.node]
        inside = list(node.refs())
        opens = (node.op in _SUMS and len(inside) == 2) or (node.op in _LINEAR and len(inside) == 1)
        if opens and len(found) + len(waiting) + len(inside) <= _MOST:
            waiting += [(child, (*path, (ref.node, place))) for place, child in reversed(list(enumerate(inside)))]
        else:
            found.append(Term(ref, node.line, path))
    return tuple(found)


def without_term(graph: Graph, index: int) -> Graph:
    """The graph whose loss has zeros in place of `terms(graph)[index]`; everything else, state included, is as before.

    The way from the loss to the term is copied, so that what is read elsewhere keeps the term.
    """
    term = terms(graph)[index]
    nodes = [*graph.nodes, Node("aten.zeros_like.default", (term.ref,), (), (graph.type_of(term.ref),), line=term.line)]
    replacement = Ref(len(nodes) - 1)
    for place, position in reversed(term.path):
        nodes.append(_with_reference(graph.nodes[place], position, replacement))
        replacement = Ref(len(nodes) - 1)
    return without_dead_nodes(replace(graph, nodes=tuple(nodes), outputs=(replacement, *graph.outputs[1:])))


def _with_reference(node: Node, position: int, other: Ref) -> Node:
    """`node` with its reference number `position` replaced. Sums and linear operations hold references at the top of their arguments."""
    places = [place for place, item in enumerate(node.args) if isinstance(item, Ref)]
    args: list[Argument] = list(node.args)
    args[places[position]] = other
    return replace(node, args=tuple(args))
