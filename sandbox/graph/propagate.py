"""Shapes and types of a graph's results, worked out by running every operation on tensors without memory."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from sandbox.errors import Refusal
from sandbox.graph.bounds import Bounds, CostCounter
from sandbox.graph.graph import Argument, DTypeName, Node, Ref, TensorType
from sandbox.graph.overloads import gives_several, overload_of
from sandbox.graph.refusals import refuse
from sandbox.graph.signature import DType, Input

TORCH_TYPES: dict[DType, torch.dtype] = {"float32": torch.float32, "int64": torch.int64, "bool": torch.bool}
_NAMES = {dtype: name for name, dtype in TORCH_TYPES.items()}


class Propagation:
    """Runs nodes one after another on fake tensors, under a cost counter; `results[i]` are those of node i."""

    def __init__(self, bounds: Bounds) -> None:
        self._mode = FakeTensorMode(allow_non_fake_inputs=False)
        self.cost = CostCounter(bounds)
        self._bounds = bounds
        self._results: list[tuple[Tensor, ...]] = []

    def input(self, entry: Input) -> tuple[TensorType, ...]:
        """Adds an input."""
        with self._mode:
            return self._keep((torch.empty(entry.shape, dtype=TORCH_TYPES[entry.dtype]),), 0)

    def const(self, value: Argument, dtype: DType, line: int) -> tuple[TensorType, ...]:
        """Adds a literal tensor, whose rows must all be of one length."""
        try:
            tensor = torch.tensor(value, dtype=TORCH_TYPES[dtype])
        except (ValueError, TypeError, RuntimeError, OverflowError) as error:
            raise refuse("malformed", "A literal tensor is not a rectangle of numbers.", line) from error
        return self._keep((self._mode.from_tensor(tensor),), line)

    def call(self, node: Node) -> tuple[TensorType, ...]:
        """Adds an operation. Raises Refusal where its arguments do not fit each other."""
        self.cost.line = node.line
        self._check_parts(node)
        args = [self._value(item) for item in node.args]
        kwargs = {name: self._value(item) for name, item in node.kwargs}
        try:
            with self._mode, self.cost:
                made = overload_of(node.op)(*args, **kwargs)
        except Refusal:
            raise
        except Exception as error:  # a shape function may raise anything; all of it means "does not fit"
            raise refuse("shape", f"{node.op} cannot be applied to {self._types(node)}.", node.line) from error
        several = gives_several(node.op)
        return self._keep(tuple(made) if several else (made,), node.line)

    def _keep(self, tensors: tuple[Tensor, ...], line: int) -> tuple[TensorType, ...]:
        types = tuple(self._type(tensor, line) for tensor in tensors)
        self._results.append(tensors)
        return types

    def _type(self, tensor: Tensor, line: int) -> TensorType:
        if tensor.dtype not in _NAMES:
            raise refuse("dtype", "A result is of another type than float32, int64 and bool.", line)
        return TensorType(tuple(int(size) for size in tensor.shape), _NAMES[tensor.dtype])

    def _value(self, item: Argument) -> Any:
        if isinstance(item, Ref):
            return self._results[item.node][item.output or 0]
        if isinstance(item, DTypeName):
            return TORCH_TYPES[item.name]
        return [self._value(part) for part in item] if isinstance(item, tuple) else item

    def _types(self, node: Node) -> str:
        shown = [str(self._type(self._results[ref.node][ref.output or 0], node.line)) for ref in node.refs()]
        return ", ".join(shown[:4]) or "such sizes"

    def _check_parts(self, node: Node) -> None:
        """Refuses to cut a tensor into too many parts before the parts exist."""
        if node.op not in _CUTS:
            return
        tensor = self._value(node.args[0])
        keywords = dict(node.kwargs)
        axis = keywords.get("dim", node.args[_CUTS[node.op]] if len(node.args) > _CUTS[node.op] else 0)
        entries = tensor.shape[axis] if isinstance(axis, int) and -tensor.ndim <= axis < tensor.ndim else 0
        size = node.args[1] if node.op == "aten.split.Tensor" and isinstance(node.args[1], int) else 1
        parts = node.args[1] if node.op == "aten.chunk.default" and isinstance(node.args[1], int) else entries // max(1, size)
        if parts > self._bounds.list_length:
            raise refuse("too-many-parts", f"A tensor is cut into more than {self._bounds.list_length:,} parts.", node.line)


_CUTS = {"aten.unbind.int": 1, "aten.split.Tensor": 2, "aten.chunk.default": 2}
"""Operations whose number of results depends on a size, and the place of their axis."""


@contextmanager
def quiet() -> Iterator[None]:
    """Without gradients, and without what fake tensors write to the log or warn of when a graph is wrong."""
    logger = logging.getLogger("torch._subclasses.fake_tensor")
    before = logger.disabled
    logger.disabled = True
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.disabled = before


def count(value: Sequence[Any] | Any) -> int:
    """How many numbers a nested list holds."""
    return sum(count(item) for item in value) if isinstance(value, (list, tuple)) else 1
