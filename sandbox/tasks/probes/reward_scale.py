"""Reward scale: a bandit paid in a thousandth, or in thousands.

Skill: not minding the unit of rewards. In each of six contexts one of three actions is right and worth 1, the others nothing; ten
contexts an episode. The learner sees that times 0.001 or times 1000. A rule whose policy term is not normalised drowns in its own entropy
bonus when rewards are small; when they are large, the value's error may swamp the policy's gradient in the layers that both share (PPO,
A2C and REINFORCE end near random play, DQN does not). Scores are in the plain unit, so that all three compare: the best policy scores 10,
random play 10/3.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from sandbox.tasks.probes.bandit import Bandit


class ScaledBandit(Bandit):
    """Rewards are shown times `scale`."""

    length = 10
    num_actions = 3
    contexts = 6
    observation_size = contexts
    scale: ClassVar[float]

    def advance(self, actions: Tensor) -> Tensor:
        """1 for the right action."""
        return self.right(actions).float()

    def shown(self, reward: Tensor) -> Tensor:
        """The reward in the other unit."""
        return reward * self.scale


class SmallRewards(ScaledBandit):
    """A thousandth."""

    scale = 1e-3


class LargeRewards(ScaledBandit):
    """Thousands."""

    scale = 1e3
