"""Cuts that stop the agent's gradient and nothing else.

`detach` in a program means that the *agent* does not learn through a value. A meta-gradient asks another question, how what is learned
depends on a constant, and its answer goes through targets. So the graph gets a second copy of the agent's heads as inputs, and whatever was
cut is computed from the copies: whoever differentiates in the first set of heads sees the program's own gradient, whoever differentiates in
anything else sees all of it.
"""

from __future__ import annotations

from dataclasses import replace

from sandbox.graph.graph import Graph, Node, Ref
from sandbox.graph.signature import Input
from sandbox.graph.simplify import without_dead_nodes

DETACH = "aten.detach.default"
LIVE = "online."
COPY = "cut.online."
"""How the second set of heads is called: `cut.online.H` for `online.H`."""


def with_copied_heads(graph: Graph) -> Graph:
    """An equal graph without `detach`; its inputs are those of `graph`, then the copies of the online heads in their order.

    Given the same heads twice it has the values of `graph`, and in the first set of heads its gradients.
    """
    copies = tuple(Input(f"cut.{entry.name}", entry.shape, entry.dtype) for entry in graph.inputs if entry.name.startswith(LIVE))
    nodes: list[Node] = []
    live: dict[Ref, Ref] = {}
    cut: dict[Ref, Ref] = {}
    for place, node in enumerate(graph.nodes):
        if node.op == DETACH:
            (inside,) = node.refs()
            live[Ref(place)] = cut[Ref(place)] = cut[inside]
            continue
        _add(nodes, node.renamed(live.__getitem__), place, live)
        twin = _copied(node.renamed(cut.__getitem__))
        if twin == nodes[-1]:
            cut.update({ref: live[ref] for ref in _results(node, place)})
        else:
            _add(nodes, twin, place, cut)
    outputs = tuple(live[ref] for ref in graph.outputs)
    return without_dead_nodes(replace(graph, inputs=(*graph.inputs, *copies), nodes=tuple(nodes), outputs=outputs))


def _copied(node: Node) -> Node:
    """The same operation; an input of the agent's heads becomes that of their copy."""
    if node.op == "input" and str(node.args[0]).startswith(LIVE):
        return replace(node, args=(f"cut.{node.args[0]}",))
    return node


def _add(nodes: list[Node], node: Node, place: int, names: dict[Ref, Ref]) -> None:
    names.update({ref: Ref(len(nodes), ref.output) for ref in _results(node, place)})
    nodes.append(node)


def _results(node: Node, place: int) -> list[Ref]:
    return [Ref(place, output if node.several else None) for output in range(len(node.results))]
