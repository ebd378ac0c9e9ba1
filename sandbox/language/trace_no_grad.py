"""`torch.no_grad()` regions of a captured graph, turned into detached values. Runs inside the sandbox."""

from __future__ import annotations

import operator

import torch
from torch import Tensor, fx


def detach_no_grad(graph: fx.Graph) -> None:
    """Removes the switches of `torch.no_grad()`; what was computed inside and is used outside is detached instead."""
    enabled = True
    inside: dict[fx.Node, None] = {}  # in order
    for node in list(graph.nodes):
        if node.target is torch._C._set_grad_enabled:
            enabled = bool(node.args[0])
            graph.erase_node(node)
        elif node.op == "call_function" and (not enabled or (node.target is operator.getitem and node.args[0] in inside)):
            inside[node] = None
    for node in inside:
        outside = [user for user in node.users if user not in inside]
        if outside and _carries_gradient(node):
            _detach_for(graph, node, outside)


def _detach_for(graph: fx.Graph, node: fx.Node, users: list[fx.Node]) -> None:
    with graph.inserting_after(node):
        cut = graph.call_function(torch.ops.aten.detach.default, (node,))
    cut.meta = dict(node.meta)
    for user in users:
        user.replace_input_with(node, cut)


def _carries_gradient(node: fx.Node) -> bool:
    value = node.meta.get("val")
    return isinstance(value, Tensor) and value.dtype.is_floating_point
