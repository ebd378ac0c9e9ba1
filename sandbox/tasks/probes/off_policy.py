"""Off-policy: what old policies got out of a choice says it is bad, though for the present policy it is good.

Skill: correcting for data that other policies made. Half the learner's episodes begin with a choice: action 0 settles for 3.5 at once and
seven idle steps, the other two go on to a game of seven steps, in which one of three cues is shown and the action of the same number pays
1, any other costs 1. The other half begin in the game (its first step pays too), so that it is always learned, whatever is chosen;
evaluation always begins with the choice. Whoever plays at random loses 7/3 in the game and should settle, whoever has learned it gets 7
and should not. Replayed trajectories come from policies that could not play yet; taken as they are, they speak for settling. V-trace
without its weights settles. PPO without its ratio, whose data are never older than a rollout, mostly does not. The best policy scores 7,
one that settles 3.5, random play -7/18.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sandbox.tasks.probes.world import World

CUES = 3

GAME = 7
"""Steps of the game after a choice."""

SETTLED = 3.5
"""What settling pays."""

CHOICE, IDLE = CUES, CUES + 1
"""What is seen instead of a cue."""


class OffPolicy(World):
    """The state: the cue, the choice or nothing to do; and the time."""

    length = 1 + GAME
    num_actions = CUES
    observation_size = CUES + 3

    def __init__(self, num_envs: int, device: str) -> None:
        super().__init__(num_envs, device)
        self._views = views(self.length).to(self.device).unbind(0)
        self._choices = torch.full((num_envs,), CHOICE, device=self.device)
        self._idle = torch.full((num_envs,), IDLE, device=self.device)

    def begin(self) -> None:
        """Draws all cues, and who begins with the choice."""
        self._cues = self.draw(CUES, self.length)
        self._view = self._choices if self.evaluation else torch.where(self.draw(2) == 0, self._choices, self._cues[0])

    def advance(self, actions: Tensor) -> Tensor:
        """The choice in the first step, the game in all steps."""
        reward = 2.0 * (actions == self._view) - 1.0
        if self.time == 0:
            chooses = self._view == CHOICE
            self._playing = ~(chooses & (actions == 0))
            reward = torch.where(chooses, (~self._playing) * SETTLED, reward)
        else:
            reward = torch.where(self._playing, reward, self.nothing)
        if self.time + 1 < self.length:
            self._view = torch.where(self._playing, self._cues[self.time + 1], self._idle)
        return reward

    def observe(self) -> Tensor:
        """`[3 cues, choice, idle, fraction of the episode passed]`."""
        return self._views[self.time].index_select(0, self._view)


def views(length: int) -> Tensor:
    """What is seen at (time, view): `[length, CUES + 2, CUES + 3]`."""
    table = torch.eye(CUES + 2, CUES + 3).repeat(length, 1, 1)
    table[:, :, -1] = torch.linspace(0, 1, length)[:, None]
    return table
