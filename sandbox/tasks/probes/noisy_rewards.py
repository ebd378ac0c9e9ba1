"""Noisy rewards: a bandit whose rewards are mostly noise, and noisier where they are lower.

Skill: averaging. The right action of the three is worth 1, the others 0, and the learner sees that plus Gaussian noise of deviation 2 for
the right action and 4 for the others. A rule that trusts single rewards, learns only from the best it has seen (imitation of its own
successes, positive advantages alone, maxima over returns) prefers the wilder, worse actions. Three contexts, ten an episode. Scores leave
the noise out: the best policy scores 10, random play 10/3.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sandbox.tasks.probes.bandit import Bandit

RIGHT_NOISE = 2.0
WRONG_NOISE = 4.0
"""Standard deviations."""


class NoisyRewards(Bandit):
    """The noise of a step depends on whether its reward is 1 or 0."""

    length = 10
    num_actions = 3
    contexts = 3
    observation_size = contexts

    def advance(self, actions: Tensor) -> Tensor:
        """1 for the right action."""
        return self.right(actions).float()

    def shown(self, reward: Tensor) -> Tensor:
        """The reward and its noise."""
        noise = torch.randn(self.num_envs, generator=self.generator, device=self.device)
        return reward + noise * (WRONG_NOISE + (RIGHT_NOISE - WRONG_NOISE) * reward)
