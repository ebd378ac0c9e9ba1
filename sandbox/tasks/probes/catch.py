"""Catch: a ball falls through an 8 x 8 board, a paddle in the bottom row must be under it.

Skill: credit over a few steps. A loss of the wrong sign misses on purpose; with a discount of zero only the last move is ever learned.
Rules as in bsuite (Osband et al. 2020) and in DiscoRL's example: actions 0, 1, 2 move the paddle by -1, 0, +1, then the ball falls one row;
in the bottom row the episode ends with +1 if the columns agree, else -1. Always agreeing scores 1; random play scores -0.75, since the
paddle's walk of seven steps, held at the walls, ends in a column that has nothing to do with the ball's (1/8 of all episodes agree).
"""

from __future__ import annotations

import torch
from torch import Tensor

from sandbox.tasks.probes.world import World

ROWS = 8
COLUMNS = 8


class Catch(World):
    """The state is two columns, so what can be seen is a table: `[ROWS - 1, COLUMNS², ROWS * COLUMNS]`, looked up once a step."""

    length = ROWS - 1
    num_actions = 3
    observation_size = ROWS * COLUMNS

    def __init__(self, num_envs: int, device: str) -> None:
        super().__init__(num_envs, device)
        self._views = boards().to(self.device).unbind(0)
        self._centre = torch.full((num_envs,), COLUMNS // 2, device=self.device)

    def begin(self) -> None:
        """The ball starts in the top row at a uniform column, the paddle in the middle."""
        self._ball = self.draw(COLUMNS)
        self._ball_offset = self._ball * COLUMNS
        self._paddle = self._centre

    def advance(self, actions: Tensor) -> Tensor:
        """Moves the paddle within the board; the last step pays +1 or -1."""
        self._paddle = (self._paddle + actions).sub_(1).clamp_(0, COLUMNS - 1)
        if self.time + 1 < self.length:
            return self.nothing
        return (self._ball == self._paddle).float().mul_(2).sub_(1)

    def observe(self) -> Tensor:
        """The board, row by row: ones at ball and paddle."""
        return self._views[self.time].index_select(0, self._ball_offset + self._paddle)


def boards() -> Tensor:
    """What is seen at (row of the ball, column of the ball * COLUMNS + column of the paddle)."""
    table = torch.zeros(ROWS - 1, COLUMNS, COLUMNS, ROWS, COLUMNS)
    for row in range(ROWS - 1):
        for column in range(COLUMNS):
            table[row, column, :, row, column] = 1.0
            table[row, :, column, ROWS - 1, column] = 1.0
    return table.reshape(ROWS - 1, COLUMNS * COLUMNS, ROWS * COLUMNS)
