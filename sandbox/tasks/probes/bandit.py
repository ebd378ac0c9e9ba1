"""What the bandits among the probes share: contexts are shown one after the other, and one action is right in each.

Nothing an action does changes what is shown next, so every reward belongs to the action just taken.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from sandbox.tasks.probes.world import World


class Bandit(World):
    """The right action in context k is `k % num_actions * spacing`; contexts are drawn evenly, a whole episode at a time.

    A subclass gives the numbers, and says what being right is worth.
    """

    contexts: ClassVar[int]
    spacing: ClassVar[int] = 1

    def __init__(self, num_envs: int, device: str) -> None:
        super().__init__(num_envs, device)
        self._views = torch.eye(self.contexts, self.observation_size, device=self.device)
        self._answers = (torch.arange(self.contexts, device=self.device) * self.spacing) % self.num_actions

    def begin(self) -> None:
        """Draws the contexts of the whole episode."""
        self._cues = self.draw(self.contexts, self.length)

    def right(self, actions: Tensor) -> Tensor:
        """Whether each action `[B]` is the right one in the context shown, bool `[B]`."""
        return actions == self._answers[self._cues[self.time]]

    def observe(self) -> Tensor:
        """The context, one-hot."""
        return self._views.index_select(0, self._cues[self.time])
