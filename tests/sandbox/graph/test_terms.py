from __future__ import annotations

from typing import Any

import pytest
import torch

from sandbox.graph.canonical import terms, without_term
from sandbox.graph.graph import Graph
from sandbox.graph.run import compile_graph
from tests.sandbox.graph.support import STATE_OUTPUTS, graph_of, ppo, random_inputs, signature, with_state

INPUTS = signature()


def value_of(graph: Graph) -> list[torch.Tensor]:
    return compile_graph(graph)([tensor.detach() for tensor in random_inputs(INPUTS, dtype=torch.float64)])


@pytest.mark.parametrize(
    ("loss", "count"),
    [
        (ppo, 3),
        (lambda t: t["rewards"], 1),
        (lambda t: -(t["rewards"] + t["continues"]) / 2 - t["online.value"][:-1], 3),
        (lambda t: (t["rewards"] * t["c.a"] - t["continues"]).mean() + 1.0, 2),
        (lambda t: 1 - (t["rewards"] + t["progress"]), 2),
        (lambda t: (t["rewards"] + t["continues"]) * t["c.a"], 1),
    ],
)
def test_terms_are_those_of_the_text(loss: Any, count: int) -> None:
    assert len(terms(graph_of(loss))) == count


@pytest.mark.parametrize(
    "loss",
    [
        ppo,
        lambda t: -(t["rewards"] + t["continues"]) / 2 - t["c.a"],
        lambda t: (t["rewards"] * t["c.a"] - t["continues"]).mean() - t["c.b"].sum(),
    ],
)
def test_what_the_terms_take_away_adds_up_to_the_loss(loss: Any) -> None:
    graph = graph_of(loss)
    (whole,) = value_of(graph)
    taken = [whole - value_of(without_term(graph, place))[0] for place in range(len(terms(graph)))]
    torch.testing.assert_close(sum(taken), whole)


def test_a_lone_term_leaves_zeros() -> None:
    assert not value_of(without_term(graph_of(lambda t: t["rewards"].exp()), 0))[0].any()


def test_what_is_read_elsewhere_keeps_the_term() -> None:
    def loss(t: Any) -> torch.Tensor:
        both = t["rewards"] + t["continues"]
        return both + both.detach().exp()

    rewards, continues = (random_inputs(INPUTS, dtype=torch.float64)[place] for place in (1, 2))
    (found,) = value_of(without_term(graph_of(loss), 0))
    torch.testing.assert_close(found, continues + (rewards + continues).exp())


def test_the_state_stays() -> None:
    graph = graph_of(with_state, outputs=STATE_OUTPUTS)
    for mine, whole in zip(value_of(without_term(graph, 0))[1:], value_of(graph)[1:], strict=True):
        assert torch.equal(mine, whole)


def test_many_terms_are_bounded() -> None:
    def loss(t: Any) -> torch.Tensor:
        x = t["rewards"]
        for _ in range(60):
            x = x + x  # as a tree, 2 ** 60 terms
        return x

    assert len(terms(graph_of(loss))) <= 64
