"""Synthetic trajectories: reproducible, consistent with how actions are drawn, with the corners they promise."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from sandbox.agents.acting import action_log_probs
from sandbox.language.synthetic import Recipe, end_episodes, make_batch, map_batch, reorder, splice
from sandbox.records import Act, Head, Shape
from sandbox.rules.base import Batch

SHAPE = Shape(20, 8, 5)
HEADS = (
    Head(name="logits", per_action=True, size=1),
    Head(name="value", per_action=False, size=1),
    Head(name="z", per_action=True, size=7, vector=True),
)
ACT = Act(head="logits")
GREEDY = Act(head="logits", kind="epsilon_greedy", epsilon=(0.5, 0.0, 1.0))


def batch(heads: tuple[Head, ...] = HEADS, act: Act = ACT, shape: Shape = SHAPE, **recipe: Any) -> Batch:
    return make_batch(heads, act, shape, Recipe(**recipe))


def test_shapes_and_types() -> None:
    made = batch(dtype=torch.float64)
    assert made.actions.dtype == torch.int64
    assert 0 <= int(made.actions.min()) <= int(made.actions.max()) < SHAPE.A
    assert {made.rewards.shape, made.continues.shape, made.behaviour_log_prob.shape} == {(20, 8)}
    assert [tuple(x.shape) for x in made.target.values()] == [(21, 8, 5), (21, 8), (21, 8, 5, 7)]
    assert {x.dtype for x in (made.rewards, made.truncated, made.progress, *made.online.values())} == {torch.float64}


def test_the_same_recipe_gives_the_same_numbers_in_both_precisions() -> None:
    single, double = batch(seed=3), batch(seed=3, dtype=torch.float64)
    assert torch.equal(single.rewards, double.rewards.float())
    assert torch.equal(single.actions, double.actions)
    assert not torch.equal(batch(seed=4).rewards, single.rewards)


def test_other_rewards_and_nothing_else() -> None:
    one, other = batch(), batch(reward_seed=1)
    assert not torch.equal(one.rewards, other.rewards)
    assert torch.equal(one.actions, other.actions)
    assert torch.equal(one.online["value"], other.online["value"])


@pytest.mark.parametrize(("act", "progress"), [(ACT, 0.5), (GREEDY, 0.0), (GREEDY, 1.0)])
def test_log_prob_is_that_of_the_action(act: Act, progress: float) -> None:
    made = batch(act=act, progress=progress)
    flat = {name: x[:-1].flatten(0, 1) for name, x in made.behaviour.items()}
    expected = action_log_probs(act, flat, progress).gather(-1, made.actions.reshape(-1, 1)).reshape(20, 8)
    torch.testing.assert_close(made.behaviour_log_prob, expected)
    assert bool(made.behaviour_log_prob.isfinite().all())


def test_names_do_not_matter() -> None:
    renamed = tuple(head.model_copy(update={"name": f"{head.name}_2"}) for head in HEADS)
    one, other = batch(), batch(renamed, Act(head="logits_2"))
    assert torch.equal(one.online["z"], other.online["z_2"])
    assert torch.equal(one.actions, other.actions)


def test_two_heads_of_a_kind_differ_unless_twins() -> None:
    heads = (*HEADS, Head(name="value_2", per_action=False, size=1))
    apart, twins = batch(heads), batch(heads, twins=True)
    assert not torch.equal(apart.online["value"], apart.online["value_2"])
    assert torch.equal(twins.online["value"], twins.online["value_2"])
    assert not torch.equal(twins.online["value"], twins.target["value"])


def test_corners() -> None:
    assert bool((batch(episodes="none").continues == 1).all())
    every = batch(episodes="every")
    assert bool((every.continues == 0).all())
    assert 0 < float(every.truncated.sum()) < every.truncated.numel()
    some = batch()
    assert 0 < float(some.continues.mean()) < 1
    assert bool((some.truncated <= 1 - some.continues).all())
    assert bool((batch(reward_scale=0).rewards == 0).all())
    torch.testing.assert_close(batch(reward_scale=1e4).rewards, 1e4 * batch().rewards)
    equal = batch(views="equal")
    assert torch.equal(equal.online["z"], equal.target["z"])
    assert all(bool((x == 0).all()) for x in batch(views="flat").behaviour.values())
    assert batch(shape=Shape(1, 1, 2)).rewards.shape == (1, 1)


def test_splice_moves_only_what_comes_after() -> None:
    made = batch()
    order = torch.tensor([1, 2, 3, 4, 5, 6, 7, 0])
    after = map_batch(made, splice(4, order))
    assert torch.equal(after.rewards[:5], made.rewards[:5])
    assert torch.equal(after.rewards[5:], made.rewards[5:][:, order])
    assert torch.equal(after.online["z"][5:], made.online["z"][5:][:, order])
    assert torch.equal(map_batch(made, reorder(order)).actions, made.actions[:, order])


def test_end_episodes() -> None:
    ended = end_episodes(batch(), 4)
    assert ended.continues[4].tolist() == [0] * 8
    assert ended.truncated[4].tolist() == [0, 1] * 4
