"""What one update of an agent learns from, as the differentiable loop wants it."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from sandbox.rules.base import Batch, Heads
from sandbox.training.trajectories import Trajectories


class Lesson(NamedTuple):
    """One minibatch. Actions, rewards and continues have the rows of `archive.baseline.rollout.Rollout`, so that its judge can read them:
    `rewards[t]` arrived *with* observation t, and nothing is known of what arrived with the first."""

    observations: Tensor  # [T+1, B, …]
    actions: Tensor  # [T+1, B] int64; the last row is not read
    rewards: Tensor  # [T+1, B]; the first row is not read
    continues: Tensor  # [T+1, B]; the first row is not read
    truncated: Tensor  # [T, B]
    behaviour: Heads  # [T+1, B, …], data: no gradient ever goes through what was recorded
    behaviour_log_prob: Tensor  # [T, B]
    progress: Tensor  # 0-dim

    def batch(self, online: Heads, target: Heads) -> Batch:
        """What the rule sees, given the heads of today's parameters."""
        return Batch(
            actions=self.actions[:-1],
            rewards=self.rewards[1:],
            continues=self.continues[1:],
            truncated=self.truncated,
            online=online,
            behaviour=self.behaviour,
            behaviour_log_prob=self.behaviour_log_prob,
            target=target,
            progress=self.progress,
        )


def lesson_of(chosen: Trajectories, behaviour: Heads, progress: Tensor) -> Lesson:
    """From the trainer's trajectories; `behaviour` are their recorded heads, or what stands for them where nobody reads them."""
    row = torch.zeros_like(chosen.rewards[:1])
    return Lesson(
        observations=chosen.observation,
        actions=torch.cat([chosen.actions, torch.zeros_like(chosen.actions[:1])]),
        rewards=torch.cat([row, chosen.rewards]),
        continues=torch.cat([row, chosen.continues]),
        truncated=chosen.truncated,
        behaviour=behaviour,
        behaviour_log_prob=chosen.log_prob,
        progress=progress,
    )
