"""Corridor: nine cells in a row, one end pays 1 and the other 0.1, which is which is drawn anew for every seed.

For meta-training. Episodes start in the middle cell; actions 0, 1, 2 move by -1, 0, +1; the first arrival at an end pays and all is over,
though the episode lasts its twelve steps. The best policy scores 1, random play 0.180 on every seed.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sandbox.tasks.probes.world import SHARED_SIZE, World

CELLS = 9

GOOD = 1.0
BAD = 0.1


class Corridor(World):
    """The state is the cell; at an end nothing more happens."""

    length = 12
    num_actions = 3
    observation_size = SHARED_SIZE

    def __init__(self, num_envs: int, device: str) -> None:
        super().__init__(num_envs, device)
        self._views = torch.eye(CELLS, self.observation_size, device=self.device)
        self._middle = torch.full((num_envs,), CELLS // 2, device=self.device)

    def create(self) -> None:
        """Decides which end is the good one."""
        ends = [GOOD, BAD] if int(torch.randint(2, (), generator=self.generator, device=self.device)) else [BAD, GOOD]
        self._pays = torch.zeros(CELLS, device=self.device)
        self._pays[0], self._pays[-1] = ends

    def begin(self) -> None:
        """Everybody stands in the middle."""
        self._cell = self._middle

    def advance(self, actions: Tensor) -> Tensor:
        """Moves whoever is not at an end; arriving pays."""
        inside = (self._cell > 0) & (self._cell < CELLS - 1)
        self._cell = torch.where(inside, self._cell + actions - 1, self._cell)
        return torch.where(inside, self._pays[self._cell], self.nothing)

    def observe(self) -> Tensor:
        """The cell, one-hot."""
        return self._views.index_select(0, self._cell)
