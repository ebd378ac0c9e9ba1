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
from sandbox.tasks.probes.wide_bandit import PATIENCE, RIGHT, WRONG, WideBandit

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


def play(worlds: WideBandit, seen: Tensor, actions: Tensor) -> tuple[Tensor, Tensor, dict[int, int]]:
    """An episode with the action of each context: what is seen next, scores, and contexts to the actions that were right there."""
    right = {}
    for _ in range(worlds.length):
        context = seen.argmax(-1)
        step = worlds.step(actions[context])
        right.update({int(each): int(actions[each]) for each in context[step.reward == 1]})
        seen = step.observation
    return seen, step.score, right


def answers(worlds: WideBandit, seed: int) -> tuple[Tensor, dict[int, int]]:
    """Contexts to right actions, by an episode of each action; and what is seen after."""
    worlds.evaluation, found, seen = True, {}, worlds.reset(seed)
    for action in range(worlds.num_actions):
        seen, _, right = play(worlds, seen, torch.full((worlds.contexts,), action))
        found |= right
    return seen, found


def test_every_seed_has_a_wide_bandit_of_its_own_and_the_same_seed_the_same() -> None:
    worlds = WideBandit(40, "cpu")
    found = [answers(worlds, seed)[1] for seed in range(8)]
    assert found == [answers(worlds, seed)[1] for seed in range(8)]
    assert len({tuple(sorted(each.items())) for each in found}) == 8
    assert len({len(each) for each in found}) > 2, "they differ in the number of contexts"
    assert {action for each in found for action in each.values()} == set(range(9))


def test_a_wide_bandit_pays_coins_whose_chances_are_drawn() -> None:
    chances = []
    for seed in range(8):
        worlds = WideBandit(MANY // 10, "cpu")
        context, best = worlds.reset(seed).argmax(-1), answers(WideBandit(40, "cpu"), seed)[1]
        coins = worlds.step(torch.zeros(len(context), dtype=torch.int64)).reward
        assert set(coins.tolist()) <= {0.0, 1.0}
        right = torch.tensor([best[int(each)] == 0 for each in context])
        chances += [(float(coins[right].mean()), float(coins[~right].mean()))] if right.any() else []
    assert len(set(chances)) == len(chances) > 2
    for paid, unpaid in chances:
        assert RIGHT[0] - 0.1 < paid <= RIGHT[1]
        assert WRONG[0] <= unpaid < WRONG[1] + 0.1


def test_in_some_wide_bandits_the_goal_changes_everywhere_when_its_time_is_over() -> None:
    changes = []
    for seed in range(12):
        worlds = WideBandit(40, "cpu")
        seen, found = answers(worlds, seed)  # 360 episodes
        best = torch.tensor([found.get(context, 0) for context in range(worlds.contexts)])
        scores = []
        for _ in range(PATIENCE[1] // 40):
            seen, score, _ = play(worlds, seen, best)
            scores.append(float(score.mean()))
        assert scores[0] == worlds.length
        fell = next((episodes for episodes, score in enumerate(scores) if score != worlds.length), None)
        if fell is not None:
            assert scores[fell] == 0
            changes.append(360 + 40 * fell)
    assert 2 <= len(changes) <= 8
    assert min(changes) >= PATIENCE[0]
    assert len(set(changes)) > 1
