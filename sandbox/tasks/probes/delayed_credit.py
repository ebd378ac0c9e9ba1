"""Delayed credit: the first action decides a reward that comes 64 steps later.

Skill: bootstrapping. One of eight cues is shown in the first step, and the first action is right if it is the cue's parity; the other
actions do nothing. Half-way a fair coin pays +0.5 or -0.5. The last step takes that back and pays +1 if the first action was right, else
-1, so that the score is +1 or -1. After the first step the observation says whether it was right, and how the coin fell once it has.

With rollouts of at most 32 steps, none holds both a state of the first half and the final reward. A rule whose returns stop at the
rollout's end has no signal for the choice and its score stays near 0; one that bootstraps learns the later states' worth and scores 1.
Three details close side doors. Eight cues: always doing the same is worth nothing, and policies that drift at random average out. Separate
features for the two halves: a network cannot carry what it learned in the second half over to the first by mere resemblance. The coin:
normalised advantages would blow the remains of such resemblance up to full size if nothing else varied (PPO without bootstrapping solved
an earlier version of this world by just that).
"""

from __future__ import annotations

import torch
from torch import Tensor

from sandbox.tasks.probes.world import World

EPISODE_LENGTH = 64
"""Steps. Twice the default rollout."""

HALF = EPISODE_LENGTH // 2

CUES = 8

COIN = 0.5
"""What the coin pays or costs."""


class DelayedCredit(World):
    """The state: the cue in the first step, whether the choice was right in all others; and the coin, at first unseen."""

    length = EPISODE_LENGTH
    num_actions = 2
    observation_size = CUES + 7

    def __init__(self, num_envs: int, device: str) -> None:
        super().__init__(num_envs, device)
        self._views = views().to(self.device).unbind(0)

    def begin(self) -> None:
        """Draws the cue and the coin."""
        self._cue = self.draw(CUES)
        self._coin = self.draw(2)
        self._view = self._cue * 2 + self._coin

    def advance(self, actions: Tensor) -> Tensor:
        """The first action decides, the coin pays half-way, the last step settles."""
        if self.time == 0:
            self._right = (actions == self._cue % 2).long()
            self._view = self._right * 2 + self._coin
        if self.time + 1 == HALF:
            return (2 * self._coin - 1) * COIN
        if self.time + 1 == self.length:
            return (2 * self._right - 1) - (2 * self._coin - 1) * COIN
        return self.nothing

    def observe(self) -> Tensor:
        """`[8 cues, early wrong, early right, (late wrong, late right) x (coin lost, coin won), fraction of the episode passed]`."""
        return self._views[self.time].index_select(0, self._view)


def views() -> Tensor:
    """What is seen at (time, 2 x cue + coin in the first step, else 2 x right + coin): `[EPISODE_LENGTH, 2 CUES, CUES + 7]`."""
    table = torch.zeros(EPISODE_LENGTH, 2 * CUES, CUES + 7)
    table[0, :, :CUES] = torch.eye(CUES).repeat_interleave(2, 0)
    table[1:HALF, :4, CUES : CUES + 2] = torch.eye(2).repeat_interleave(2, 0)
    table[HALF:, :4, CUES + 2 : CUES + 6] = torch.eye(4)
    table[:, :, -1] = torch.linspace(0, 1, EPISODE_LENGTH)[:, None]
    return table
