"""What the verifier accepts, and one attack or mistake a row for what it refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch

from sandbox.errors import Gate, Refusal
from sandbox.graph.bounds import Bounds
from sandbox.graph.graph import DTypeName, Ref, TensorType
from sandbox.graph.signature import Input
from sandbox.graph.verify import verify
from tests.sandbox.graph.support import STATE_OUTPUTS, graph_json, graph_of, ppo, q_learning, signature, text_of, with_state

INPUTS = signature()  # T 5, B 3, A 4
REWARDS = ["input", ["rewards"], {}]
ACTIONS = ["input", ["actions"], {}]
LOGITS = ["input", ["online.logits"], {}]
R = {"n": 0}
F32, I64, B8 = {"dtype": "float32"}, {"dtype": "int64"}, {"dtype": "bool"}


def refusal(text: str, outputs: tuple[str, ...] = ("loss",), bounds: Bounds | None = None) -> Refusal:
    with pytest.raises(Refusal) as caught:
        verify(text, INPUTS, outputs, 4, bounds or Bounds())
    assert caught.value.gate is Gate.TRACE
    assert caught.value.message
    assert caught.value.remedy
    return caught.value


def call(op: str, *args: Any, **kwargs: Any) -> list[Any]:
    return [op, list(args), kwargs]


# ------------------------------------------------------------------------------------------------------------------ accepted
@pytest.mark.parametrize("loss", [ppo, q_learning])
@pytest.mark.parametrize("shape", [(5, 3, 4), (20, 8, 4), (1, 1, 4)])
def test_losses_are_accepted(loss: Any, shape: tuple[int, int, int]) -> None:
    graph = graph_of(loss, signature(*shape))
    assert graph.type_of(graph.outputs[0]) == TensorType(shape[:2], "float32")
    assert graph.work > 0
    assert not any(node.inserted for node in graph.nodes)


def test_state_is_an_output() -> None:
    graph = graph_of(with_state, outputs=STATE_OUTPUTS)
    assert graph.output_names == STATE_OUTPUTS
    assert [graph.type_of(ref).shape for ref in graph.outputs] == [(5, 3), (), ()]


def test_the_same_text_verifies_at_another_shape() -> None:
    text = text_of(ppo, signature(5, 3, 4))
    graph = verify(text, signature(9, 2, 7), ("loss",), 7)
    assert graph.type_of(graph.outputs[0]).shape == (9, 2)


def test_a_scalar_loss_is_accepted() -> None:
    graph = verify(graph_json([REWARDS, call("aten.mean.default", R)]), INPUTS, ("loss",))
    assert graph.type_of(graph.outputs[0]).shape == ()


def test_arguments_are_put_in_order_and_defaults_dropped() -> None:
    rows = [
        REWARDS,
        call("aten.sum.dim_IntList", R, dim=[-1], keepdim=False),
        call("aten.sum.dim_IntList", R, -1),
        call("aten.mean.default", R),
    ]
    nodes = verify(graph_json(rows), INPUTS, ("loss",)).nodes
    assert nodes[1].args == nodes[2].args == (Ref(0), (-1,))
    assert nodes[1].kwargs == ()


def test_lines_are_kept() -> None:
    assert [node.line for node in verify(graph_json([REWARDS, call("aten.neg.default", R)]), INPUTS, ("loss",)).nodes] == [0, 2]


def test_nonsense_lines_are_no_lines() -> None:
    document = {"nodes": [REWARDS, call("aten.neg.default", R)], "outputs": {"loss": {"n": 1}}, "lines": ["a", -5]}
    assert verify(json.dumps(document), INPUTS, ("loss",)).nodes[1].line == 0


def test_literals_become_nodes() -> None:
    rows = [["const", [[1.0, {"float": "inf"}, 2], "float32"], {}], REWARDS, call("aten.mean.default", {"n": 1})]
    node = verify(graph_json(rows), INPUTS, ("loss",)).nodes[0]
    assert node.args == ((1.0, float("inf"), 2), DTypeName("float32"))


# ------------------------------------------------------------------------------------------------------------------ indices
def test_an_index_of_unknown_range_is_clamped() -> None:
    rows = [LOGITS, ACTIONS, call("aten.mul.Tensor", {"n": 1}, 7), call("aten.slice.Tensor", R, 0, 0, -1)]
    rows += [
        call("aten.unsqueeze.default", {"n": 2}, -1),
        call("aten.gather.default", {"n": 3}, -1, {"n": 4}),
        call("aten.sum.dim_IntList", {"n": 5}, [-1]),
    ]
    graph = verify(graph_json(rows), INPUTS, ("loss",), 4)
    (clamp,) = [node for node in graph.nodes if node.inserted]
    assert (clamp.op, clamp.args[1:]) == ("aten.clamp.default", (0, 3))


def test_actions_are_clamped_where_their_number_is_not_told() -> None:
    text = text_of(ppo)
    assert sum(node.inserted for node in verify(text, INPUTS, ("loss",)).nodes) == 1
    assert not any(node.inserted for node in verify(text, INPUTS, ("loss",), 4).nodes)


@pytest.mark.parametrize(
    "loss",
    [
        lambda t: t["online.value"][torch.argmax(t["rewards"], 0)].mean(),
        lambda t: t["rewards"][:, torch.arange(3)],
        lambda t: t["rewards"].take_along_dim(torch.argsort(t["continues"], 0), 0),
        lambda t: t["rewards"].gather(0, t["rewards"].sort(0).indices),
        lambda t: torch.tensor([1.0, 2.0, 3.0])[(t["actions"] + 1) % 3],
        lambda t: torch.tensor([1.0, 2.0])[(t["rewards"] > 0).long()],
        lambda t: torch.tensor([1.0, 2.0, 3.0])[t["rewards"].long().clamp(0, 2)],
        lambda t: t["rewards"][torch.where(t["actions"] > 1, 3 - t["actions"], t["actions"])].mean(),
    ],
)
def test_ranges_are_proven(loss: Any) -> None:
    assert not any(node.inserted for node in graph_of(loss).nodes)


@pytest.mark.parametrize(
    "loss",
    [
        lambda t: t["rewards"][t["actions"] * 7].mean(),
        lambda t: t["rewards"].take_along_dim(t["rewards"].long(), 0),
        lambda t: torch.index_select(t["rewards"], 0, t["actions"][:, 0] + 3),
        lambda t: torch.take(t["rewards"], t["actions"] - 1000),
        lambda t: torch.nn.functional.cross_entropy(t["online.logits"][0], t["actions"][0] + 2),
        lambda t: t["rewards"][t["actions"].cumsum(0)].mean(),
        lambda t: t["rewards"][-t["actions"] - 4].mean(),
    ],
)
def test_ranges_that_cannot_be_proven_are_clamped(loss: Any) -> None:
    assert any(node.inserted for node in graph_of(loss).nodes)


def test_one_hot_becomes_a_comparison() -> None:
    graph = graph_of(lambda t: (torch.nn.functional.one_hot(t["actions"], 4) * t["online.logits"][:-1]).sum(-1))
    assert "aten.one_hot.default" not in {node.op for node in graph.nodes}
    assert "aten.eq.Tensor" in {node.op for node in graph.nodes}


# ------------------------------------------------------------------------------------------------------------------ refused
@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "[]",
        "7",
        "null",
        '{"nodes": []}',
        '{"nodes": {}, "outputs": {}}',
        '{"nodes": [], "outputs": []}',
        '{"nodes": ["x"], "outputs": {}}',
        '{"nodes": [["input", ["rewards"]]], "outputs": {}}',
        '{"nodes": [[1, [], {}]], "outputs": {}}',
        '{"nodes": [["input", ["rewards"], []]], "outputs": {}}',
        "[" * 100_000,
        '{"a":' * 50_000,
        '{"nodes": [["input", ["rewards"], {}]], "outputs": {"loss": {"n": ' + "9" * 5000 + "}}}",
        "\ud800",
    ],
)
def test_malformed_text(text: str) -> None:
    assert refusal(text).code == "malformed"


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        # operations
        ([REWARDS, call("os.system", "id")], "unknown-operation"),
        ([REWARDS, call("builtins.eval", "1")], "unknown-operation"),
        ([REWARDS, call("aten.add", R, R)], "unknown-operation"),
        ([REWARDS, call("aten.__class__.default", R)], "unknown-operation"),
        ([REWARDS, call("x" * 10_000, R)], "unknown-operation"),
        ([REWARDS, call("aten.as_strided.default", R, [100], [1])], "unknown-operation"),
        ([REWARDS, call("aten.empty.memory_format", [5, 3])], "unknown-operation"),
        ([REWARDS, call("aten.from_file.default", "/etc/passwd", size=10)], "unknown-operation"),
        ([REWARDS, call("aten.item.default", R)], "item"),
        ([REWARDS, call("aten._local_scalar_dense.default", R)], "item"),
        ([REWARDS, call("aten.nonzero.default", R)], "boolean-index"),
        ([REWARDS, call("aten.masked_select.default", R, R)], "boolean-index"),
        ([REWARDS, call("aten.rand_like.default", R)], "random"),
        ([REWARDS, call("aten.bernoulli.default", R)], "random"),
        ([REWARDS, call("aten.dropout.default", R, 0.5, True)], "random"),
        ([REWARDS, call("aten.add_.Tensor", R, 1)], "in-place"),
        ([REWARDS, call("aten.resize_.default", R, [10_000])], "in-place"),
        # references
        ([REWARDS, call("aten.neg.default", {"n": 1})], "malformed"),
        ([REWARDS, call("aten.neg.default", {"n": 5})], "malformed"),
        ([REWARDS, call("aten.neg.default", {"n": -1})], "malformed"),
        ([REWARDS, call("aten.neg.default", {"n": True})], "malformed"),
        ([REWARDS, call("aten.neg.default", {"n": 0, "o": 0})], "malformed"),
        ([REWARDS, call("aten.max.dim", R, 0), call("aten.neg.default", {"n": 1})], "malformed"),
        ([REWARDS, call("aten.max.dim", R, 0), call("aten.neg.default", {"n": 1, "o": 2})], "malformed"),
        ([REWARDS, call("aten.neg.default", {"evil": 1})], "malformed"),
        ([["input", ["weights"], {}]], "malformed"),
        ([["input", [["rewards"]], {}]], "malformed"),
        ([["input", ["rewards"], {"a": 1}]], "malformed"),
        # arguments
        ([REWARDS, call("aten.neg.default")], "argument"),
        ([REWARDS, call("aten.neg.default", R, R)], "argument"),
        ([REWARDS, call("aten.neg.default", 1.0)], "argument"),
        ([REWARDS, call("aten.neg.default", [R])], "argument"),
        ([REWARDS, call("aten.neg.default", R, out=R)], "argument"),
        ([REWARDS, call("aten.neg.default", R, self=R)], "argument"),
        ([REWARDS, call("aten.sum.dim_IntList", R, [0.5])], "argument"),
        ([REWARDS, call("aten.sum.dim_IntList", R, [R])], "argument"),
        ([REWARDS, call("aten.sum.dim_IntList", R, [0], 1)], "argument"),
        ([REWARDS, call("aten.clamp.default", R, "low")], "argument"),
        ([REWARDS, call("aten.mse_loss.default", R, R, 7)], "argument"),
        ([REWARDS, call("aten.einsum.default", "ij,ij->ij; import os", [R, R])], "argument"),
        ([REWARDS, call("aten.pad.default", R, [1, 1], "reflect")], "argument"),
        ([REWARDS, call("aten.cat.default", [R] * 2000)], "argument"),
        ([REWARDS, call("aten.sum.dim_IntList", R, [[[[[[[[[[[[1]]]]]]]]]]]])], "argument"),
        ([REWARDS, call("aten.zeros.default", [5, 3], device="cuda")], "device"),
        ([REWARDS, call("aten.zeros.default", [5, 3], pin_memory=True)], "device"),
        ([REWARDS, call("aten.to.dtype", R, {"dtype": "complex64"})], "dtype"),
        ([REWARDS, call("aten.to.dtype", R, {"dtype": ["float32"]})], "dtype"),
        ([REWARDS, call("aten.add.Tensor", R, 1 << 70)], "not-finite"),
        ([REWARDS, call("aten.add.Tensor", R, {"float": "nan"})], "not-finite"),
        ([REWARDS, call("aten.add.Tensor", R, 1e999)], "not-finite"),
        # literals
        ([["const", [[[1.0], [1.0, 2.0]], "float32"], {}]], "malformed"),
        ([["const", [[R], "float32"], {}]], "malformed"),
        ([["const", ["x", "float32"], {}]], "malformed"),
        ([["const", [[1.0], "float16"], {}]], "dtype"),
        ([["const", [[1.0]], {}]], "dtype"),
        ([["const", [[1.0] * 2000, "float32"], {}]], "argument"),
        ([["const", [[[0.0] * 1024] * 100, "float32"], {}]], "malformed"),
        # shapes
        ([REWARDS, call("aten.add.Tensor", R, R), LOGITS, call("aten.add.Tensor", R, {"n": 2})], "shape"),
        ([REWARDS, call("aten.sum.dim_IntList", R, [7])], "shape"),
        ([REWARDS, call("aten.select.int", R, 0, 99)], "shape"),
        ([REWARDS, call("aten.reshape.default", R, [4, 4])], "shape"),
        ([REWARDS, call("aten.mm.default", R, R)], "shape"),
        ([REWARDS, call("aten.stack.default", [])], "shape"),
        # indices
        ([REWARDS, ACTIONS, call("aten.gt.Scalar", R, 0), call("aten.index.Tensor", R, [{"n": 2}])], "boolean-index"),
        ([REWARDS, call("aten.index.Tensor", R, [R])], "index"),
        ([REWARDS, ACTIONS, call("aten.slice.Tensor", R, 0, 0, 0), call("aten.index.Tensor", {"n": 2}, [{"n": 1}])], "index"),
        ([ACTIONS, call("aten.one_hot.default", R)], "one-hot"),
        ([ACTIONS, call("aten.one_hot.default", R, -1)], "one-hot"),
        ([REWARDS, call("aten.one_hot.default", R, 3)], "index"),
        # integers
        ([ACTIONS, call("aten.floor_divide.default", R, R)], "integer-division"),
        ([ACTIONS, call("aten.floor_divide.default", R, -1)], "integer-division"),
        ([ACTIONS, call("aten.remainder.Scalar", R, 0)], "integer-division"),
        ([ACTIONS, call("aten.remainder.Tensor", R, R)], "integer-division"),
        ([ACTIONS, call("aten.div.Tensor_mode", R, R, rounding_mode="floor")], "integer-division"),
        ([ACTIONS, call("aten.pow.Tensor_Tensor", R, R)], "integer-division"),
        # sizes
        ([REWARDS, call("aten.arange.default", 10**15)], "too-large"),
        ([REWARDS, call("aten.expand.default", R, [10**7, 5, 3]), call("aten.exp.default", {"n": 1})], "too-large"),
        ([REWARDS, call("aten.zeros.default", [1 << 13, 1 << 13, 4])], "too-large"),
        ([REWARDS, call("aten.arange.default", 1 << 25), call("aten.unbind.int", {"n": 1})], "too-many-parts"),
        ([REWARDS, call("aten.arange.default", 1 << 25), call("aten.split.Tensor", {"n": 1}, 1)], "too-many-parts"),
        ([REWARDS, call("aten.chunk.default", R, 1 << 40)], "too-many-parts"),
        ([REWARDS, call("aten.arange.default", 1 << 25), call("aten.diff.default", {"n": 1}, 1 << 24)], "too-large"),
        # outputs
        ([ACTIONS], "loss-shape"),
        ([LOGITS], "loss-shape"),
        ([REWARDS, call("aten.gt.Scalar", R, 0)], "loss-shape"),
    ],
)
def test_refused(rows: list[Any], code: str) -> None:
    assert refusal(graph_json(rows)).code == code


def test_a_hundred_megabytes_are_not_even_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json, "loads", lambda text: pytest.fail("parsed"))
    assert refusal('{"nodes": [' + " " * 100_000_000 + '], "outputs": {}}').code == "too-large"


def test_nan_in_json_is_refused() -> None:
    assert (
        refusal('{"nodes": [["input", ["rewards"], {}], ["aten.add.Tensor", [{"n": 0}, NaN], {}]], "outputs": {"loss": {"n": 1}}}').code
        == "not-finite"
    )


def test_a_refusal_names_the_line() -> None:
    assert refusal(graph_json([REWARDS, call("aten.item.default", R)])).line == 2
    assert refusal(graph_json([REWARDS, call("aten.mm.default", R, R)])).line == 2


def test_what_came_from_outside_is_not_repeated() -> None:
    assert "secret" not in str(refusal(graph_json([REWARDS, call("aten.secret.default", R)])))


@pytest.mark.parametrize("named", [{}, {"loss": R, "extra": R}, {"lost": R}])
def test_outputs_must_be_those_asked_for(named: dict[str, Any]) -> None:
    assert refusal(json.dumps({"nodes": [REWARDS], "outputs": named})).code == "outputs"


@pytest.mark.parametrize("value", [7, None, [R], {"n": 9}, {"n": 0, "o": 1}])
def test_outputs_must_be_references(value: Any) -> None:
    assert refusal(json.dumps({"nodes": [REWARDS], "outputs": {"loss": value}})).code == "malformed"


def test_state_keeps_its_shape_and_type() -> None:
    rows = [REWARDS, call("aten.mean.default", R), ACTIONS, call("aten.sum.default", {"n": 2})]
    for wrong in ({"n": 0}, {"n": 3}):
        text = graph_json(rows, loss=R, **{"state.mean": wrong, "state.scale": {"n": 1}})
        assert refusal(text, STATE_OUTPUTS).code == "state-shape"


def test_bounds_hold() -> None:
    rows = [REWARDS] + [call("aten.exp.default", {"n": k}) for k in range(50)]
    assert refusal(graph_json(rows), bounds=Bounds(nodes=50)).code == "too-many-nodes"
    assert refusal(graph_json(rows), bounds=Bounds(memory=1000)).code == "too-large"
    assert refusal(graph_json(rows), bounds=Bounds(work=1000)).code == "too-much-work"
    assert refusal(graph_json(rows), bounds=Bounds(dispatches=20)).code == "too-much-work"
    assert refusal(graph_json(rows), bounds=Bounds(characters=100)).code == "too-large"
    verify(graph_json(rows), INPUTS, ("loss",))


def test_the_work_of_a_matrix_product_is_counted() -> None:
    inputs = (Input("x", (64, 32), "float32"), Input("y", (32, 16), "float32"))
    rows = [["input", ["x"], {}], ["input", ["y"], {}], call("aten.matmul.default", R, {"n": 1}), call("aten.sum.default", {"n": 2})]
    work = verify(graph_json(rows), inputs, ("loss",)).work
    assert 2 * 64 * 32 * 16 <= work <= 1.2 * 2 * 64 * 32 * 16


def test_views_need_no_memory() -> None:
    views = [REWARDS, call("aten.t.default", R), call("aten.t.default", {"n": 1}), call("aten.mean.default", {"n": 2})]
    assert verify(graph_json(views), INPUTS, ("loss",)).memory == 4
