"""A call of the loss caught as a graph of ATen operations, each with its place in the text. Runs inside the sandbox."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar
from unittest.mock import patch

import torch
from torch import Tensor, fx
from torch.fx.experimental import proxy_tensor

from sandbox.language.trace_faults import NOWHERE, Place, TraceError, running_place

RAW_NODES = 12_000
"""While tracing; what remains after dead code is gone has a bound of its own."""

PLACE = "place"
INPUT = "input"
_TO_NUMBER = frozenset({"aten.item.default", "aten._local_scalar_dense.default", "aten.is_nonzero.default", "aten.equal.default"})
_SIZE_FROM_DATA = frozenset(
    {"aten.nonzero.default", "aten.nonzero_numpy.default", "aten.argwhere.default", "aten.masked_select.default", "aten._unique2.default"}
)


def capture(function: Callable[..., list[Tensor]], inputs: Mapping[str, Tensor]) -> fx.GraphModule:
    """The graph of `function` called on fake copies of `inputs`: pre-dispatch, so that what torch calls one operation is one node.

    Raises TraceError where the program turns a tensor into a number, and whatever the program itself raises.
    """
    tracer = type("_NamedTracer", (_PlacedTracer,), {"names": tuple(inputs)})
    with patch.object(proxy_tensor, "PythonKeyTracer", tracer), _quiet():
        return proxy_tensor.make_fx(function, pre_dispatch=True, tracing_mode="fake")(*inputs.values())


def place_of(node: fx.Node) -> Place:
    """Where in the text `node` came from."""
    place = node.meta.get(PLACE, NOWHERE)
    return place if isinstance(place, Place) else NOWHERE


class _PlacedTracer(proxy_tensor.PythonKeyTracer):
    """Notes where each node came from, and stops at what can never become part of a graph while the text still stands there."""

    names: ClassVar[tuple[str, ...]] = ()

    def create_node(self, kind: str, target: Any, args: Any, kwargs: Any, *rest: Any, **more: Any) -> fx.Node:
        name = str(target)
        if len(self.graph.nodes) > RAW_NODES:
            raise TraceError("too-many-nodes")
        if name in _TO_NUMBER:
            _refuse_number(args[0])
        if name in _SIZE_FROM_DATA:
            raise TraceError("data-dependent-shape")
        if name in {"aten.index.Tensor", "aten.index.Tensor_hacked_twin"} and any(_is_mask(one) for one in args[1]):
            raise TraceError("data-dependent-shape")
        node = super().create_node(kind, target, args, kwargs, *rest, **more)
        node.meta[PLACE] = running_place(sys._getframe())
        if kind == "placeholder":
            node.meta[INPUT] = self.names[len(self.graph.nodes) - 1]
        return node


def _refuse_number(argument: Any) -> None:
    """A number computed from constants alone deserves its own advice: constants are tensors, so that they can be tuned."""
    sources = _sources(argument) if isinstance(argument, fx.Node) else set()
    if sources and all(source.startswith("c.") for source in sources):
        raise TraceError("constant-as-number", name=min(sources).removeprefix("c."))
    raise TraceError("data-dependent")


def _sources(node: fx.Node) -> set[str]:
    """Names of the inputs that `node` depends on."""
    found: set[str] = set()
    seen: set[fx.Node] = set()
    pending = [node]
    while pending:
        one = pending.pop()
        if one in seen:
            continue
        seen.add(one)
        pending.extend(one.all_input_nodes)
        if one.op == "placeholder":
            found.add(one.meta[INPUT])
    return found


def _is_mask(argument: Any) -> bool:
    value = argument.meta.get("val") if isinstance(argument, fx.Node) else argument
    return isinstance(value, Tensor) and value.dtype in {torch.bool, torch.uint8}


@contextmanager
def _quiet() -> Iterator[None]:
    """Torch logs a traceback for every shape error it meets while tracing; ours are reported by code."""
    logger = logging.getLogger("torch._subclasses.fake_tensor")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)
