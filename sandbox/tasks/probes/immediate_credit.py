"""Immediate credit: a bandit with nine contexts, each of which says which of three actions is right.

Skill: telling good actions from bad ones at all. The right action pays 1 with probability 0.8, the others with 0.2; ten contexts an
episode, drawn evenly. Nothing is delayed, so whoever fails here has the wrong sign, does not read rewards, or pairs them with another
step's action. Scores count probabilities, not the coins that the learner sees: the best policy scores 8, random play 4.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sandbox.tasks.probes.bandit import Bandit
from sandbox.tasks.probes.world import SHARED_SIZE

RIGHT = 0.8
WRONG = 0.2
"""Chances that an action pays 1."""


class ImmediateCredit(Bandit):
    """Contexts are shown among as many numbers as Catch has, so that agents of both can be stacked for meta-training."""

    length = 10
    num_actions = 3
    contexts = 9
    observation_size = SHARED_SIZE

    def advance(self, actions: Tensor) -> Tensor:
        """What each action pays on average."""
        return torch.where(self.right(actions), RIGHT, WRONG)

    def shown(self, reward: Tensor) -> Tensor:
        """A coin, 1 with the reward's probability."""
        return torch.bernoulli(reward, generator=self.generator)
