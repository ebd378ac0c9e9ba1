"""A ring of trajectories. Fresh rollouts are written straight into it, so that nothing is copied between acting and learning."""

from __future__ import annotations

from typing import TypedDict

import torch
from torch import Tensor

from sandbox.training.trajectories import Trajectories


class RingState(TypedDict):
    """What a checkpoint keeps of a ring."""

    written: int
    tensors: dict[str, Tensor]


class Ring:
    """Slots of B columns each; the newest rollout takes the place of the oldest.

    Without replay one slot is enough. Capacity is a whole number of rollouts, at least one.
    """

    def __init__(self, storage: Trajectories, num_envs: int) -> None:
        self.storage = storage
        self.num_envs = num_envs
        self.slots = storage.actions.shape[1] // num_envs
        self._written = 0  # rollouts in all, however many are still held

    @property
    def capacity(self) -> int:
        """The most columns held at a time."""
        return self.slots * self.num_envs

    @property
    def held(self) -> int:
        """Columns that hold a trajectory."""
        return min(self._written, self.slots) * self.num_envs

    def claim(self) -> Trajectories:
        """The next slot's columns, to be written in place; from now on they count as the fresh ones."""
        start = self._written % self.slots * self.num_envs
        self._written += 1
        return self.storage.narrow(start, self.num_envs)

    def fresh(self) -> Tensor:
        """Numbers of the columns written last, int64 `[B]`."""
        start = (self._written - 1) % self.slots * self.num_envs
        return torch.arange(start, start + self.num_envs)

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Numbers of `count` columns drawn evenly, with replacement, from all that are held, the fresh ones included; int64 `[count]`."""
        return torch.randint(self.held, (count,), generator=generator)

    def state(self) -> RingState:
        """Everything, for a checkpoint."""
        return {"written": self._written, "tensors": self.storage.tensors()}

    def restore(self, state: RingState) -> None:
        """Takes up what `state` gave."""
        self._written = state["written"]
        for name, tensor in self.storage.tensors().items():
            tensor.copy_(state["tensors"][name])


def ring_columns(num_envs: int, replays: bool, replay_capacity: int) -> int:
    """How many trajectories a ring holds: one rollout, or with replay the most whole rollouts within `replay_capacity`."""
    return num_envs * max(1, replay_capacity // num_envs) if replays else num_envs
