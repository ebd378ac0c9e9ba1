"""Delayed credit: the first action decides a reward that comes 64 steps later.

Skill: bootstrapping. A cue, 0 or 1, is shown in the first step; the first action is right if it equals the cue. From then on the
observation says whether it was right and how much of the episode has passed, the actions do nothing, and the last step pays +1 or -1.

With rollouts shorter than the episode, no rollout holds both the choice and its reward. A rule whose returns stop at the rollout's end sees
only zeros after the choice and gets no signal, its score stays near 0; one that bootstraps learns the value of having been right and scores
1. The cue makes it impossible to be right by always doing the same.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sandbox.tasks.probes.world import World

EPISODE_LENGTH = 64
"""Steps. Twice the default rollout."""


class DelayedCredit(World):
    """The state is one bit: the cue in the first step, whether the choice was right in all others."""

    length = EPISODE_LENGTH
    num_actions = 2
    observation_size = 5

    def __init__(self, num_envs: int, device: str) -> None:
        super().__init__(num_envs, device)
        self._views = views().to(self.device).unbind(0)

    def begin(self) -> None:
        """Draws the cue."""
        self._bit = self.draw(2)

    def advance(self, actions: Tensor) -> Tensor:
        """The first action decides; the last step pays."""
        if self.time == 0:
            self._bit = (actions == self._bit).long()
        if self.time + 1 < self.length:
            return self.nothing
        return self._bit.float().mul_(2).sub_(1)

    def observe(self) -> Tensor:
        """`[cue is 0, cue is 1, wrong, right, fraction of the episode passed]`."""
        return self._views[self.time].index_select(0, self._bit)


def views() -> Tensor:
    """What is seen at (time, bit): `[EPISODE_LENGTH, 2, 5]`."""
    table = torch.zeros(EPISODE_LENGTH, 2, 5)
    table[0, :, 0:2] = torch.eye(2)
    table[1:, :, 2:4] = torch.eye(2)
    table[:, :, 4] = torch.linspace(0, 1, EPISODE_LENGTH)[:, None]
    return table
