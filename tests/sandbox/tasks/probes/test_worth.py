"""What the docstrings promise of every probe: the score of random play and of the best policy."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from sandbox.records import TaskSettings
from sandbox.tasks.probes import META_WORLDS, SKILLS, WORLDS
from sandbox.tasks.probes.catch import COLUMNS, ROWS
from sandbox.tasks.probes.delayed_credit import CUES
from sandbox.tasks.probes.off_policy import CHOICE
from sandbox.tasks.probes.world import SHARED_SIZE, World, make_task

MANY = 4096


def world(name: str, num_envs: int = MANY) -> World:
    return make_task(f"probe:{name}", name, TaskSettings()).make(num_envs, evaluation=True)


def context(seen: Tensor) -> Tensor:
    return seen.argmax(-1)


def catcher(seen: Tensor) -> Tensor:
    board = seen.view(-1, ROWS, COLUMNS)
    return torch.sign(board[:, :-1].sum(1).argmax(-1) - board[:, -1].argmax(-1)) + 1


BEST: dict[str, Callable[[Tensor], Tensor]] = {
    "catch": catcher,
    "immediate-credit": lambda seen: context(seen) % 3,
    "delayed-credit": lambda seen: context(seen[:, :CUES]) % 2,
    "chain": lambda seen: context(seen) % 2,
    "noisy-rewards": lambda seen: context(seen),
    "reward-scale-small": lambda seen: context(seen) % 3,
    "reward-scale-large": lambda seen: context(seen) % 3,
    "off-policy": lambda seen: torch.where(context(seen[:, :-1]) == CHOICE, 1, context(seen[:, :3])),
    "many-actions": lambda seen: context(seen) * 3,
    "changing-goal": lambda seen: (context(seen) + 1) % 2,
}


def mean_score(worlds: World, play: Callable[[Tensor], Tensor], seed: int = 0) -> tuple[float, float]:
    """Over one episode of each; and its standard error."""
    seen = worlds.reset(seed)
    for _ in range(worlds.length):
        step = worlds.step(play(seen))
        seen = step.observation
    assert bool(step.finished.all())
    return float(step.score.mean()), float(step.score.std()) / worlds.num_envs**0.5


def test_every_skill_has_its_best_policy_here() -> None:
    assert set(BEST) == set(SKILLS)


@pytest.mark.parametrize("name", BEST)
def test_the_best_policy_scores_the_optimum_and_no_more(name: str) -> None:
    worlds = world(name)
    assert mean_score(worlds, BEST[name])[0] == pytest.approx(SKILLS[name].optimum, abs=1e-5)


@pytest.mark.parametrize("name", [*BEST, "corridor", "wide-bandit"])
def test_random_play_scores_as_said(name: str) -> None:
    worlds = world(name)
    stream = torch.Generator().manual_seed(5)
    mean, error = mean_score(worlds, lambda seen: torch.randint(worlds.num_actions, (len(seen),), generator=stream))
    chance = WORLDS[name].chance
    assert chance is not None
    assert abs(mean - chance) < 4 * error + 1e-6


@pytest.mark.parametrize("name", BEST)
def test_doing_always_the_same_is_far_from_the_optimum(name: str) -> None:
    worlds, chance, optimum = world(name), SKILLS[name].chance, SKILLS[name].optimum
    assert chance is not None
    assert optimum is not None
    for action in range(worlds.num_actions):
        mean, _ = mean_score(worlds, lambda seen: torch.full((len(seen),), action))  # noqa: B023
        assert mean < chance + 0.6 * (optimum - chance)


@pytest.mark.parametrize("name", ["catch", "immediate-credit", *META_WORLDS])
def test_worlds_for_meta_training_can_be_stacked(name: str) -> None:
    worlds = world(name, 2)
    assert (worlds.observation_size, worlds.num_actions) == (SHARED_SIZE, 9 if name == "wide-bandit" else 3)
