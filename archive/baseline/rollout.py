"""Trajectories for meta-training, with rewards aligned as an actor sees them."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from torch import Tensor

from sandbox.language import toolkit as rl
from sandbox.rules.meta.values import Trajectory


class Judged(Protocol):
    """What a value function reads of trajectories, aligned as in `Rollout`."""

    @property
    def observations(self) -> Tensor:
        """`[T+1, B, …]`."""

    @property
    def actions(self) -> Tensor:
        """`[T+1, B]`; the last row is not read."""

    @property
    def rewards(self) -> Tensor:
        """`[T+1, B]`."""

    @property
    def continues(self) -> Tensor:
        """`[T+1, B]`."""

    @property
    def behaviour_log_prob(self) -> Tensor:
        """`[T, B]`, of the actions under the policy that chose them."""


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
    def behaviour_log_prob(self) -> Tensor:
        """`[T, B]`, of the actions under the policy that chose them."""
        return rl.log_prob(self.behaviour_logits[:-1], self.actions[:-1])
