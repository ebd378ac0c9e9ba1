"""Random MDP: ten states, three actions, transitions and rewards drawn anew for every seed.

For meta-training, where a life is lived in one of them. From state s action a leads to a state drawn from p(. | s, a), peaked on a few
states, and pays r(s, a), standard normal. All B environments share p and r; what differs is where they start and how the dice fall.
Twenty steps an episode. What can be earned depends on the seed; over seeds, random play earns 0 on average.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sandbox.tasks.probes.world import SHARED_SIZE, World

STATES = 10

PEAK = 4.0
"""Transition probabilities are exponential draws to this power, normalised: at 4 the likeliest next state has 0.7 on average."""


class RandomMdp(World):
    """The state is one-hot; `reset` decides the world."""

    length = 20
    num_actions = 3
    observation_size = SHARED_SIZE

    def __init__(self, num_envs: int, device: str) -> None:
        super().__init__(num_envs, device)
        self._views = torch.eye(STATES, self.observation_size, device=self.device)

    def create(self) -> None:
        """Draws transitions, kept as running sums over the next state `[S * A, S - 1]`, and rewards `[S * A]`."""
        pairs = STATES * self.num_actions
        raw = torch.empty(pairs, STATES, device=self.device).exponential_(generator=self.generator) ** PEAK
        self.transitions = raw / raw.sum(-1, keepdim=True)
        self._thresholds = self.transitions.cumsum(-1)[:, :-1]
        self.rewards = torch.randn(pairs, generator=self.generator, device=self.device)

    def begin(self) -> None:
        """Any state, all alike."""
        self.state = self.draw(STATES)
        self._dice = torch.rand(self.length, self.num_envs, 1, generator=self.generator, device=self.device)

    def advance(self, actions: Tensor) -> Tensor:
        """Pays r(s, a) and moves on."""
        pair = self.state * self.num_actions + actions
        self.state = (self._dice[self.time] >= self._thresholds[pair]).sum(-1)
        return self.rewards[pair]

    def observe(self) -> Tensor:
        """The state, one-hot."""
        return self._views.index_select(0, self.state)
