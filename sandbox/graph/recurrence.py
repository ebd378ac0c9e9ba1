"""The one time recursion everything else rests on: y_t = b_t + a_t * y_{t+1}, as one node of a graph.

Returns, advantages and off-policy targets are all of this form. A loop over time would cost T operations (and T graph nodes); composing
the affine maps pairwise costs log2(T) vector steps (Blelloch, "Prefix sums and their applications", 1990) and is more exact besides.

The primitive is registered as a composite operation, so that tracing sees one node; what a graph runs is the plain function `scan`.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor

_torch: Any = torch  # the calls below have no types of their own
_LIBRARY = _torch.library.Library("lossmith", "DEF")
_LIBRARY.define("linear_recurrence(Tensor a, Tensor b, Tensor last) -> Tensor")


def scan(a: Tensor, b: Tensor, last: Tensor) -> Tensor:
    """y_t = b_t + a_t * y_{t+1} for t = T-1 … 0, with y_T = last.

    `a` and `b` broadcast to `[T, …]`, `last` to `[…]`; any number of trailing axes, differentiable any number of times.
    After step i, row t holds the composition of the maps t … t + 2^i - 1.
    """
    a, b = _torch.broadcast_tensors(a, b)
    span = 1
    while span < b.shape[0]:
        b = torch.cat([b[:-span] + a[:-span] * b[span:], b[-span:]])
        a = torch.cat([a[:-span] * a[span:], a[-span:]])
        span *= 2
    return b + a * last


_LIBRARY.impl("linear_recurrence", scan, "CompositeImplicitAutograd")
_LIBRARY.impl("linear_recurrence", scan, "FuncTorchBatchedDecomposition")  # without it vmap falls back to a loop, with a warning


def linear_recurrence(a: Tensor, b: Tensor, last: Tensor) -> Tensor:
    """`scan` as one traceable operation; same arguments and result."""
    return cast(Tensor, torch.ops.lossmith.linear_recurrence(a, b, last))
