"""Wide bandit: nine actions; contexts, right actions, chances of being paid, and whether the goal changes are drawn anew for every seed.

For meta-training, where a life is lived in one of them. Each of 2 to 12 contexts has one right action. It pays 1 with a chance of at least
0.6, the others with one of at most 0.3. In a third of all worlds every right action changes after 400 to 1,500 episodes of all B
environments together, again and again. Ten contexts an episode. Scores count right actions: the best policy scores 10, random play 10/9.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sandbox.tasks.probes.bandit import Bandit
from sandbox.tasks.probes.world import SHARED_SIZE

FEWEST_CONTEXTS = 2

RIGHT = (0.6, 1.0)
WRONG = (0.0, 0.3)
"""Between which the chances lie that an action pays 1."""

CHANGING = 1 / 3
"""Of all worlds."""

PATIENCE = (400, 1500)
"""Episodes of all environments together, before the goal changes."""


class WideBandit(Bandit):
    """`reset` decides the world."""

    length = 10
    num_actions = 9
    contexts = 12
    observation_size = SHARED_SIZE

    def create(self) -> None:
        """Draws everything, whether or not it is used."""
        self._known = FEWEST_CONTEXTS + self._integer(self.contexts - FEWEST_CONTEXTS + 1)
        self._answers = torch.randint(self.num_actions, (self.contexts,), generator=self.generator, device=self.device)
        self._right, self._wrong = (low + (high - low) * self._share() for low, high in (RIGHT, WRONG))
        patience = PATIENCE[0] + self._integer(PATIENCE[1] - PATIENCE[0])
        self._patience = patience if self._share() < CHANGING else math.inf
        self._episodes = 0

    def begin(self) -> None:
        """Draws the contexts; changes the goal when its time is over."""
        if self._episodes >= self._patience:
            moved = 1 + torch.randint(self.num_actions - 1, (self.contexts,), generator=self.generator, device=self.device)
            self._answers = (self._answers + moved) % self.num_actions
            self._episodes = 0
        self._episodes += self.num_envs
        self._cues = self.draw(self._known, self.length)

    def advance(self, actions: Tensor) -> Tensor:
        """1 for the right action."""
        return self.right(actions).float()

    def shown(self, reward: Tensor) -> Tensor:
        """A coin."""
        return torch.bernoulli(self._wrong + (self._right - self._wrong) * reward, generator=self.generator)

    def _integer(self, high: int) -> int:
        return int(torch.randint(high, (), generator=self.generator, device=self.device))

    def _share(self) -> float:
        return float(torch.rand((), generator=self.generator, device=self.device))
