"""A traced program as a rule: equal to its text, to a loop over seeds, and clear where it cannot run."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils import _pytree as tree

from sandbox.errors import Refusal, RunFault
from sandbox.language.gates import GATE_SHAPES
from sandbox.language.program import parse
from sandbox.language.synthetic import Recipe, make_batch
from sandbox.records import Shape
from sandbox.rules.base import ALL_VIEWS, Batch, State, UpdateRule
from sandbox.rules.program_rule import ProgramRule
from sandbox.rules.references import reference_names, reference_text
from tests.support import EagerRule, traced

CPU = torch.device("cpu")
SEEDS = 4
TEXTS = {name: reference_text(name) for name in reference_names()}


def rule_of(name: str) -> ProgramRule:
    return ProgramRule(traced(TEXTS[name]))


def batch_for(rule: UpdateRule, shape: Shape = GATE_SHAPES[0], **recipe: Any) -> Batch:
    return make_batch(rule.heads(shape.A), rule.act, shape, Recipe(**recipe))


def call(rule: UpdateRule, batch: Batch, state: State) -> tuple[list[Tensor], State]:
    """Loss and gradients, zeros where none flows; and the new state."""
    online = {name: x.clone().requires_grad_() for name, x in batch.online.items()}
    loss, new_state = rule(dataclasses.replace(batch, online=online), state)
    gradients = torch.autograd.grad(loss.mean(), list(online.values()), allow_unused=True, materialize_grads=True)
    return [loss.detach(), *gradients], new_state


def assert_equal(ours: Any, theirs: Any) -> None:
    for x, y in zip(tree.tree_leaves(ours), tree.tree_leaves(theirs), strict=True):
        assert x.shape == y.shape
        assert float((x - y).abs().max()) <= 1e-6 * max(1.0, float(y.abs().max()))


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("shape", [GATE_SHAPES[0], GATE_SHAPES[3]], ids=str)
def test_graph_and_text_agree(name: str, shape: Shape) -> None:
    rule, text = rule_of(name), EagerRule(parse(TEXTS[name]))
    state, text_state = rule.initial_state(CPU), text.initial_state(CPU)
    assert_equal(state, text_state)
    for seed in range(2):
        batch = batch_for(rule, shape, seed=seed, progress=0.3 + seed / 2)
        ours, state = call(rule, batch, state)
        theirs, text_state = call(text, batch, text_state)
        assert_equal(ours, theirs)
        assert_equal(state, text_state)
        assert not any(value.requires_grad for value in state.values())


def stacked(values: list[Any]) -> Any:
    return tree.tree_map(lambda *leaves: torch.stack(leaves), *values)


def differentiated(rule: ProgramRule) -> Callable[..., Any]:
    def loss(online: dict[str, Tensor], data: dict[str, Any], state: State) -> Any:
        per_step, new_state = rule(Batch(online=online, **data), state)
        return per_step.mean(), new_state

    return torch.func.grad_and_value(loss, has_aux=True)  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", reference_names())
def test_over_seeds_at_once_as_in_a_loop(name: str) -> None:
    rule = rule_of(name)
    batches = [vars(batch_for(rule, seed=seed)).copy() for seed in range(SEEDS)]
    online = [batch.pop("online") for batch in batches]
    states = [{key: x + 0.1 * seed for key, x in rule.initial_state(CPU).items()} for seed in range(SEEDS)]
    together = torch.func.vmap(differentiated(rule))(stacked(online), stacked(batches), stacked(states))
    one_by_one = [differentiated(rule_of(name))(*parts) for parts in zip(online, batches, states, strict=True)]
    assert_equal(together, stacked(one_by_one))


def test_double_precision_gives_the_same() -> None:
    rule = rule_of("ppo")
    single, double = (call(rule, batch_for(rule, dtype=dtype), {})[0] for dtype in (torch.float32, torch.float64))
    assert double[0].dtype == torch.float64
    for x, y in zip(single, double, strict=True):
        torch.testing.assert_close(x.double(), y, rtol=1e-4, atol=1e-5)


def test_constants_can_be_replaced_and_differentiated() -> None:
    rule = rule_of("ppo")
    batch = batch_for(rule)
    before, _ = rule(batch, {})
    rule.constants["value_cost"] = torch.tensor(0.0, requires_grad=True)
    after, _ = rule(batch, {})
    slope = torch.autograd.grad(after.mean(), rule.constants["value_cost"])[0]
    torch.testing.assert_close(before.mean(), after.mean() + 0.5 * slope)


def test_shape_that_was_not_traced() -> None:
    rule = ProgramRule(traced(TEXTS["ppo"], (Shape(5, 2, 3),)))
    batch = batch_for(rule)
    with pytest.raises(RunFault, match=r"20, 8, 18.*only for 5,2,3"):
        rule(batch, {})


def test_a_damaged_trace_is_refused_and_not_run() -> None:
    good = traced(TEXTS["dqn"], GATE_SHAPES)
    rule = ProgramRule(good.model_copy(update={"graphs": {"*": good.graphs["*"].replace("aten.mul.Tensor", "os.system")}}))
    with pytest.raises(Refusal, match=r"does not exist"):
        rule(batch_for(rule), {})


@pytest.mark.parametrize(
    ("name", "views"),
    [
        ("dqn", {"online", "target"}),
        ("ppo", {"online", "behaviour"}),
        ("vtrace", {"online"}),
        ("reinforce", {"online"}),
        ("discorl_like", ALL_VIEWS),
    ],
)
def test_views_that_are_read(name: str, views: set[str]) -> None:
    assert rule_of(name).uses(GATE_SHAPES[0]) == views


def test_graph_is_verified_once_a_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    rule = rule_of("dqn")
    batch = batch_for(rule)
    rule(batch, {})
    monkeypatch.setattr("sandbox.rules.program_rule.verify", None)
    rule(batch, {})
