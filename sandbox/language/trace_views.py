"""How captured operations share memory, and how a write to a view becomes a new value of the whole. Runs inside the sandbox."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx
from torch.multiprocessing.reductions import StorageWeakRef

aten = torch.ops.aten
Undo = Callable[[fx.Graph, fx.Node, fx.Node, fx.Node, tuple[Any, ...]], fx.Node]
"""(graph, view's parent in the old graph, the whole's value, the new value of the part, the view's further arguments) to the new whole."""


def storage_key(node: fx.Node) -> int | None:
    """Names the memory behind a node's tensor; None for what is no single tensor."""
    value = node.meta.get("val")
    if not isinstance(value, Tensor):
        return None
    reference = StorageWeakRef(value.untyped_storage())  # type: ignore[no-untyped-call]
    return int(reference.cdata)


def same_layout(view: fx.Node, parent: fx.Node) -> bool:
    """True where the view is its parent under another name, such as `x.float()` of a float."""
    mine, theirs = view.meta["val"], parent.meta["val"]
    return bool(mine.shape == theirs.shape and mine.stride() == theirs.stride() and mine.storage_offset() == theirs.storage_offset())


def pure(target: torch._ops.OpOverload) -> Any:
    """The operation that computes what `target` writes: `add_.Tensor` to `add.Tensor`, None if there is none."""
    name = target._schema.name.removeprefix("aten::")
    name = "__" + name.removeprefix("__i") if name.startswith("__i") else name.removesuffix("_")
    return getattr(getattr(aten, name, None), target._overloadname, None)


def _undo_select(graph: fx.Graph, parent: fx.Node, whole: fx.Node, part: fx.Node, rest: tuple[Any, ...]) -> fx.Node:
    return graph.call_function(aten.select_scatter.default, (whole, part, *rest))


def _undo_slice(graph: fx.Graph, parent: fx.Node, whole: fx.Node, part: fx.Node, rest: tuple[Any, ...]) -> fx.Node:
    return graph.call_function(aten.slice_scatter.default, (whole, part, *rest))


def _undo_unsqueeze(graph: fx.Graph, parent: fx.Node, whole: fx.Node, part: fx.Node, rest: tuple[Any, ...]) -> fx.Node:
    return graph.call_function(aten.squeeze.dim, (part, *rest))


def _undo_permute(graph: fx.Graph, parent: fx.Node, whole: fx.Node, part: fx.Node, rest: tuple[Any, ...]) -> fx.Node:
    order = [dim % len(rest[0]) for dim in rest[0]]
    return graph.call_function(aten.permute.default, (part, [order.index(dim) for dim in range(len(order))]))


def _undo_reshape(graph: fx.Graph, parent: fx.Node, whole: fx.Node, part: fx.Node, rest: tuple[Any, ...]) -> fx.Node:
    return graph.call_function(aten.reshape.default, (part, list(parent.meta["val"].shape)))


def _undo_itself(target: Any) -> Undo:
    return lambda graph, parent, whole, part, rest: graph.call_function(target, (part, *rest))


UNDO: dict[Any, Undo] = {
    aten.select.int: _undo_select,
    aten.slice.Tensor: _undo_slice,
    aten.unsqueeze.default: _undo_unsqueeze,
    aten.permute.default: _undo_permute,
    **{target: _undo_itself(target) for target in (aten.transpose.int, aten.t.default, aten.numpy_T.default, aten.mT.default)},
    **dict.fromkeys(
        (
            *(aten.reshape.default, aten.view.default, aten.flatten.using_ints, aten.ravel.default, aten.unflatten.int),
            *(aten.squeeze.default, aten.squeeze.dim, aten.view_as.default, aten.reshape_as.default),
        ),
        _undo_reshape,
    ),
}
