"""Chain, off-policy, random MDP and corridor by hand."""

from __future__ import annotations

import pytest
import torch

from sandbox.tasks.probes.chain import CELLS, Chain
from sandbox.tasks.probes.corridor import Corridor
from sandbox.tasks.probes.off_policy import CHOICE, CUES, GAME, IDLE, SETTLED, OffPolicy
from sandbox.tasks.probes.random_mdp import STATES, RandomMdp
from sandbox.tasks.probes.world import World


def play(worlds: World, actions: list[list[int]]) -> tuple[list[list[int]], list[list[float]]]:
    """What is seen after each step (the place of the first 1), and what is paid; one row a step, one column an environment."""
    seen, paid = [], []
    for row in actions:
        step = worlds.step(torch.tensor(row))
        seen.append(step.observation.argmax(-1).tolist())
        paid.append([round(value, 6) for value in step.reward.tolist()])
    return seen, paid


def test_chain_goes_on_by_parity_and_back_otherwise() -> None:
    worlds = Chain(2, "cpu")
    assert worlds.reset(0).argmax(-1).tolist() == [0, 0]
    right = [cell % 2 for cell in range(CELLS)]
    seen, paid = play(worlds, [[move, move] for move in right])
    assert seen == [[cell, cell] for cell in (1, 2, 3, 4, 5, 0)]
    assert paid == [[0.0, 0.0]] * 5 + [[1.0, 1.0]]
    seen, paid = play(worlds, [[0, 1], [0, 0], [1, 0]])
    assert seen == [[1, 0], [0, 1], [0, 0]]
    assert paid == [[0.0, 0.03], [0.03, 0.0], [0.03, 0.03]]


def test_chain_pays_little_for_turning_back_in_the_last_cell() -> None:
    worlds = Chain(1, "cpu")
    worlds.reset(0)
    seen, paid = play(worlds, [[0], [1], [0], [1], [0], [0]])
    assert (seen[-2:], paid[-1]) == ([[CELLS - 1], [0]], [0.03])


def test_half_the_learners_episodes_begin_with_the_choice_and_all_of_the_exams() -> None:
    worlds = OffPolicy(4000, "cpu")
    begins = worlds.reset(0)[:, CHOICE]
    assert float(begins.mean()) == pytest.approx(0.5, abs=0.05)
    worlds.evaluation = True
    assert bool((worlds.reset(0)[:, CHOICE] == 1).all())


def test_settling_pays_at_once_and_then_nothing() -> None:
    worlds = OffPolicy(2, "cpu")
    worlds.evaluation = True
    worlds.reset(0)
    seen, paid = play(worlds, [[0, 0], *[[0, 1]] * GAME])
    assert paid == [[SETTLED, SETTLED]] + [[0.0, 0.0]] * GAME
    assert seen[:-1] == [[IDLE, IDLE]] * GAME


def test_the_game_pays_for_the_cue_and_costs_otherwise() -> None:
    worlds = OffPolicy(64, "cpu")
    first = worlds.reset(1)
    playing = first[:, CHOICE] == 0
    cue = first[:, :CUES].argmax(-1)
    step = worlds.step(torch.where(playing, cue, 2))
    assert torch.equal(step.reward, playing.float())
    for number in range(GAME):
        cue = step.observation[:, :CUES].argmax(-1)
        assert bool((step.observation[:, :CUES].sum(-1) == 1).all())
        step = worlds.step((cue + number % CUES) % CUES)
        assert torch.equal(step.reward, torch.full((64,), 1.0 if number % CUES == 0 else -1.0))
    assert bool(step.finished.all())


def test_random_mdps_follow_their_own_tables() -> None:
    worlds = RandomMdp(20_000, "cpu")
    state = worlds.reset(2).argmax(-1)
    actions = torch.arange(20_000) % 3
    step = worlds.step(actions)
    pair = state * 3 + actions
    assert torch.equal(step.reward, worlds.rewards[pair])
    reached = step.observation.argmax(-1)
    for which in (0, 7, 29):
        there = torch.bincount(reached[pair == which], minlength=STATES) / (pair == which).sum()
        torch.testing.assert_close(there, worlds.transitions[which], atol=0.08, rtol=0)
    torch.testing.assert_close(worlds.transitions.sum(-1), torch.ones(30))


@pytest.mark.parametrize("kind", [RandomMdp, Corridor])
def test_a_seed_is_a_world_and_an_episode_is_not(kind: type[World]) -> None:
    def table(worlds: World) -> torch.Tensor:
        return worlds.rewards if isinstance(worlds, RandomMdp) else worlds._pays

    worlds = kind(3, "cpu")
    tables = []
    for seed in range(12):
        worlds.reset(seed)
        tables.append(table(worlds).clone())
        for _ in range(worlds.length):
            worlds.step(torch.zeros(3, dtype=torch.int64))
        assert torch.equal(table(worlds), tables[-1])
    assert any(not torch.equal(tables[0], other) for other in tables)
    worlds.reset(0)
    assert torch.equal(table(worlds), tables[0])


def test_corridor_pays_once_on_arrival_and_ends_are_final() -> None:
    worlds = Corridor(2, "cpu")
    assert worlds.reset(0).argmax(-1).tolist() == [4, 4]
    seen, paid = play(worlds, [[0, 2], [1, 2], [0, 2], [0, 2], [0, 0], [2, 0], [2, 0]])
    assert seen == [[3, 5], [3, 6], [2, 7], [1, 8], [0, 8], [0, 8], [0, 8]]
    left, right = paid[4][0], paid[3][1]
    assert {left, right} == {1.0, 0.1}
    assert [row[0] for row in paid] == [0, 0, 0, 0, left, 0, 0]
    assert [row[1] for row in paid] == [0, 0, 0, right, 0, 0, 0]
