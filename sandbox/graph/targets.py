"""What a graph's operations are bound to when it runs: Python functions of torch where they are exactly the overload, and faster.

An overload called from Python resolves its arguments again at every call; the functions in torch's own namespace do it in C.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from sandbox.graph.graph import Argument, DTypeName, Graph, Node
from sandbox.graph.ops import RECURRENCE
from sandbox.graph.overloads import overload_of
from sandbox.graph.recurrence import scan

Target = Callable[..., Any]

_FUNCTIONS = frozenset(
    """abs neg sign exp expm1 log log2 log1p sqrt rsqrt square reciprocal sin cos tanh sigmoid erf floor ceil trunc relu
    add sub mul div rsub pow maximum minimum clamp clip clamp_min clamp_max lerp addcmul logaddexp eq ne lt le gt ge
    logical_and logical_or logical_not isfinite isnan where masked_fill sum mean max min amax amin argmax argmin any all std var
    logsumexp cumsum cumprod softmax log_softmax gather take_along_dim index_select select cat stack unbind split chunk squeeze
    unsqueeze reshape flatten permute transpose movedim broadcast_to roll flip tril triu matmul mm bmm outer quantile sort argsort
    topk detach""".split()  # noqa: SIM905
)
_METHODS = frozenset({"expand", "expand_as", "view", "unfold", "repeat", "to", "type_as"})
# What these give depends on shapes and types alone: (number filled in, place of the argument that says it).
_FILLS: dict[str, tuple[int, int | None]] = {
    **{f"aten.{name}.default": (0, None) for name in ("zeros", "zeros_like", "new_zeros")},
    **{f"aten.{name}.default": (1, None) for name in ("ones", "ones_like", "new_ones")},
    "aten.full.default": (0, 1),
    "aten.full_like.default": (0, 1),
    "aten.new_full.default": (0, 2),
}
_FACTORIES = frozenset(
    f"aten.{name}"
    for name in ("arange.default", "arange.start", "arange.start_step", "linspace.default", "eye.default", "eye.m", "scalar_tensor.default")
)


def target_of(node: Node, graph: Graph) -> tuple[Target, tuple[Argument, ...]]:
    """The callable for an operation and the positional arguments it takes."""
    if node.op == RECURRENCE:
        return scan, node.args
    if node.op == "aten.slice.Tensor" and len(node.args) < 5:
        return torch.narrow, _narrowed(node, graph)
    name = node.op.split(".")[1]
    if name in _METHODS:
        return getattr(torch.Tensor, name), node.args
    return (getattr(torch, name) if name in _FUNCTIONS else overload_of(node.op)), node.args


def _narrowed(node: Node, graph: Graph) -> tuple[Argument, ...]:
    """Tensor, axis, start and length of a slice of step 1."""
    axis = node.args[1] if len(node.args) > 1 else 0
    start = node.args[2] if len(node.args) > 2 else None
    assert isinstance(axis, int)
    size = graph.type_of(next(node.refs())).shape[axis]
    first = start if isinstance(start, int) else 0
    return node.args[0], axis, slice(first, None).indices(size)[0], node.results[0].shape[axis]


def is_factory(node: Node) -> bool:
    """True if the results of `node` depend on no tensor's entries."""
    return node.op in _FILLS or node.op in _FACTORIES or node.op == "const"


def make(node: Node, device: torch.device, dtype: torch.dtype) -> Tensor:
    """The result of a factory, a plain tensor on `device`."""
    if node.op == "const":
        return torch.tensor(node.args[0], dtype=dtype, device=device)
    if node.op in _FILLS:
        value, place = _FILLS[node.op]
        filled: Any = value if place is None else node.args[place]
        return torch.full(node.results[0].shape, filled, dtype=dtype, device=device)
    arguments = [item for item in node.args if not isinstance(item, DTypeName)]
    result: Tensor = overload_of(node.op)(*arguments, dtype=dtype, device=device)
    return result
