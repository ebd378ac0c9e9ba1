"""Intervals are never too narrow: what a graph computes lies in the interval the verifier believes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.graph.graph import Node, Ref, TensorType
from sandbox.graph.ranges import Interval, interval_of
from sandbox.graph.verify import verify
from tests.sandbox.graph.support import signature

INPUTS = signature()


def interval(
    op: str, args: list[Any], known: dict[int, Interval], shapes: dict[int, tuple[int, ...]], result: str = "int64", output: int = 0
) -> Interval:
    node = Node(op, tuple(args), (), (TensorType((), "int64"),) * output + (TensorType((), result),), output > 0)  # type: ignore[arg-type]
    return interval_of(node, output, lambda ref: known.get(ref.node), lambda ref: TensorType(shapes.get(ref.node, (5, 3)), "int64"))


X, Y = Ref(0), Ref(1)


@pytest.mark.parametrize(
    ("op", "args", "wanted"),
    [
        ("aten.neg.default", [X], None),
        ("aten.add.Tensor", [X, Y], (-1, 7)),
        ("aten.add.Tensor", [X, 10], (12, 15)),
        ("aten.sub.Tensor", [X, Y], (0, 8)),
        ("aten.rsub.Scalar", [X, 4], (-1, 2)),
        ("aten.mul.Tensor", [X, Y], (-15, 10)),
        ("aten.mul.Tensor", [X, 1 << 62], None),
        ("aten.clamp.default", [Ref(2), 0, 3], (0, 3)),
        ("aten.clamp.default", [Ref(2), None, 3], None),
        ("aten.clamp.default", [X, None, 3], (2, 3)),
        ("aten.clamp_min.default", [Y, 0], (0, 2)),
        ("aten.clamp_max.default", [X, 3], (2, 3)),
        ("aten.maximum.default", [X, Y], (-3, 5)),
        ("aten.where.self", [Ref(2), X, Y], (-3, 5)),
        ("aten.where.ScalarOther", [Ref(2), X, 9], (2, 9)),
        ("aten.where.ScalarOther", [Ref(2), X, 0.5], None),
        ("aten.remainder.Scalar", [Ref(2), 3], (0, 2)),
        ("aten.remainder.Scalar", [Ref(2), -3], None),
        ("aten.cat.default", [(X, Y)], (-3, 5)),
        ("aten.cat.default", [(X, Ref(2))], None),
        ("aten.gather.default", [X, 0, Y], (2, 5)),
        ("aten.cumsum.default", [X, 0], None),
        ("aten.arange.default", [4], (0, 3)),
        ("aten.arange.start_step", [9, 2, -2], (3, 9)),
        ("aten.full.default", [(3,), 7], (7, 7)),
        ("aten.zeros_like.default", [Ref(2)], (0, 0)),
        ("const", [(3, (1, 8)), "int64"], (1, 8)),
        ("aten.argmax.default", [X, 1], (0, 2)),
        ("aten.argmax.default", [X], (0, 14)),
        ("aten.argsort.default", [X], (0, 2)),
        ("aten.argsort.default", [X, 7], (0, 14)),
        ("aten.sum.default", [X], None),
    ],
)
def test_interval(op: str, args: list[Any], wanted: Interval) -> None:
    assert interval(op, args, {0: (2, 5), 1: (-3, 2)}, {}) == wanted


def test_positions_are_the_second_result() -> None:
    assert interval("aten.max.dim", [X, 0], {0: (2, 5)}, {}, output=1) == (0, 4)
    assert interval("aten.topk.default", [X, 2, 1], {0: (2, 5)}, {}, output=1) == (0, 2)


def test_masks_are_zero_or_one_and_floats_unknown() -> None:
    assert interval("aten.gt.Scalar", [X, 0], {}, {}, "bool") == (0, 1)
    assert interval("aten.exp.default", [X], {0: (2, 5)}, {}, "float32") is None


def test_an_unproven_index_of_an_index_is_clamped_in_turn() -> None:
    rows: list[Any] = [["input", ["actions"], {}], ["input", ["rewards"], {}], ["aten.to.dtype", [{"n": 1}, {"dtype": "int64"}], {}]]
    rows += [
        ["aten.take.default", [{"n": 0}, {"n": 2}], {}],
        ["aten.index.Tensor", [{"n": 1}, [{"n": 3}]], {}],
        ["aten.mean.default", [{"n": 4}], {}],
    ]
    graph = verify(json.dumps({"nodes": rows, "outputs": {"loss": {"n": 5}}}), INPUTS, ("loss",), 4)
    # `take` of positions nobody knows is clamped; what it takes are actions, below 4, and rewards have 5 rows: no second clamp.
    assert [node.args[1:] for node in graph.nodes if node.inserted] == [(-15, 14)]
