"""Cuts stop the agent's gradient alone: same values, same gradient in the heads, and a way through for everybody else."""

import pytest
import torch
from torch import Tensor

from sandbox.graph.cuts import DETACH, with_copied_heads
from sandbox.graph.graph import Graph
from sandbox.graph.influence import meta_differentiable
from sandbox.graph.run import compile_graph
from sandbox.language import toolkit as rl
from sandbox.language.program import parse
from sandbox.language.synthetic import Recipe, make_batch
from sandbox.language.trace import trace_reply
from sandbox.language.tracing import traced_from_reply
from sandbox.records import Shape, Traced
from sandbox.rules.program_rule import ProgramRule
from sandbox.rules.references import reference_names, reference_text
from tests.sandbox.graph.support import graph_of, signature

SHAPE = Shape(5, 3, 4)


def traced(text: str) -> Traced:
    program = parse(text)
    return traced_from_reply(program, trace_reply(program, (SHAPE,), seed=0), (SHAPE,))


def head_places(graph: Graph) -> list[int]:
    return [place for place, entry in enumerate(graph.inputs) if entry.name.startswith("online.")]


@pytest.mark.parametrize("name", reference_names())
def test_values_and_the_agents_gradients_are_those_of_the_program(name: str) -> None:
    rule = ProgramRule(traced(reference_text(name)))
    graph = rule.graph(SHAPE)
    opened = with_copied_heads(graph)
    assert not any(node.op == DETACH for node in opened.nodes)
    batch = make_batch(rule.traced.program.heads, rule.act, SHAPE, Recipe(dtype=torch.float64))
    inputs = rule.flat_inputs(batch, rule.initial_state(torch.device("cpu")))
    places = head_places(graph)
    given = [tensor.detach().requires_grad_(place in places) for place, tensor in enumerate(inputs)]
    plain = compile_graph(graph)(given)
    copied = compile_graph(opened)([*given, *(inputs[place] for place in places)])
    for one, other in zip(plain, copied, strict=True):
        assert one.equal(other)
    heads = [given[place] for place in places]
    for one, other in zip(*(torch.autograd.grad(out[0].mean(), heads, allow_unused=True) for out in (plain, copied)), strict=True):
        assert (one is None or not one.any()) if other is None else torch.allclose(one, other, rtol=1e-12, atol=1e-15)


def nested(x: dict[str, Tensor]) -> Tensor:
    """A cut within what is cut, and a value read on both sides of a cut."""
    double = 2 * x["online.value"][:-1]
    target = (x["c.a"] * double.detach() + double).detach()
    return (x["online.value"][:-1] - target) ** 2 + double * x["rewards"]


def test_whoever_differentiates_in_the_copies_sees_through_every_cut() -> None:
    graph = graph_of(nested, signature())
    given = [torch.full(entry.shape, 0.5, dtype=torch.float64) for entry in graph.inputs]
    names = [entry.name for entry in graph.inputs]
    given[names.index("actions")] = torch.zeros(graph.inputs[0].shape, dtype=torch.int64)
    value = names.index("online.value")
    copies = [given[place].clone().requires_grad_() for place in head_places(graph)]
    given = [tensor.requires_grad_(place == value) for place, tensor in enumerate(given)]
    loss = compile_graph(with_copied_heads(graph))([*given, *copies])[0]
    live, cut = torch.autograd.grad(loss.sum(), [given[value], copies[1]])
    residual = 0.5 - (0.5 + 1.0)  # value - target, with a = 0.5 and value = 0.5
    assert live[:-1] == pytest.approx(torch.full((5, 3), 2 * residual + 2 * 0.5).numpy())
    assert cut[:-1] == pytest.approx(torch.full((5, 3), -2 * residual * (2 * 0.5 + 2)).numpy())


# -------------------------------------------------------------------------------------------- what has a meta-gradient
NO_META_GRADIENT = {"ppo": {"clip"}, "discorl_like": {"clip"}}


@pytest.mark.parametrize("name", reference_names())
def test_of_the_references_constants_only_clips_have_no_meta_gradient(name: str) -> None:
    rule = ProgramRule(traced(reference_text(name)))
    tunable = {constant.name for constant in rule.traced.program.tunable}
    assert tunable - meta_differentiable(rule.graph(SHAPE)) == NO_META_GRADIENT.get(name, set())


CASES = {
    "a bound alone": (lambda x: torch.clamp(x["online.value"], max=x["c.a"]) * x["rewards"].mean(), set()),
    "a bound inside a square": (lambda x: torch.clamp(x["online.value"], max=x["c.a"]) ** 2, {"a"}),
    "a sum": (lambda x: x["online.value"] + x["c.a"], set()),
    "a sum, squared": (lambda x: (x["online.value"] + x["c.a"]) ** 2, {"a"}),
    "a factor": (lambda x: x["c.a"] * x["online.value"], {"a"}),
    "a factor of what is cut": (lambda x: x["c.a"] * x["online.value"].detach() + x["online.value"], set()),
    "a cut target": (lambda x: (x["online.value"] - (x["c.a"] * x["online.value"]).detach()) ** 2, {"a"}),
    "a threshold": (lambda x: torch.where(x["rewards"].mean() > x["c.a"], x["online.value"], 2 * x["online.value"]), set()),
    "a divisor": (lambda x: x["online.value"] / x["c.b"], {"b"}),
    "a recursion": (
        lambda x: rl.discounted_returns(x["rewards"], x["c.discount"] * x["continues"], x["online.value"][-1], stop_gradient=False),
        {"discount"},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_a_constant_does_decides(case: str) -> None:
    function, expected = CASES[case]
    assert meta_differentiable(graph_of(lambda x: function(x).mean(), signature())) == expected


def test_a_constant_may_act_through_the_state() -> None:
    def loss(x: dict[str, Tensor]) -> tuple[Tensor, ...]:
        return (x["state.scale"] * x["online.value"]).mean(), x["c.a"] * x["rewards"].mean(), x["state.mean"] + 0.0

    graph = graph_of(loss, signature(), ("loss", "state.mean", "state.scale"))
    assert meta_differentiable(graph) == {"a"}
