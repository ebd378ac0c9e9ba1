from __future__ import annotations

import time
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sandbox.graph.canonical import node_count, structure_hash
from sandbox.graph.signature import Input
from sandbox.graph.verify import verify
from sandbox.language import toolkit as rl
from tests.sandbox.graph.support import STATE_OUTPUTS, graph_json, graph_of, ppo, q_learning, signature, text_of

INPUTS = signature()


class Names:
    """`t.x` and `t.y` are online heads, `t.r` the rewards, `t.a` and `t.b` constants."""

    def __init__(self, tensors: Any) -> None:
        self.x, self.y = tensors["online.value"][:-1], tensors["online.other"][:-1]
        self.tx, self.ty = tensors["target.value"][:-1], tensors["target.other"][:-1]
        self.r, self.k, self.logits = tensors["rewards"], tensors["continues"], tensors["online.logits"][:-1]
        self.a, self.b, self.actions = tensors["c.a"], tensors["c.b"], tensors["actions"]


def hash_of(loss: Any) -> str:
    return structure_hash(graph_of(lambda t: loss(Names(t))))


def no_grad(function: Any) -> Any:
    with torch.no_grad():
        return function()


EQUAL = {
    "order of factors": (lambda t: t.x * t.r, lambda t: t.r * t.x),
    "order of summands": (lambda t: t.x + t.r * t.k, lambda t: t.k * t.r + t.x),
    "nested sums": (lambda t: (t.x + t.r) + t.k, lambda t: t.x + (t.r + t.k)),
    "nested products": (lambda t: (t.x * t.r) * t.k, lambda t: t.x * (t.k * t.r)),
    "dead code": (lambda t: t.x * t.r, lambda t: (torch.exp(t.x), t.x * t.r)[1]),
    "square": (lambda t: t.x.square(), lambda t: t.x**2),
    "float exponent": (lambda t: t.x**2.0, lambda t: t.x**2),
    "clip": (lambda t: torch.clip(t.x, 0, 1), lambda t: torch.clamp(t.x, 0, 1)),
    "half": (lambda t: t.x / 2, lambda t: 0.5 * t.x),
    "nested numbers": (lambda t: 2 * (3 * t.x), lambda t: 6 * t.x),
    "rounded numbers": (lambda t: 0.1 * (3 * t.x), lambda t: 0.3 * t.x),
    "signs": (lambda t: t.r - t.x, lambda t: -(t.x - t.r)),
    "signs of factors": (lambda t: (-t.x) * t.r, lambda t: -(t.x * t.r)),
    "subtraction": (lambda t: t.r - t.x * t.k, lambda t: t.r + (-t.x) * t.k),
    "from a number": (lambda t: 1 - t.x, lambda t: -t.x + 1),
    "alpha": (lambda t: torch.add(t.x, t.r, alpha=2), lambda t: t.x + 2 * t.r),
    "quotients": (lambda t: t.x / t.r, lambda t: t.x * (1 / t.r)),
    "repeated code": (lambda t: torch.exp(t.x) * torch.exp(t.x), lambda t: (lambda e: e * e)(torch.exp(t.x))),
    "no_grad": (lambda t: t.x * no_grad(lambda: torch.exp(t.y)), lambda t: t.x * torch.exp(t.y).detach()),
    "minimum": (lambda t: torch.minimum(t.x, t.r), lambda t: torch.minimum(t.r, t.x)),
    "aliases": (lambda t: torch.multiply(t.x, t.r).abs(), lambda t: torch.absolute(t.x * t.r)),
    "shape of the same shape": (lambda t: t.x.reshape(5, 3) * t.r, lambda t: t.x * t.r),
    "names of constants": (lambda t: t.a * t.x + t.b * t.r, lambda t: t.b * t.x + t.a * t.r),
    "names of heads": (lambda t: t.x * t.r - t.y * t.ty, lambda t: t.y * t.r - t.x * t.tx),
    "names in a square": (lambda t: (t.x - t.r) ** 2 * t.a + t.b * t.y, lambda t: (t.y - t.r) ** 2 * t.b + t.a * t.x),
}
UNEQUAL = {
    "direction of an error": (lambda t: (t.x - t.r) ** 2, lambda t: (t.r - t.x) ** 2),
    "product with itself": (lambda t: t.x * t.x, lambda t: t.x**2),
    "clamp by minimum and maximum": (lambda t: torch.clamp(t.x, 0, 1), lambda t: torch.relu(t.x).clamp(max=1)),
    "distribution": (lambda t: t.x * (t.r + 1), lambda t: t.x * t.r + t.x),
    "logarithm of softmax": (lambda t: torch.log(F.softmax(t.logits, -1))[..., 0], lambda t: F.log_softmax(t.logits, -1)[..., 0]),
    "one_hot": (lambda t: rl.select(t.logits, t.actions), lambda t: (t.logits * F.one_hot(t.actions, 4)).sum(-1)),
    "a literal tensor": (lambda t: torch.tensor(0.5) * t.x, lambda t: 0.5 * t.x),
    "spelling of an axis": (lambda t: t.logits.sum(-1), lambda t: t.logits.sum(dim=2)),
    "detach of data": (lambda t: t.x * t.r, lambda t: t.x * t.r.detach()),
    "detach of a head": (lambda t: t.x * t.y, lambda t: t.x * t.y.detach()),
    "another number": (lambda t: t.x * 0.5, lambda t: t.x * 0.25),
    "another exponent": (lambda t: t.x**2, lambda t: t.x**3),
    "a sign": (lambda t: t.x + t.r, lambda t: t.x - t.r),
    "another view": (lambda t: t.x * t.r, lambda t: t.tx * t.r),
    "views of two heads": (lambda t: t.x * t.tx, lambda t: t.x * t.ty),
    "one constant or two": (lambda t: t.a * t.x + t.a * t.r, lambda t: t.a * t.x + t.b * t.r),
    "one head or two": (lambda t: t.x * t.r + t.x.square(), lambda t: t.x * t.r + t.y.square()),
    "order of a quotient": (lambda t: t.x / t.r, lambda t: t.r / t.x),
    "integer division": (lambda t: t.x + t.actions // 2, lambda t: t.x + t.actions * 0.5),
    "result of several": (lambda t: t.logits.max(-1).values * t.r, lambda t: t.logits.max(-1).indices * t.r),
    "which input": (lambda t: t.x * t.r, lambda t: t.x * t.k),
}


@pytest.mark.parametrize("name", EQUAL)
def test_equal(name: str) -> None:
    one, other = EQUAL[name]
    assert hash_of(one) == hash_of(other)


@pytest.mark.parametrize("name", UNEQUAL)
def test_unequal(name: str) -> None:
    one, other = UNEQUAL[name]
    assert hash_of(one) != hash_of(other)


def test_a_loop_is_not_the_recurrence() -> None:
    def loop(t: Names) -> Tensor:
        rows, after = [], torch.zeros_like(t.r[0])
        for step in reversed(range(5)):
            after = t.r[step] + t.k[step] * after
            rows.append(after)
        return torch.stack(rows[::-1]) * t.x

    assert hash_of(loop) != hash_of(lambda t: rl.discounted_returns(t.r, t.k, torch.zeros(3)) * t.x)


def test_the_declared_order_of_heads_and_constants_does_not_count() -> None:
    renamed = {"c.a": "c.zeta", "c.b": "c.alpha", "value": "worth", "logits": "policy"}

    def rename(name: str) -> str:
        view, dot, rest = name.partition(".")
        return renamed.get(name) or (f"{view}.{renamed[rest]}" if dot and rest in renamed else name)

    back = {rename(entry.name): entry.name for entry in INPUTS}
    others = tuple(Input(rename(entry.name), entry.shape, entry.dtype) for entry in reversed(INPUTS))
    text = text_of(lambda t: ppo({back[name]: tensor for name, tensor in t.items()}), others)
    assert structure_hash(verify(text, others, ("loss",), 4)) == structure_hash(graph_of(ppo))


def test_names_of_the_state_do_not_count_but_their_roles_do() -> None:
    def loss(first: str, second: str) -> Any:
        def inner(t: Any) -> tuple[Tensor, ...]:
            new = {first: t[first] * 0.9 + t["rewards"].mean(), second: torch.maximum(t[second], t["rewards"].max())}
            return (t["online.value"][:-1] * t[first] / t[second], *(new[name] for name in STATE_OUTPUTS[1:]))

        return inner

    def swapped(t: Any) -> tuple[Tensor, ...]:
        made, mean, scale = loss("state.mean", "state.scale")(t)
        return made, scale, mean

    hashes = [
        structure_hash(graph_of(one, outputs=STATE_OUTPUTS))
        for one in (loss("state.mean", "state.scale"), loss("state.scale", "state.mean"), swapped)
    ]
    assert hashes[0] == hashes[1] != hashes[2]


def test_the_clamp_of_an_unproven_index_does_not_count() -> None:
    text = text_of(ppo)
    assert structure_hash(verify(text, INPUTS, ("loss",))) == structure_hash(verify(text, INPUTS, ("loss",), 4))


def test_hash_is_the_same_in_every_process() -> None:
    assert len(hash_of(lambda t: t.x * t.r)) == 32
    assert hash_of(lambda t: t.x * t.r) == hash_of(lambda t: t.x * t.r)


@settings(deadline=None, max_examples=10)
@given(st.permutations(range(5)), st.permutations(range(5)))
def test_any_order_of_a_sum_of_products(order: list[int], inner: list[int]) -> None:
    def loss(t: Names, places: list[int]) -> Tensor:
        factors = [t.x, t.r, t.k, t.y, t.tx]
        parts = [t.a * t.x, 2 * t.r * t.y, torch.exp(t.x) * t.k, t.tx, -t.b * t.y]
        product = factors[places[0]]
        for place in places[1:]:
            product = product * factors[place]
        return sum((parts[place] for place in places), start=product)

    assert hash_of(lambda t: loss(t, order)) == hash_of(lambda t: loss(t, inner))


def test_nodes_are_counted_without_waste() -> None:
    assert node_count(graph_of(lambda t: torch.exp(t["rewards"]) + torch.exp(t["rewards"]) * torch.tensor(2.0))) == 3
    assert 30 < node_count(graph_of(ppo)) < 60
    assert node_count(graph_of(q_learning)) > 20


def test_long_sums_and_products_take_linear_time() -> None:
    rows: list[Any] = [["input", ["rewards"], {}], ["input", ["online.value"], {}], ["aten.slice.Tensor", [{"n": 1}, 0, 0, -1], {}]]
    for place in range(3, 1503, 3):
        rows.append(["aten.add.Tensor", [{"n": place - 1}, place], {}])
        rows += [["aten.exp.default", [{"n": place}], {}], ["aten.add.Tensor", [{"n": place - 1}, {"n": place + 1}], {}]]
    graph = verify(graph_json(rows), INPUTS, ("loss",))
    before = time.process_time()
    structure_hash(graph)
    assert time.process_time() - before < 10
