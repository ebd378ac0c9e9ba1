"""Trajectories for meta-training, with rewards aligned as an actor sees them."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from sandbox.rules.meta.values import Trajectory


class Rollout(NamedTuple):
    """T+1 rows of B streams. `rewards[t]` and `continues[t]` *arrived with* observation t; row 0's belong to the step before."""

    observations: Tensor  # [T+1, B, …]
    actions: Tensor  # [T+1, B] int64, chosen at each observation
    rewards: Tensor  # [T+1, B]
    continues: Tensor  # [T+1, B], 0 where the episode before this row ended
    behaviour_logits: Tensor  # [T+1, B, A]

    @property
    def trajectory(self) -> Trajectory:
        """The T transitions, rewards after the actions that earned them."""
        return Trajectory(self.actions[:-1], self.rewards[1:], self.continues[1:])

    @property
    def mask(self) -> Tensor:
        """`[T, B]`, 0 on rows that follow an end, which the published rule drops from its loss."""
        return (self.continues[:-1] > 0).to(self.rewards.dtype)
