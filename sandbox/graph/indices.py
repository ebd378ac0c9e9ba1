"""Which arguments are indices, and into how many entries: an index out of range must not reach a kernel.

On a CPU it raises; on a GPU it kills the context for everybody in the process. So what is not proven to be in range is clamped.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from sandbox.graph.graph import Argument, Ref
from sandbox.graph.ranges import Types


class Index(NamedTuple):
    """One index argument: its value must lie in `[low, size - 1]`, low being 0, or -size where counting from the end is allowed."""

    ref: Ref
    low: int
    size: int


def indices_of(op: str, args: tuple[Argument, ...], types: Types) -> list[Index]:
    """Every index among the arguments of an operation."""
    tensor = next((item for item in args if isinstance(item, Ref)), None)
    if tensor is None:
        return []
    shape = types(tensor).shape
    name = op.split(".")[1]
    if name == "index":
        places = args[1] if isinstance(args[1], tuple) else ()
        return [Index(ref, -_size(shape, axis), _size(shape, axis)) for axis, ref in enumerate(places) if isinstance(ref, Ref)]
    if name == "take":
        return _integers(args[1], types, -math.prod(shape), math.prod(shape))
    if name in ("gather", "index_select"):
        return _integers(args[2], types, 0, _size(shape, args[1]))
    if name == "take_along_dim":
        return _integers(args[1], types, 0, _size(shape, args[2]) if len(args) > 2 else math.prod(shape))
    if name in ("cross_entropy_loss", "nll_loss_nd"):
        return _integers(args[1], types, 0, _size(shape, 1 if len(shape) > 1 else 0))
    return []


def _integers(item: Argument, types: Types, low: int, size: int) -> list[Index]:
    """Class probabilities, which are floats, are no indices."""
    return [Index(item, low, size)] if isinstance(item, Ref) and types(item).dtype != "float32" else []


def _size(shape: tuple[int, ...], axis: Argument) -> int:
    """Entries along an axis; 1 for a number's only one. An axis that does not exist gives 0, which is then refused."""
    if not shape:
        return 1
    return shape[axis] if isinstance(axis, int) and -len(shape) <= axis < len(shape) else 0
