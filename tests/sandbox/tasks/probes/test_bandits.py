"""The bandits by hand: which action is right, what the learner is shown of its reward, when the goal flips."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from sandbox.tasks.probes.bandit import Bandit
from sandbox.tasks.probes.changing_goal import EPISODES, ChangingGoal
from sandbox.tasks.probes.immediate_credit import ImmediateCredit
from sandbox.tasks.probes.many_actions import ManyActions
from sandbox.tasks.probes.noisy_rewards import RIGHT_NOISE, WRONG_NOISE, NoisyRewards
from sandbox.tasks.probes.reward_scale import LargeRewards, SmallRewards

MANY = 20_000
ANSWERS = {ImmediateCredit: [0, 1, 2] * 3, ManyActions: [0, 3, 6, 9, 12, 15], NoisyRewards: [0, 1, 2], SmallRewards: [0, 1, 2] * 2}


@pytest.mark.parametrize("kind", ANSWERS)
def test_one_action_is_right_in_each_context(kind: type[Bandit]) -> None:
    worlds = kind(MANY, "cpu")
    worlds.evaluation = True
    context = worlds.reset(0).argmax(-1)
    for action in range(worlds.num_actions):
        reward = worlds.step(torch.full((MANY,), action)).reward
        right = torch.tensor(ANSWERS[kind])[context] == action
        assert bool((reward[right] > reward[~right].max() if right.any() else torch.tensor(True)).all())
        context = worlds.observe().argmax(-1)
        if worlds.time == 0:
            return


def shown_after(worlds: Bandit, right: bool) -> Tensor:
    """What the learner sees after one action that is right, or wrong, in all worlds."""
    context = worlds.reset(3).argmax(-1)
    answer = torch.tensor(ANSWERS.get(type(worlds), [0, 1, 2] * 2))[context]
    return worlds.step((answer + (not right)) % worlds.num_actions).reward


def test_immediate_credit_shows_coins() -> None:
    for right, chance in ((True, 0.8), (False, 0.2)):
        coins = shown_after(ImmediateCredit(MANY, "cpu"), right)
        assert set(coins.tolist()) == {0.0, 1.0}
        assert float(coins.mean()) == pytest.approx(chance, abs=0.02)


def test_noise_leaves_the_mean_and_is_wider_where_less_is_paid() -> None:
    for right, mean, deviation in ((True, 1.0, RIGHT_NOISE), (False, 0.0, WRONG_NOISE)):
        shown = shown_after(NoisyRewards(MANY, "cpu"), right)
        assert float(shown.mean()) == pytest.approx(mean, abs=4 * deviation / MANY**0.5)
        assert float(shown.std()) == pytest.approx(deviation, rel=0.03)


@pytest.mark.parametrize(("kind", "scale"), [(SmallRewards, 0.001), (LargeRewards, 1000.0)])
def test_only_the_learner_sees_the_other_unit(kind: type[Bandit], scale: float) -> None:
    worlds = kind(8, "cpu")
    seen = worlds.reset(0)
    rewards = []
    for _ in range(worlds.length):
        step = worlds.step(seen.argmax(-1) % 3)
        seen = step.observation
        rewards.append(step.reward)
    assert torch.equal(torch.stack(rewards), torch.full((10, 8), scale))
    assert torch.equal(step.score, torch.full((8,), 10.0))


@pytest.mark.parametrize("num_envs", [16, 256])
def test_the_goal_flips_once_after_so_many_episodes_of_all_environments(num_envs: int) -> None:
    worlds = ChangingGoal(num_envs, "cpu")
    seen = worlds.reset(0)
    scores = []
    for _ in range(2 * EPISODES // num_envs * worlds.length):
        step = worlds.step(seen.argmax(-1) % 2)
        seen = step.observation
        scores += step.score[:1][step.finished[:1]].tolist()
    half = EPISODES // num_envs
    assert scores == [10.0] * half + [0.0] * half
    again = worlds.reset(0)
    assert float(worlds.step(again.argmax(-1) % 2).reward.mean()) == 1.0
