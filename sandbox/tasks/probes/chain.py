"""Chain: a small reward is always at hand, a large one at the end of six right moves in a row.

Skill: exploring on though something already pays. In cell k of six, action `k mod 2` moves a cell on and pays nothing; in the last cell
it pays 1 and leads back to the first. The other action pays 0.03 and leads back as well. Random play reaches the large reward once in 64
tries, so at first the small one looks better in every cell but the last ones; a policy that settles on it never learns better, one that
is kept trying (entropy bonus, epsilon) learns the cells from the last to the first. Twelve steps an episode: the best policy scores 2,
one that settles 0.36, random play 0.243.

After the chain of Strens, "A Bayesian framework for reinforcement learning", 2000, and deep sea of Osband et al. 2020.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sandbox.tasks.probes.world import World

CELLS = 6

NEAR = 0.03
FAR = 1.0
"""The two rewards."""


class Chain(World):
    """The state is the cell, one-hot."""

    length = 2 * CELLS
    num_actions = 2
    observation_size = CELLS

    def __init__(self, num_envs: int, device: str) -> None:
        super().__init__(num_envs, device)
        self._views = torch.eye(CELLS, device=self.device)
        self._first = torch.zeros(num_envs, dtype=torch.int64, device=self.device)

    def begin(self) -> None:
        """Everybody stands in the first cell."""
        self._cell = self._first

    def advance(self, actions: Tensor) -> Tensor:
        """A cell on, or back with the small reward; from the last cell back with the large one."""
        on = actions == self._cell % 2
        last = self._cell == CELLS - 1
        self._cell = torch.where(on & ~last, self._cell + 1, self._first)
        return torch.where(on, FAR * last, NEAR)

    def observe(self) -> Tensor:
        """The cell."""
        return self._views.index_select(0, self._cell)
