from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from sandbox.graph.graph import DTypeName, Node, Ref
from sandbox.graph.overloads import overload_of
from sandbox.graph.run import compile_graph
from sandbox.graph.simplify import simplify
from sandbox.graph.targets import target_of
from sandbox.graph.verify import verify
from tests.sandbox.graph.support import (
    STATE_OUTPUTS,
    graph_json,
    graph_of,
    named,
    ppo,
    q_learning,
    random_inputs,
    signature,
    text_of,
    with_state,
)

INPUTS = signature()


def gradients(loss: Tensor, tensors: list[Tensor], create_graph: bool = False) -> list[Tensor]:
    wanted = [tensor for tensor in tensors if tensor.requires_grad]
    return list(torch.autograd.grad(loss.mean(), wanted, allow_unused=True, materialize_grads=True, create_graph=create_graph))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("loss", [ppo, q_learning, lambda t: with_state(t)[0]])
def test_loss_and_gradients_are_the_texts(loss: Any, dtype: torch.dtype) -> None:
    tensors = random_inputs(INPUTS, dtype=dtype)
    wanted = loss(named(INPUTS, tensors)) if loss is not q_learning or dtype == torch.float32 else None
    (found,) = compile_graph(graph_of(loss))(tensors)
    assert found.dtype == dtype
    if wanted is not None:
        assert torch.equal(found, wanted)
        for mine, texts in zip(gradients(found, tensors), gradients(wanted, tensors), strict=True):
            torch.testing.assert_close(mine, texts, rtol=1e-5, atol=1e-8)


def test_all_outputs_in_order() -> None:
    tensors = random_inputs(INPUTS)
    found = compile_graph(graph_of(with_state, outputs=STATE_OUTPUTS))(tensors)
    for mine, texts in zip(found, with_state(named(INPUTS, tensors)), strict=True):
        assert torch.equal(mine, texts)


def test_wrong_shapes_are_an_error() -> None:
    call = compile_graph(graph_of(ppo))
    with pytest.raises(ValueError, match="was verified for inputs of"):
        call(random_inputs(signature(6)))


def test_vmap_over_seeds_is_the_loop() -> None:
    call = compile_graph(graph_of(ppo))
    seeds = [[tensor.detach() for tensor in random_inputs(INPUTS, seed)] for seed in range(3)]
    place = next(place for place, entry in enumerate(INPUTS) if entry.name == "online.logits")

    def gradient(*tensors: Tensor) -> Tensor:
        def loss(logits: Tensor) -> Tensor:
            return call([*tensors[:place], logits, *tensors[place + 1 :]])[0].mean()

        return torch.func.grad(loss)(tensors[place])

    many = torch.func.vmap(gradient)(*(torch.stack(column) for column in zip(*seeds, strict=True)))
    one = torch.stack([gradient(*tensors) for tensors in seeds])
    torch.testing.assert_close(many, one)


def test_vmap_of_one_hot_and_indices() -> None:
    call = compile_graph(graph_of(q_learning))
    seeds = [[tensor.detach() for tensor in random_inputs(INPUTS, seed)] for seed in range(3)]
    many = torch.func.vmap(lambda *tensors: call(tensors)[0])(*(torch.stack(column) for column in zip(*seeds, strict=True)))
    torch.testing.assert_close(many, torch.stack([call(tensors)[0] for tensors in seeds]))


def test_second_derivatives() -> None:
    tensors = random_inputs(INPUTS, dtype=torch.float64)
    constant = next(place for place, entry in enumerate(INPUTS) if entry.name == "c.b")
    tensors[constant] = tensors[constant].requires_grad_()

    def along(loss: Tensor) -> Tensor:
        wanted = next(tensor for tensor, entry in zip(tensors, INPUTS, strict=True) if entry.name == "online.value")
        (gradient,) = torch.autograd.grad(loss.mean(), wanted, create_graph=True)
        (second,) = torch.autograd.grad(gradient.square().sum(), tensors[constant])
        return second

    torch.testing.assert_close(along(compile_graph(graph_of(ppo))(tensors)[0]), along(ppo(named(INPUTS, tensors))))


@pytest.mark.parametrize(
    "loss",
    [
        lambda t: t["rewards"] + t["actions"] / 3,
        lambda t: t["rewards"] + (t["actions"] + 1).log(),
        lambda t: t["rewards"] + torch.where(t["actions"] > 1, 0.1, 0.2),
        lambda t: t["rewards"] + torch.where(t["actions"] > 1, t["actions"], 0.1),
        lambda t: t["rewards"] + t["actions"] * 0.1,
        lambda t: t["rewards"] + torch.full((3,), 0.1),
        lambda t: t["rewards"] + torch.linspace(0, 0.7, 3),
        lambda t: t["rewards"] + torch.arange(3) / 7,
        lambda t: t["rewards"] + t["rewards"].new_full((3,), 0.1),
        lambda t: t["rewards"] + F.one_hot(t["actions"], 4).float().mean(-1),
    ],
)
def test_numbers_made_inside_have_all_digits_in_float64(loss: Any) -> None:
    tensors = random_inputs(INPUTS, dtype=torch.float64)
    (found,) = compile_graph(graph_of(loss))(tensors)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)  # what the text would give, had all its numbers been float64
    try:
        wanted = loss(named(INPUTS, tensors))
    finally:
        torch.set_default_dtype(before)
    assert found.dtype == torch.float64
    torch.testing.assert_close(found, wanted, rtol=1e-14, atol=1e-14)


