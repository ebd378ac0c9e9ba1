"""A function of nested tensors as the flat list of operations that it comes to.

Differentiating under `torch.func.vmap` costs more in bookkeeping than in arithmetic where tensors are small: each operation passes through
three layers of transforms. A window calls the same functions with the same shapes over and over, so they are recorded once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.fx import GraphModule
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils import _pytree as pytree


def unrecorded(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function itself, for runs too short to pay for a recording."""
    return function


class Recorded:
    """Records `function` at the first call with arguments of some structure and shapes, and replays it from then on.

    The function must be pure and its operations the same for all values. Results carry no gradient.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._recordings: dict[Any, tuple[GraphModule, pytree.TreeSpec]] = {}

    def __call__(self, *arguments: Any) -> Any:
        """What the function returns."""
        leaves, structure = pytree.tree_flatten(arguments)
        key = (structure, tuple((leaf.shape, leaf.dtype) for leaf in leaves))
        if key not in self._recordings:
            self._recordings[key] = self._record(leaves, structure)
        graph, shape_of_result = self._recordings[key]
        with torch.no_grad():
            return pytree.tree_unflatten(graph(*leaves), shape_of_result)

    def _record(self, leaves: list[Any], structure: pytree.TreeSpec) -> tuple[GraphModule, pytree.TreeSpec]:
        returned: list[pytree.TreeSpec] = []

        def flat(*leaves: torch.Tensor) -> list[Any]:
            results, shape_of_result = pytree.tree_flatten(self._function(*pytree.tree_unflatten(list(leaves), structure)))
            returned.append(shape_of_result)
            return results

        graph = make_fx(flat)(*leaves)
        graph.graph.eliminate_dead_code()
        graph.recompile()
        return graph, returned[-1]
