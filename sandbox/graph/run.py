"""A verified graph as a function: straight-line code over torch, made from our own tables alone.

The function works under autograd (any number of times), under `torch.func` transforms, in float32 and float64, on any device. What depends
on no input is computed once a device and type, and kept.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, fx

from sandbox.graph.graph import Argument, DTypeName, Graph, Node, Ref
from sandbox.graph.propagate import TORCH_TYPES
from sandbox.graph.simplify import simplify
from sandbox.graph.targets import Target, is_factory, make, target_of

Function = Callable[[Sequence[Tensor]], list[Tensor]]

_KEPT = 1 << 20
"""Numbers of one tensor that are kept rather than computed anew at every call."""


def compile_graph(graph: Graph) -> Function:
    """The function from the graph's inputs, in order, to its outputs, in order.

    Inputs have the shapes the graph was verified for (ValueError otherwise), share one device, and their floats one type, which every float
    of the graph takes.
    """
    graph = simplify(graph)
    shapes = [torch.Size(entry.shape) for entry in graph.inputs]
    floats = [place for place, entry in enumerate(graph.inputs) if entry.dtype == "float32"]
    built: dict[tuple[torch.device, torch.dtype], Callable[..., Any]] = {}

    def run(inputs: Sequence[Tensor]) -> list[Tensor]:
        if [tensor.shape for tensor in inputs] != shapes:
            raise ValueError(f"the graph was verified for inputs of {_listed(shapes)}, not {_listed([tensor.shape for tensor in inputs])}")
        key = (inputs[0].device, inputs[floats[0]].dtype) if floats else (inputs[0].device, torch.float32)
        if key not in built:
            built[key] = _Builder(graph, *key).module().forward
        return list(built[key](*inputs))

    return run


def _listed(shapes: Sequence[torch.Size]) -> str:
    return ", ".join(str(list(shape)) for shape in shapes)


class _Builder:
    """Turns a graph into a module for one device and one float type."""

    def __init__(self, graph: Graph, device: torch.device, dtype: torch.dtype) -> None:
        self._graph = graph
        self._device = device
        self._dtype = dtype
        self._code = fx.Graph()
        self._root = torch.nn.Module()
        self._inputs = {entry.name: self._code.placeholder(f"input_{place}") for place, entry in enumerate(graph.inputs)}
        self._emitted: dict[int, fx.Node] = {}
        self._kept: dict[int, Any] = {}  # results that depend on no input

    def module(self) -> fx.GraphModule:
        """The module, whose forward takes the inputs and gives a tuple."""
        for place, node in enumerate(self._graph.nodes):
            self._add(place, node)
        self._code.output(tuple(self._emit(ref) for ref in self._graph.outputs))
        return fx.GraphModule(self._root, self._code)

    def _add(self, place: int, node: Node) -> None:
        if node.op == "input":
            self._emitted[place] = self._inputs[str(node.args[0])]
        elif is_factory(node):
            self._kept[place] = make(node, self._device, self._torch_type(node.results[0].dtype))
        elif self._is_constant(node):
            target, args, kwargs = self._call(node, self._keep)
            with torch.no_grad():
                self._kept[place] = target(*args, **kwargs)
        else:
            target, args, kwargs = self._call(node, self._emit)
            self._emitted[place] = self._code.call_function(target, args, kwargs)

    def _is_constant(self, node: Node) -> bool:
        small = all(torch.Size(result.shape).numel() <= _KEPT for result in node.results)
        return small and all(ref.node in self._kept for ref in node.refs())

    def _call(self, node: Node, value: Callable[[Ref], Any]) -> tuple[Target, tuple[Any, ...], dict[str, Any]]:
        target, args = target_of(node, self._graph)
        if self._dtype != torch.float32 and self._makes_floats(node):
            target = _in_floats(target, self._dtype)
        return (
            target,
            tuple(self._argument(item, value) for item in args),
            {name: self._argument(item, value) for name, item in node.kwargs},
        )

    def _makes_floats(self, node: Node) -> bool:
        """True if torch would make floats of its default type here: from integers, without being told a type."""
        told = any(isinstance(item, DTypeName) for item in (*node.args, *dict(node.kwargs).values()))
        read = any(self._graph.type_of(ref).dtype == "float32" for ref in node.refs())
        return node.results[0].dtype == "float32" and not told and not read

    def _argument(self, item: Argument, value: Callable[[Ref], Any]) -> Any:
        if isinstance(item, Ref):
            return value(item)
        if isinstance(item, DTypeName):
            return self._torch_type(item.name)
        return [self._argument(part, value) for part in item] if isinstance(item, tuple) else item

    def _torch_type(self, name: str) -> torch.dtype:
        return self._dtype if name == "float32" else TORCH_TYPES[name]  # type: ignore[index]

    def _keep(self, ref: Ref) -> Any:
        kept = self._kept[ref.node]
        return kept if ref.output is None else kept[ref.output]

    def _emit(self, ref: Ref) -> fx.Node:
        if ref.node in self._kept:
            return self._attribute(ref)
        node = self._emitted[ref.node]
        return node if ref.output is None else self._code.call_function(operator.getitem, (node, ref.output))

    def _attribute(self, ref: Ref) -> fx.Node:
        name = f"kept_{ref.node}_{ref.output or 0}"
        if not hasattr(self._root, name):
            self._root.register_buffer(name, self._keep(ref))
        return self._code.get_attr(name)


def _in_floats(target: Target, dtype: torch.dtype) -> Target:
    """`target` with integers made floats of `dtype` before, where torch would make float32; the condition of a `where` stays."""

    def in_floats(*args: Any, **kwargs: Any) -> Any:
        if target is torch.where:
            condition, *choices = args
            return target(condition, *(_float(item, dtype, condition.device) for item in choices))
        return target(*(item.to(dtype) if isinstance(item, Tensor) else item for item in args), **kwargs)

    return in_floats


def _float(item: Any, dtype: torch.dtype, device: torch.device) -> Tensor:
    return item.to(dtype) if isinstance(item, Tensor) else torch.full((), item, dtype=dtype, device=device)