def test_what_depends_on_no_input_is_kept_and_never_written_to() -> None:
    call = compile_graph(graph_of(lambda t: t["rewards"] + torch.ones(3).cumsum(0)))
    tensors = random_inputs(INPUTS)
    first = call(tensors)[0]
    first.add_(100)
    assert torch.equal(call(tensors)[0], tensors[1] + torch.arange(1, 4))


def test_slices_beyond_the_ends() -> None:
    for key in (slice(None, -1), slice(1, None), slice(-99, None), slice(0, 99), slice(2, -1), slice(-3, -1), slice(None, None, 2)):
        loss = lambda t, key=key: t["rewards"] + t["rewards"][key].sum() + t["rewards"][:, key].sum()  # noqa: E731
        tensors = random_inputs(INPUTS)
        torch.testing.assert_close(compile_graph(graph_of(loss))(tensors)[0], loss(named(INPUTS, tensors)))


def test_an_index_out_of_range_is_clamped_and_does_not_raise() -> None:
    tensors = random_inputs(INPUTS)
    graph = verify(text_of(lambda t: t["rewards"][t["actions"] * 100, 0]), INPUTS, ("loss",), 4)
    assert torch.equal(compile_graph(graph)(tensors)[0], tensors[1][(tensors[0] * 100).clamp(max=4), 0])


def test_function_and_overload_agree_wherever_a_graph_uses_one() -> None:
    """Bit by bit, for every operation of these losses: nothing but speed comes from the binding."""
    for loss in (ppo, q_learning):
        graph = simplify(graph_of(loss))
        values: list[Any] = []
        inputs = named(INPUTS, random_inputs(INPUTS))
        for node in graph.nodes:
            if node.op == "input":
                values.append(inputs[str(node.args[0])])
            elif node.op == "const":
                values.append(torch.tensor(node.args[0]))
            else:
                target, args = target_of(node, graph)
                kwargs = {name: plain([item], values)[0] for name, item in node.kwargs}
                values.append(overload_of(node.op)(*plain(node.args, values), **kwargs))
                assert_same(target(*plain(args, values), **kwargs), values[-1], node)


def plain(args: Any, values: list[Any]) -> list[Any]:
    def one(item: Any) -> Any:
        if isinstance(item, Ref):
            return values[item.node] if item.output is None else values[item.node][item.output]
        if isinstance(item, DTypeName):
            return getattr(torch, item.name)
        return [one(part) for part in item] if isinstance(item, tuple) else item

    return [one(item) for item in args]


def assert_same(mine: Any, overloads: Any, node: Node) -> None:
    pairs = zip(mine, overloads, strict=True) if node.several else [(mine, overloads)]
    assert all(torch.equal(one, other) for one, other in pairs), node.op


def test_dead_and_repeated_nodes_are_gone() -> None:
    def loss(t: Any) -> Tensor:
        return torch.exp(t["rewards"]) + torch.exp(t["rewards"]).reshape(5, 3) + torch.log(t["rewards"]).detach().detach().clone()

    ops = [node.op for node in simplify(graph_of(loss)).nodes]
    assert ops == ["input", "aten.exp.default", "aten.add.Tensor", "aten.log.default", "aten.detach.default", "aten.add.Tensor"]


def test_one_and_one_point_zero_are_two_arguments() -> None:
    rows = [["input", ["actions"], {}], ["aten.mul.Tensor", [{"n": 0}, 1], {}], ["aten.mul.Tensor", [{"n": 0}, 1.0], {}]]
    rows += [["aten.add.Tensor", [{"n": 1}, {"n": 2}], {}], ["aten.sum.default", [{"n": 3}], {}]]
    graph = simplify(verify(graph_json(rows), INPUTS, ("loss",)))
    assert [node.op for node in graph.nodes].count("aten.mul.Tensor") == 2


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_runs_on_a_gpu() -> None:
    tensors = random_inputs(INPUTS)
    call = compile_graph(graph_of(q_learning))
    found = call([tensor.detach().cuda() for tensor in tensors])[0]
    torch.testing.assert_close(found.cpu(), call(tensors)[0].detach(), rtol=1e-4, atol=1e-5)
