"""Changing goal: which of two actions is right flips, and nothing seen says so.

Skill: unlearning. Four contexts, ten an episode, the right action pays 1. After 768 episodes of all B environments together the two actions
change places for good (at the default 16 environments: after 7,680 steps), and evaluation plays the goal that then holds. A policy that has
become certain, and never tries anything else again, keeps to a goal that is no more; so do rules that remember the best they ever got,
and old trajectories replayed for too long. One flip and not many: the agent that is examined knows one goal, and the exam cannot know at
which flip training stopped. The best policy scores 10, random play 5, one that only ever learned the first goal 0. A budget of less than
about 15,000 steps leaves no time to unlearn.
"""

from __future__ import annotations

from torch import Tensor

from sandbox.tasks.probes.bandit import Bandit

EPISODES = 768
"""Of all environments together, before the flip."""


class ChangingGoal(Bandit):
    """Counts episodes from `reset` on."""

    length = 10
    num_actions = 2
    contexts = 4
    observation_size = contexts

    def create(self) -> None:
        """No episode has been played."""
        self._episodes = 0

    def begin(self) -> None:
        """Draws the contexts; flips the goal when its time is over."""
        super().begin()
        self._flipped = self.evaluation or self._episodes >= EPISODES
        self._episodes += self.num_envs

    def advance(self, actions: Tensor) -> Tensor:
        """1 for the action that is right under the present goal."""
        return (self.right(actions) != self._flipped).float()
