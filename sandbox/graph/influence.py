"""Which constants an agent's update depends on smoothly, read off the graph.

A meta-gradient in a constant c needs the mixed derivative of the loss in the heads and in c. Where that is zero almost everywhere whatever
the data, no number of differentiable updates will tell how to change c: PPO's clip only picks *which* of two gradients is taken, and a
small change of it changes neither. That is decided here by three facts about every value, each followed through the graph:

    live      it changes smoothly with the heads, cuts respected
    constants those it changes smoothly with, cuts ignored
    mixed     the constants whose mixed derivative with the heads may be other than zero

The answer errs on one side: a constant that is not in `mixed` of the loss has no meta-gradient, one that is may still have none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from sandbox.graph.cuts import DETACH, LIVE
from sandbox.graph.graph import Graph, Node, Ref
from sandbox.graph.ops import RECURRENCE

Names = frozenset[str]
NONE: Names = frozenset()

# Sums of, or choices among, entries of what they read: of order one in all arguments together, piece by piece.
_LINEAR = frozenset(
    """abs absolute neg negative positive nan_to_num relu relu6 leaky_relu hardtanh softshrink hardshrink threshold
    add sub subtract rsub maximum minimum fmax fmin clamp clip clamp_min clamp_max where masked_fill l1_loss
    sum nansum mean nanmean max min amax amin aminmax median cumsum cummax cummin diff sort topk
    gather take_along_dim index_select take index select slice narrow unfold select_scatter slice_scatter copy
    cat concat concatenate stack hstack vstack split split_with_sizes chunk unbind squeeze unsqueeze
    reshape view view_as reshape_as flatten unflatten ravel permute transpose t numpy_T mT movedim moveaxis swapaxes swapdims
    expand expand_as broadcast_to broadcast_tensors repeat tile repeat_interleave meshgrid
    roll flip flipud fliplr rot90 tril triu diagonal diag diag_embed trace pad to type_as clone alias lift_fresh_copy""".split()  # noqa: SIM905
)
_PRODUCTS = frozenset("mul multiply matmul mm bmm mv dot inner outer einsum tensordot".split())  # noqa: SIM905
_STEPS = frozenset("sign sgn floor ceil trunc fix round heaviside zeros_like ones_like full_like new_zeros new_ones new_full".split())  # noqa: SIM905


class Influence(NamedTuple):
    """What one value depends on smoothly."""

    live: bool = False
    constants: Names = NONE
    mixed: Names = NONE


def meta_differentiable(graph: Graph) -> Names:
    """Names of the constants (without `c.`) whose meta-gradient may be other than zero; those not named have none.

    A constant may act through the state: it moves what is carried, and what is carried moves the next loss.
    """
    carried: dict[str, Names] = {}
    while True:
        influences = _influences(graph, carried)
        outputs = dict(zip(graph.output_names, (influences[ref.node] for ref in graph.outputs), strict=True))
        moved = {name: influence.constants for name, influence in outputs.items() if name != "loss"}
        if moved == carried:
            return outputs["loss"].mixed
        carried = moved


def _influences(graph: Graph, carried: Mapping[str, Names]) -> list[Influence]:
    found: list[Influence] = []
    for node in graph.nodes:
        reads = [found[ref.node] if _is_smooth(graph, ref) else Influence() for ref in node.refs()]
        found.append(_input(str(node.args[0]), carried) if node.op == "input" else _through(node, reads))
    return found


def _is_smooth(graph: Graph, ref: Ref) -> bool:
    """Integers and truth values do not change smoothly."""
    return graph.type_of(ref).dtype == "float32"


def _input(name: str, carried: Mapping[str, Names]) -> Influence:
    if name.startswith(LIVE):
        return Influence(live=True)
    if name.startswith("c."):
        return Influence(constants=frozenset({name.removeprefix("c.")}))
    return Influence(constants=carried.get(name, NONE))


def _through(node: Node, reads: list[Influence]) -> Influence:
    live = any(one.live for one in reads)
    constants, mixed = _union(one.constants for one in reads), _union(one.mixed for one in reads)
    kind = "recurrence" if node.op == RECURRENCE else node.op.split(".")[1]
    if kind in _STEPS:
        return Influence()
    if node.op == DETACH:
        return Influence(constants=constants)
    if kind in _PRODUCTS:
        mixed |= _union(one.constants for place, one in enumerate(reads) if any(other.live for other in _others(reads, place)))
    elif kind not in _LINEAR and live:
        mixed |= constants
    return Influence(live, constants, mixed)


def _others(reads: list[Influence], place: int) -> list[Influence]:
    return reads[:place] + reads[place + 1 :]


def _union(names: Iterable[Names]) -> Names:
    return frozenset().union(*names)
