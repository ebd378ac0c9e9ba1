"""Between which numbers the entries of integer tensors lie: what lets the verifier prove that an index is in range.

An interval is `(low, high)`, both included, or None where nothing is known. Every rule may be too wide, none too narrow.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

from sandbox.graph.graph import Argument, Node, Ref, TensorType

Interval: TypeAlias = "tuple[int, int] | None"
Lookup: TypeAlias = Callable[[Ref], Interval]
Types: TypeAlias = Callable[[Ref], TensorType]

_LARGEST = 1 << 62

# Entries of the result are entries of the first argument.
_PICKS = frozenset(
    """select slice narrow unfold squeeze unsqueeze reshape view view_as reshape_as flatten unflatten ravel permute transpose t numpy_T mT
    movedim moveaxis swapaxes swapdims expand expand_as broadcast_to repeat tile repeat_interleave roll flip flipud fliplr rot90 diagonal
    detach clone alias lift_fresh_copy positive to type_as gather take_along_dim index_select take index amax amin split split_with_sizes
    chunk unbind""".split()  # noqa: SIM905
)
# The first result's entries are, and the second's are positions along an axis.
_PICKS_WITH_POSITIONS = frozenset({"max", "min", "sort", "topk", "median", "cummax", "cummin"})
_POSITIONS = frozenset({"argmax", "argmin", "argsort"})
# Entries of the result are entries of any tensor among the arguments.
_MIXES = frozenset(
    """cat concat concatenate stack hstack vstack where maximum minimum broadcast_tensors select_scatter slice_scatter
    meshgrid""".split()  # noqa: SIM905
)
_FILLS = ("zeros", "ones", "full", "zeros_like", "ones_like", "full_like", "new_zeros", "new_ones", "new_full")


def interval_of(node: Node, output: int, known: Lookup, types: Types) -> Interval:
    """The interval of one result of `node`."""
    result = node.results[output]
    if result.dtype == "bool":
        return (0, 1)
    if result.dtype != "int64":
        return None
    name = node.op.split(".")[1] if "." in node.op else node.op
    if name in _POSITIONS or (name in _PICKS_WITH_POSITIONS and output == 1):
        return (0, max(0, _positions(node, name, types(next(node.refs())).shape) - 1))
    if name in _PICKS or (name in _PICKS_WITH_POSITIONS and not node.op.endswith(".other")):
        return known(next(node.refs()))
    if name in _MIXES or node.op.endswith(".other"):
        return _union([_of(item, known) for item in _values(node)])
    rule = _RULES.get(name)
    return _narrow(rule(node, known, types)) if rule else None


def _positions(node: Node, name: str, shape: tuple[int, ...]) -> int:
    """How many positions there are along the axis an operation speaks of; all entries where it names none."""
    place = 2 if name == "topk" else 1
    axis = dict(node.kwargs).get("dim", node.args[place] if len(node.args) > place else None)
    if axis is None and name in ("sort", "argsort", "topk"):
        axis = -1
    if type(axis) is int and -len(shape) <= axis < len(shape):  # shapes alone do not stop an axis that is not there
        return shape[axis]
    return math.prod(shape)


def _values(node: Node) -> list[Argument]:
    """What is mixed: every tensor and number but a `where`'s condition and a scatter's positions."""
    if node.op.startswith("aten.where."):
        return list(node.args[1:])
    return list(node.refs())


def _of(item: Argument, known: Lookup) -> Interval:
    if isinstance(item, Ref):
        return known(item)
    return (item, item) if type(item) is int else None


def _union(intervals: list[Interval]) -> Interval:
    sure = [interval for interval in intervals if interval is not None]
    if len(sure) < len(intervals) or not sure:
        return None
    return min(low for low, _ in sure), max(high for _, high in sure)


def _narrow(interval: Interval) -> Interval:
    """Forgets what might overflow."""
    return interval if interval is not None and -_LARGEST < interval[0] <= interval[1] < _LARGEST else None


def _clamp(node: Node, known: Lookup, _: Types) -> Interval:
    """Bounds that are literal integers hold whatever came in."""
    low, high = (*node.args[1:], None, None)[:2]
    keywords = dict(node.kwargs)
    low, high = keywords.get("min", low), keywords.get("max", high)
    before = known(next(node.refs()))
    if type(low) is int and type(high) is int:
        return (min(low, high), high)
    if before is None:
        return None
    if type(low) is int:
        return (max(before[0], low), max(before[1], low))
    return (min(before[0], high), min(before[1], high)) if type(high) is int else None


def _clamp_one_side(node: Node, known: Lookup, _: Types) -> Interval:
    before, bound = known(next(node.refs())), _of(node.args[1], known)
    if before is None or bound is None:
        return None
    if ".clamp_min." in node.op:
        return (max(before[0], bound[0]), max(before[1], bound[1]))
    return (min(before[0], bound[0]), min(before[1], bound[1]))


def _combine(node: Node, known: Lookup, _: Types) -> Interval:
    """add, sub, rsub and mul of two intervals."""
    left, right = (_of(item, known) for item in node.args[:2])
    if left is None or right is None or node.kwargs:
        return None
    if ".add." in node.op:
        return (left[0] + right[0], left[1] + right[1])
    if ".mul." in node.op:
        corners = [one * other for one in left for other in right]
        return (min(corners), max(corners))
    if ".rsub." in node.op:
        left, right = right, left
    return (left[0] - right[1], left[1] - right[0])


def _remainder(node: Node, _: Lookup, __: Types) -> Interval:
    divisor = node.args[1]
    return (0, divisor - 1) if type(divisor) is int and divisor > 0 else None


def _arange(node: Node, _: Lookup, __: Types) -> Interval:
    numbers = [item for item in node.args if type(item) is int]
    if len(numbers) != len(node.args):
        return None
    start, end, step = (0, *numbers, 1) if len(numbers) == 1 else (*numbers, 1)[:3]
    return (start, max(start, end - 1)) if step > 0 else (min(start, end + 1), start)


def _filled(node: Node, _: Lookup, __: Types) -> Interval:
    value = node.args[1] if "full" in node.op else int("ones" in node.op)
    return (value, value) if type(value) is int else None


def _constant(node: Node, _: Lookup, __: Types) -> Interval:
    numbers = list(_numbers(node.args[0]))
    return (min(numbers), max(numbers)) if numbers else None


def _numbers(value: Argument) -> list[int]:
    if isinstance(value, tuple):
        return [number for item in value for number in _numbers(item)]
    return [int(value)] if isinstance(value, int) else []


def _bucket(node: Node, _: Lookup, types: Types) -> Interval:
    boundaries = list(node.refs())[1]
    return (0, math.prod(types(boundaries).shape))


_RULES: dict[str, Callable[[Node, Lookup, Types], Interval]] = {
    "clamp": _clamp,
    "clip": _clamp,
    "clamp_min": _clamp_one_side,
    "clamp_max": _clamp_one_side,
    "add": _combine,
    "sub": _combine,
    "rsub": _combine,
    "mul": _combine,
    "remainder": _remainder,
    "arange": _arange,
    "const": _constant,
    "bucketize": _bucket,
    **dict.fromkeys(_FILLS, _filled),
}
