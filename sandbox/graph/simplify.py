"""The same graph with nothing superfluous: no dead code, no operation twice, none that gives back what it was given.

Sharing changes the order in which gradients are added up, so gradients may differ from the text's in the last digit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sandbox.graph.graph import Graph, Node, Ref, TensorType

_COPIES = frozenset({"aten.alias.default", "aten.positive.default", "aten.lift_fresh_copy.default", "aten.clone.default"})
_CONVERSIONS = frozenset({"aten.to.dtype", "aten.type_as.default"})
# These give their argument back if they leave its shape alone.
_SHAPINGS = frozenset(
    f"aten.{name}"
    for name in (
        *("expand.default", "expand_as.default", "broadcast_to.default", "reshape.default", "view.default", "view_as.default"),
        *("reshape_as.default", "flatten.using_ints", "ravel.default", "unflatten.int", "squeeze.default", "squeeze.dim", "squeeze.dims"),
    )
)


def simplify(graph: Graph) -> Graph:
    """An equal graph of fewer nodes, computing bit-equal values. Inputs that nothing reads have no node."""
    return without_dead_nodes(_shared(graph))


def without_dead_nodes(graph: Graph) -> Graph:
    """Only what the outputs depend on."""
    live: set[int] = {ref.node for ref in graph.outputs}
    for place in range(len(graph.nodes) - 1, -1, -1):
        if place in live:
            live.update(ref.node for ref in graph.nodes[place].refs())
    kept = sorted(live)
    places = {old: new for new, old in enumerate(kept)}

    def rename(ref: Ref) -> Ref:
        return Ref(places[ref.node], ref.output)

    nodes = tuple(graph.nodes[place].renamed(rename) for place in kept)
    return replace(graph, nodes=nodes, outputs=tuple(map(rename, graph.outputs)))


def _shared(graph: Graph) -> Graph:
    """Every operation once, and references past operations that do nothing."""
    nodes: list[Node] = []
    seen: dict[str, int] = {}
    same: dict[Ref, Ref] = {}

    def rename(ref: Ref) -> Ref:
        return same[ref]

    def type_of(ref: Ref) -> TensorType:
        return nodes[ref.node].results[ref.output or 0]

    for place, original in enumerate(graph.nodes):
        node = original.renamed(rename)
        key = repr((node.op, node.args, node.kwargs))  # repr, since 1, 1.0 and True are equal but not the same argument
        known = seen.setdefault(key, len(nodes))
        if known == len(nodes):
            nodes.append(node)
        for output in range(len(node.results)):
            ref = Ref(place, output if node.several else None)
            same[ref] = _unchanged(node, output, nodes, type_of) or Ref(known, ref.output)
    return replace(graph, nodes=tuple(nodes), outputs=tuple(map(rename, graph.outputs)))


def _unchanged(node: Node, output: int, nodes: list[Node], type_of: Callable[[Ref], TensorType]) -> Ref | None:
    """The argument that this result of `node` is equal to, if there is one."""
    if node.op == "aten.broadcast_tensors.default":
        given = list(node.refs())[output]
        return given if type_of(given) == node.results[output] else None
    first = next(node.refs(), None)
    if first is None:
        return None
    same_type = type_of(first) == node.results[output]
    if node.op in _COPIES or (node.op in _CONVERSIONS and type_of(first).dtype == node.results[0].dtype):
        return first
    if node.op in _SHAPINGS or (node.op == "aten.slice.Tensor" and len(node.args) < 5):
        return first if same_type else None
    return first if node.op == "aten.detach.default" and nodes[first.node].op == "aten.detach.default" else None
