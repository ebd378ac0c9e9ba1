"""A pure graph as JSON: a list of `[operation, arguments, keyword arguments]`, with no code in it. Runs inside the sandbox.

References are `{"n": index}`, or `{"n": index, "o": k}` for the k-th result of an operation with several. Devices and layouts are left
out: they are the trainer's. Floats that JSON cannot say are `{"float": "inf"}`.
"""

from __future__ import annotations

import math
import operator
from typing import Any

import torch
from torch import Tensor, fx

from sandbox.graph.ops import OPS, RECURRENCE
from sandbox.language.limits import TENSOR_LITERAL
from sandbox.language.trace_capture import INPUT, place_of
from sandbox.language.trace_faults import TraceError

GRAPH_NODES = 4_000

Json = Any
_DTYPES = {torch.float32: "float32", torch.float64: "float32", torch.int64: "int64", torch.bool: "bool"}
_TRAINERS_CHOICE = frozenset({"device", "layout", "pin_memory", "memory_format"})


def encode(module: fx.GraphModule, graph: fx.Graph, outputs: tuple[str, ...]) -> dict[str, Json]:
    """`{"nodes": …, "outputs": {name: reference}, "lines": [line of the text for each node]}`.

    Raises TraceError `unsupported-op`, `dtype`, `literal-too-large` or `too-many-nodes`.
    """
    encoder = _Encoder(module)
    for node in graph.nodes:
        encoder.add(node)
    (results,) = next(node for node in reversed(graph.nodes) if node.op == "output").args
    references = {name: encoder.references[result] for name, result in zip(outputs, results, strict=True)}
    return {"nodes": encoder.nodes, "outputs": references, "lines": encoder.lines}


class _Encoder:
    def __init__(self, module: fx.GraphModule) -> None:
        self.module = module
        self.nodes: list[list[Json]] = []
        self.lines: list[int] = []
        self.references: dict[fx.Node, dict[str, int]] = {}

    def add(self, node: fx.Node) -> None:
        """Appends one node, or notes that it is only another name for an earlier one."""
        if node.op == "placeholder":
            self._append(node, ["input", [node.meta[INPUT]], {}])
        elif node.op == "get_attr":
            self._append(node, ["const", self._literal(node), {}])
        elif node.target is operator.getitem:
            self.references[node] = {**self.references[node.args[0]], "o": node.args[1]}  # type: ignore[index, dict-item]
        elif node.target is torch.ops.aten.lift_fresh_copy.default:
            self.references[node] = self.references[node.args[0]]  # type: ignore[index]
        elif node.op != "output":
            self._append(node, self._operation(node))

    def _append(self, node: fx.Node, row: list[Json]) -> None:
        if len(self.nodes) >= GRAPH_NODES:
            raise TraceError("too-many-nodes", place=place_of(node))
        self.references[node] = {"n": len(self.nodes)}
        self.nodes.append(row)
        self.lines.append(place_of(node).line)

    def _operation(self, node: fx.Node) -> list[Json]:
        key = str(node.target)
        if not isinstance(node.target, torch._ops.OpOverload) or key not in OPS:
            raise TraceError("unsupported-op", place=place_of(node))
        name = RECURRENCE if key.startswith(RECURRENCE) else key
        kwargs = {name: self._argument(node, value) for name, value in node.kwargs.items() if name not in _TRAINERS_CHOICE}
        return [name, [self._argument(node, value) for value in node.args], kwargs]

    def _argument(self, node: fx.Node, value: Any) -> Json:
        if isinstance(value, fx.Node):
            return self.references[value]
        if isinstance(value, list | tuple):
            return [self._argument(node, one) for one in value]
        if isinstance(value, torch.dtype):
            return {"dtype": _dtype(value, node)}
        if isinstance(value, float):
            return value if math.isfinite(value) else {"float": str(value)}
        if value is None or isinstance(value, bool | int | str):
            return value
        raise TraceError("unsupported-op", place=place_of(node))

    def _literal(self, node: fx.Node) -> list[Json]:
        value = getattr(self.module, str(node.target))
        if not isinstance(value, Tensor) or value.numel() > TENSOR_LITERAL:
            raise TraceError("literal-too-large", place=place_of(node))
        return [self._argument(node, value.tolist()), _dtype(value.dtype, node)]


def _dtype(dtype: torch.dtype, node: fx.Node) -> str:
    if dtype not in _DTYPES:
        raise TraceError("dtype", place=place_of(node))
    return _DTYPES[dtype]
