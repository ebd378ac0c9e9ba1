"""From text to graph data: one graph for all shapes or one a shape, constants as inputs, state, and the check against the text."""

from __future__ import annotations

import pytest
import torch

from sandbox.graph.signature import graph_inputs
from sandbox.language import trace as tracing_inside
from sandbox.language.program import parse
from sandbox.language.trace import trace
from sandbox.language.trace_check import check_equal, random_inputs
from sandbox.language.trace_faults import TraceError
from sandbox.records import Shape
from sandbox.rules.references import reference_text
from tests.sandbox.language.trace_texts import ERROR, SHAPES, STATE, graphs, operations, program, refusal

GAE_LOOP = """v = traj.behaviour.value
advantages = torch.zeros_like(traj.rewards)
last = torch.zeros_like(traj.rewards[0])
for t in reversed(range(traj.rewards.shape[0])):
    delta = traj.rewards[t] + c.a * traj.continues[t] * v[t + 1] - v[t]
    last = delta + c.a * traj.continues[t] * last
    advantages[t] = last
return (traj.online.value[:-1] - advantages - v[:-1]) ** 2"""


def test_a_loss_is_a_list_of_operations_with_their_lines() -> None:
    (graph,) = graphs(ERROR + "return c.a * x ** c.n").values()
    inputs = [args[0] for op, args, _ in graph["nodes"] if op == "input"]
    assert inputs == [one.name for one in graph_inputs(program(""), SHAPES[0], {})]
    value, rewards, constant = (inputs.index(name) for name in ("online.value", "rewards", "c.a"))
    first = len(inputs)
    assert graph["nodes"][first:] == [
        ["aten.slice.Tensor", [{"n": value}, 0, 0, -1], {}],
        ["aten.sub.Tensor", [{"n": first}, {"n": rewards}], {}],
        ["aten.pow.Tensor_Scalar", [{"n": first + 1}, 3], {}],
        ["aten.mul.Tensor", [{"n": constant}, {"n": first + 2}], {}],
    ]
    assert graph["lines"][first:] == [2, 2, 3, 3]
    assert graph["outputs"] == {"loss": {"n": first + 3}}


def test_equal_graphs_at_all_shapes_are_one() -> None:
    assert set(graphs(ERROR + "return x")) == {"*"}


def test_sizes_in_the_text_give_a_graph_a_shape() -> None:
    found = graphs(ERROR + "T, B = x.shape\nreturn x.reshape(T * B).reshape(T, B)")
    assert set(found) == {"5,3,4", "2,1,2", "1,2,3"}


def test_one_shape_proves_nothing_about_others() -> None:
    assert set(trace(program(ERROR + "return x"), [Shape(5, 3, 4)], seed=0)["graphs"]) == {"5,3,4"}


def test_a_loop_over_time_is_unrolled() -> None:
    found = graphs(GAE_LOOP)
    sizes = [len(found[key]["nodes"]) for key in ("1,2,3", "2,1,2", "5,3,4")]
    assert sizes[2] - sizes[1] == 3 * (sizes[1] - sizes[0]) > 0


@pytest.mark.parametrize("name", ["ppo", "dqn", "vmpo"])
def test_references_are_one_graph(name: str) -> None:
    shapes = (Shape(20, 8, 18), Shape(1, 1, 2))
    assert set(trace(parse(reference_text(name)), shapes, seed=0)["graphs"]) == {"*"}


def test_no_grad_becomes_detach_at_the_border() -> None:
    body = "with torch.no_grad():\n    w = torch.exp(traj.online.value[:-1])\n    z = w * 2\nreturn w * traj.online.value[:-1] + z.sum()"
    inside = ["slice.Tensor", "exp.default", "detach.default", "mul.Tensor", "detach.default"]
    assert operations(body) == [*inside, "slice.Tensor", "mul.Tensor", "sum.default", "add.Tensor"]


def test_a_literal_is_lifted() -> None:
    (graph,) = graphs(ERROR + "return x * torch.tensor([[1, 2], [3, 4]]).sum()").values()
    assert ["const", [[[1, 2], [3, 4]], "int64"], {}] in graph["nodes"]


def test_infinity_has_a_spelling() -> None:
    (graph,) = graphs(ERROR + "return torch.where(x > 0, x, torch.full_like(x, float('inf')))").values()
    assert any({"float": "inf"} in args for _, args, _ in graph["nodes"])


def test_results_of_several_are_picked_by_number() -> None:
    (graph,) = graphs("best, _ = traj.online.logits[:-1].max(dim=-1)\nreturn best").values()
    assert graph["outputs"]["loss"]["o"] == 0


def test_state_is_an_input_and_an_output() -> None:
    reply = trace(program(ERROR + "return x * state.mean, {'mean': x.mean(), 'pair': state.pair + 1}", STATE, state=True), SHAPES, seed=0)
    assert reply["initial_state"] == {"mean": 0.0, "pair": [0.0, 0.5]}
    (graph,) = reply["graphs"].values()
    assert list(graph["outputs"]) == ["loss", "state.mean", "state.pair"]
    assert [op for op, _, _ in graph["nodes"]].count("aten.detach.default") == 2


def test_a_counted_state_is_the_trainers_float() -> None:
    body = ERROR + "return x, {'mean': (x > 0).sum(), 'pair': state.pair}"
    assert "to.dtype" in operations(body, before=STATE, state=True)


def test_imports_by_habit_are_accepted() -> None:
    body = "import math\nimport torch.nn.functional as G\nreturn math.pi * G.mse_loss(traj.rewards, traj.online.value[:-1])"
    assert operations(body)[-1] == "mul.Tensor"


def test_annotations_are_never_evaluated() -> None:
    assert operations("x: nonsense.of(any) = traj.online.value[:-1]\nreturn x") == ["slice.Tensor"]


def test_every_shape_starts_from_a_fresh_module() -> None:
    assert set(graphs("SEEN.append(1)\nreturn traj.online.value[:-1] * len(SEEN)", before="SEEN = []\n")) == {"*"}


def test_a_graph_that_differs_from_its_text_is_refused() -> None:
    inputs = graph_inputs(program(""), SHAPES[0], {})
    (graph,) = graphs(ERROR + "return x * 2").values()
    names = [one.name for one in inputs]

    def other(*tensors: torch.Tensor) -> list[torch.Tensor]:
        x = tensors[names.index("online.value")][:-1] - tensors[names.index("rewards")]
        return [(x + x.detach())]  # equal values, half the gradient

    with pytest.raises(TraceError, match="graph-differs"):
        check_equal(other, graph, inputs, ("loss",), {"c.a": 0.5}, seed=0)


def test_an_overwritten_value_whose_gradient_torch_keeps_is_refused() -> None:
    body = ERROR + "y = x * 1.0\nwith torch.no_grad():\n    y[0] = y[0] * 3\nreturn y"
    assert refusal(body)[0] == "graph-differs"


def test_check_numbers_depend_on_the_seed_alone() -> None:
    inputs = graph_inputs(program(""), SHAPES[0], {})
    first, again, other = (random_inputs(inputs, {"c.a": 0.5}, seed) for seed in (1, 1, 2))
    assert all(torch.equal(one, two) for one, two in zip(first, again, strict=True))
    assert not torch.equal(first[1], other[1])


def test_a_reply_has_a_largest_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing_inside, "REPLY_CHARACTERS", 200)
    assert refusal(ERROR + "return x")[0] == "too-many-nodes"
