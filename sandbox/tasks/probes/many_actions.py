"""Many actions: eighteen of them, as in Atari, and in each of six contexts only one pays.

Skill: finding one action in many and letting go of the rest. The right one pays 1, all others nothing; ten contexts an episode. A rule that
raises an action without lowering the others' share, whose bonus for entropy grows with the number of actions, or that acts by values it
never tries out, finds few of them in a short budget. The best policy scores 10, random play 10/18.
"""

from __future__ import annotations

from torch import Tensor

from sandbox.tasks.probes.bandit import Bandit


class ManyActions(Bandit):
    """The right actions are 0, 3, 6, …, 15."""

    length = 10
    num_actions = 18
    contexts = 6
    spacing = 3
    observation_size = contexts

    def advance(self, actions: Tensor) -> Tensor:
        """1 for the right action."""
        return self.right(actions).float()
