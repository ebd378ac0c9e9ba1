"""A captured graph without writes and without switches of the gradient: what remains is a straight line of pure operations.

`adv[t] = x` becomes a new tensor (`select_scatter`), and every later use of `adv`, or of a view of it, reads the new one. Which tensors
share memory is known from the fake tensors of the trace. Writes into inputs are refused. Runs inside the sandbox.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NoReturn

import torch
from torch import fx

from sandbox.language.trace_capture import PLACE, place_of
from sandbox.language.trace_faults import TraceError
from sandbox.language.trace_no_grad import detach_no_grad
from sandbox.language.trace_views import UNDO, aten, pure, same_layout, storage_key


def functionalise(module: fx.GraphModule) -> fx.Graph:
    """The graph with every write replaced by a pure operation, then `no_grad` regions by detached values, then dead code dropped.

    Raises TraceError `in-place-input`, `in-place-alias` or `in-place-unsupported`.
    """
    graph = module.graph
    if any(_writes(node) for node in graph.nodes):
        graph = _Rewriter().rewrite(graph)
    detach_no_grad(graph)
    drop_dead_code(graph)
    return graph


def drop_dead_code(graph: fx.Graph) -> None:
    """Removes what no output depends on; inputs stay. Everything is pure by now, whatever fx may think."""
    graph.eliminate_dead_code(is_impure_node=lambda node: node.op in {"placeholder", "output"})


def _writes(node: fx.Node) -> bool:
    return isinstance(node.target, torch._ops.OpOverload) and node.target._schema.is_mutable


# ------------------------------------------------------------------------------------------------------- writes
@dataclass(eq=False)
class _Storage:
    """One piece of memory. `root` is the node that made it; `version` counts the writes."""

    root: fx.Node
    version: int = 0


class _Rewriter:
    """Walks the old graph once; for each old node, remembers the new node that holds its value and at which version of its memory."""

    def __init__(self) -> None:
        self.graph = fx.Graph()
        self.storages: dict[int, _Storage] = {}
        self.values: dict[fx.Node, tuple[fx.Node | None, int]] = {}
        self.parents: dict[fx.Node, fx.Node | None] = {}  # of views; None where the way back up is not known
        self.same: dict[fx.Node, fx.Node] = {}  # results of writes, and views taken twice
        self.views: dict[tuple[Any, ...], fx.Node] = {}
        self.writer: fx.Node | None = None

    def rewrite(self, old: fx.Graph) -> fx.Graph:
        for node in old.nodes:
            self.writer = node
            if _writes(node):
                self._write(node)
            else:
                self._copy(node)
        return self.graph

    def _copy(self, node: fx.Node) -> None:
        twin = self._as_view(node)
        if twin is not None:
            self.same[node] = twin
            return
        new = self.graph.node_copy(node, self._current)
        storage = self._storage(node)
        self.values[node] = (new, storage.version if storage else 0)

    def _as_view(self, node: fx.Node) -> fx.Node | None:
        """Notes a node that shares memory with earlier ones; the earlier node if it is the very same view."""
        key = storage_key(node)
        if key is None:
            return None
        storage = self.storages.get(key)
        if storage is None:
            self.storages[key] = _Storage(node)
            return None
        parent = node.args[0] if node.args and isinstance(node.args[0], fx.Node) else None
        if parent is None or storage_key(parent) != key:
            self.parents[node] = None
            return None
        self.parents[node] = self._same(parent)
        return self._known_view(node)

    def _known_view(self, node: fx.Node) -> fx.Node | None:
        if node.kwargs or any(isinstance(arg, fx.Node) for arg in node.args[1:]):
            return None
        key = (self.parents[node], node.target, repr(node.args[1:]))
        earlier = self.views.setdefault(key, node)
        return None if earlier is node else earlier

    def _write(self, node: fx.Node) -> None:
        target = node.args[0]
        if not isinstance(target, fx.Node) or not isinstance(node.target, torch._ops.OpOverload):
            self._refuse("in-place-unsupported")
        target = self._same(target)
        storage = self._storage(target)
        if storage is None or storage.root.op == "placeholder":
            self._refuse("in-place-input")
        self.same[node] = target
        if node.target is aten.detach_.default and storage.root.target is aten.lift_fresh_copy.default:
            return  # a literal has no gradient to cut
        if node.target is aten.copy_.default and isinstance(node.args[1], fx.Node) and self._same(node.args[1]) is target:
            return  # the second half of `x[i] += y`
        value = self._written_value(node, target)
        self._assign(target, storage, value)

    def _assign(self, target: fx.Node, storage: _Storage, value: fx.Node) -> None:
        """Makes `value` that of `target` and of the memory it is a view of."""
        chain = self._ancestors(target)
        before = [self._current(node) for node in chain]
        storage.version += 1
        for position, node in enumerate(chain):
            self.values[node] = (value, storage.version)
            if position + 1 < len(chain):
                value = self._undo(node, before[position + 1], value)
        self._forget_above(chain[-1], storage)

    def _ancestors(self, node: fx.Node) -> list[fx.Node]:
        """`node` and what it is a view of, up to the memory's own node or to where the gradient was cut."""
        chain = [node]
        while chain[-1] in self.parents and chain[-1].target is not aten.detach.default:
            parent = self.parents[chain[-1]]
            if parent is None:
                self._refuse("in-place-alias")
            chain.append(parent)
        return chain

    def _forget_above(self, node: fx.Node, storage: _Storage) -> None:
        """A write to a detached view also changed what it was detached from: that may not be read again."""
        parent = self.parents.get(node)
        while parent is not None:
            self.values[parent] = (None, storage.version)
            parent = self.parents.get(parent)

    def _undo(self, view: fx.Node, whole: fx.Node, part: fx.Node) -> fx.Node:
        """`whole` with the part that `view` shows replaced by `part`."""
        parent = self.parents[view]
        undo = UNDO.get(view.target)
        if undo is None and parent is not None and same_layout(view, parent):
            return part
        if undo is None or parent is None:
            self._refuse("in-place-alias")
        return self._mark(undo(self.graph, parent, whole, part, view.args[1:]), parent)

    def _written_value(self, node: fx.Node, target: fx.Node) -> fx.Node:
        name = node.target._schema.name.removeprefix("aten::")  # type: ignore[union-attr]
        if name in {"copy_", "fill_"}:
            return self._fitted(node.args[1], target)
        if name == "zero_":
            return self._call(aten.zeros_like.default, (self._current(target),), target)
        if name == "index_put_":
            return self._masked(node, target)
        operation = pure(node.target)  # type: ignore[arg-type]
        if operation is None:
            self._refuse("in-place-unsupported")
        args = fx.map_arg(node.args[1:], self._current)
        return self._call(operation, (self._current(target), *args), target, fx.map_arg(node.kwargs, self._current))

    def _fitted(self, source: Any, target: fx.Node) -> fx.Node:
        """`source` with the type and shape of `target`."""
        if not isinstance(source, fx.Node):
            return self._call(aten.full_like.default, (self._current(target), source), target)
        value, have, want = self._current(source), source.meta["val"], target.meta["val"]
        if have.dtype != want.dtype:
            value = self._call(aten.to.dtype, (value, want.dtype), source)
        if have.shape != want.shape:
            value = self._call(aten.expand_as.default, (value, self._current(target)), target)
        return value

    def _masked(self, node: fx.Node, target: fx.Node) -> fx.Node:
        """`x[mask] = number`, the one write by a mask whose size is known."""
        mask, source = _mask_and_number(node)
        if mask is None or source is None or mask.meta["val"].shape != target.meta["val"].shape:
            self._refuse("in-place-unsupported")
        value = self._current(source)
        if source.meta["val"].dtype != target.meta["val"].dtype:
            value = self._call(aten.to.dtype, (value, target.meta["val"].dtype), source)
        return self._call(aten.where.self, (self._current(mask), value, self._current(target)), target)

    def _current(self, node: fx.Node) -> fx.Node:
        """The new node that holds what `node` holds now."""
        node = self._same(node)
        value, version = self.values[node]
        storage = self._storage(node)
        if storage is not None and version != storage.version:
            parent = self.parents.get(node)
            if parent is None:
                self._refuse("in-place-alias")
            rest = fx.map_arg(node.args[1:], self._current)
            value = self._call(node.target, (self._current(parent), *rest), node, fx.map_arg(node.kwargs, self._current))
            self.values[node] = (value, storage.version)
        if value is None:
            self._refuse("in-place-alias")
        return value

    def _call(self, target: Any, args: tuple[Any, ...], like: fx.Node, kwargs: dict[str, Any] | None = None) -> fx.Node:
        return self._mark(self.graph.call_function(target, args, kwargs or {}), like)

    def _mark(self, new: fx.Node, like: fx.Node) -> fx.Node:
        new.meta = {"val": like.meta["val"], PLACE: place_of(self.writer)} if self.writer else {"val": like.meta["val"]}
        return new

    def _same(self, node: fx.Node) -> fx.Node:
        while node in self.same:
            node = self.same[node]
        return node

    def _storage(self, node: fx.Node) -> _Storage | None:
        key = storage_key(node)
        return None if key is None else self.storages.get(key)

    def _refuse(self, code: str) -> NoReturn:
        raise TraceError(code, place=place_of(self.writer) if self.writer else None)


def _mask_and_number(write: fx.Node) -> tuple[fx.Node | None, fx.Node | None]:
    """The mask and the 0-dim value of an `index_put_`, None where they are anything else."""
    _, indices, source, *rest = write.args
    mask = indices[0] if isinstance(indices, list | tuple) and len(indices) == 1 else None
    if rest or not isinstance(mask, fx.Node) or not isinstance(source, fx.Node):
        return None, None
    return (mask, source) if mask.meta["val"].dtype == torch.bool and source.meta["val"].ndim == 0 else (None, None)
