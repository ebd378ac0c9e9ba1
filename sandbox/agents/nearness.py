"""How near everything is to what the agent moves.

In most games it counts whether two things meet: ball and paddle, bomb and gun. Memory holds where they are, each in a byte of its own, but
that two bytes *agree* is a fact about both, which a small network learns from far more play than it gets. So the bytes that answer to the
agent's actions are looked for (contingency awareness: Bellemare, Veness and Bowling 2012, "Investigating contingency awareness using Atari
2600 games"), and the differences of others to them are shown in soft bins, as radial basis functions (Broomhead and Lowe 1988).

Nothing is known of any game: what is looked for is found in the first moments of play, and kept from then on.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

OWN = 2
"""The most bytes that count as moved by the agent: one may hold the stick and another what it moves."""

LEAST_ANSWER = 0.25
"""Of the best: a second byte that answers less than that is another thing."""

OTHERS = 16
"""The most bytes whose difference to one of these is shown: places are few, and what else there is would only be in the way."""

SPACING = 6.0
"""Between the centres of neighbouring bins, and the width of each, in the units that memory has, which are mostly pixels."""

BINS = 9
"""Centres on both sides of 0: nearness ends some 30 away."""

HEIGHT = 2.0
"""Of a bin, where it is full. Most are empty most of the time, and the bytes beside them have a variance of 1."""

ROWS, TICKS = 2048, 128
"""So much play is looked at, in steps of all environments and of each: games often begin with a second in which nothing answers."""

JUMP = 24
"""A byte that changes by more wrapped around, was drawn anew, or holds no place at all."""

MOST_JUMPS = 0.5
"""Of a byte's changes: one that jumps more often holds no place. Nothing can come near random numbers, bits, or digits in one byte."""

VALUES = 16
"""A byte with fewer holds no place that one could move along."""

ACTIONS = 18
"""The most that an Atari game has."""

NOTHING = 1e-20
"""What a bin holds below this is 0. Numbers too small for full precision make a product of matrices tens of times slower."""

LARGEST = 255
"""Difference of two bytes."""


class Nearness(nn.Module):
    """Bytes `[N, M]` to `[N, width]` in [0, `HEIGHT`]. All zero until enough was observed, or for ever where no byte answers.

    Pairs and statistics are buffers that only `observe` changes. They are no part of the state dict, which holds what gradients teach.
    """

    own: Tensor  # [pairs] int64, the byte that the agent moves
    other: Tensor  # the same, the byte that comes near it
    zero: Tensor  # the same, int32, the row of `bins` for no difference: `LARGEST`, or 0, which is empty, for a pair that is not used
    bins: Tensor  # [2 * LARGEST + 1, BINS] what each difference is shown as, looked up, from the most negative on
    ticks: Tensor  # steps of each environment that were observed
    rows: Tensor  # steps of all
    taken: Tensor  # [ACTIONS] how often each action was
    moved: Tensor  # [ACTIONS, M] sums of the changes that followed it
    squares: Tensor  # [M] sum of their squares
    changes: Tensor  # [M] how often a byte changed
    jumps: Tensor  # [M] and by more than `JUMP`
    met: Tensor  # [M, 256] which values a byte was seen to have

    def __init__(self, size: int) -> None:
        super().__init__()
        pairs = OWN * OTHERS
        self.width = pairs * BINS
        for name, dtype in (("own", torch.int64), ("other", torch.int64), ("zero", torch.int32)):
            self.register_buffer(name, torch.zeros(pairs, dtype=dtype), persistent=False)
        self.register_buffer("bins", soft_bins(), persistent=False)
        for name in ("ticks", "rows"):
            self.register_buffer(name, torch.zeros((), dtype=torch.int64), persistent=False)
        for name, shape in (("taken", (ACTIONS,)), ("moved", (ACTIONS, size))):
            self.register_buffer(name, torch.zeros(shape), persistent=False)
        for name in ("squares", "changes", "jumps"):
            self.register_buffer(name, torch.zeros(size), persistent=False)
        self.register_buffer("met", torch.zeros(size, 256, dtype=torch.bool), persistent=False)

    def forward(self, raw: Tensor) -> Tensor:
        """`[N, width]` in the buffers' precision."""
        apart = raw.index_select(-1, self.other).to(torch.int32) - raw.index_select(-1, self.own)
        return nn.functional.embedding(apart + self.zero, self.bins).flatten(-2)

    @torch.no_grad()
    def observe(self, raw: Tensor, actions: Tensor) -> None:
        """Looks at bytes `[T+1, B, M]` and the actions `[T, B]` between them, until it has seen enough to settle the pairs."""
        if self._seen_enough():
            return
        self._count(raw, actions)
        if self._seen_enough():
            self._settle()

    def _seen_enough(self) -> bool:
        return int(self.rows) >= ROWS and int(self.ticks) >= TICKS

    def _count(self, raw: Tensor, actions: Tensor) -> None:
        change = (raw[1:].to(self.moved.dtype) - raw[:-1].to(self.moved.dtype)).flatten(0, 1)
        jumped = change.abs() > JUMP
        self.changes.add_((change != 0).sum(0))
        self.jumps.add_(jumped.sum(0))
        change = torch.where(jumped, 0.0, change)
        took = nn.functional.one_hot(actions.flatten(), ACTIONS).to(change.dtype)
        self.taken.add_(took.sum(0))
        self.moved.add_(took.T @ change)
        self.squares.add_(change.square().sum(0))
        columns = torch.arange(raw.shape[-1], device=raw.device)
        self.met[columns.expand(raw.shape).flatten(), raw.flatten().long()] = True
        self.ticks.add_(len(actions))
        self.rows.add_(actions.numel())

    def _settle(self) -> None:
        """Pairs the bytes that answer best with those that show most of their values within reach of them."""
        places = self.jumps <= MOST_JUMPS * self.changes
        answers = torch.where(places & (self.met.sum(1) >= VALUES), self._answers(), 0.0)
        best = answers.argsort(descending=True, stable=True)[:OWN]
        own = best[(answers[best] > 0) & (answers[best] >= LEAST_ANSWER * answers.max())]
        for number, byte in enumerate(own):
            pairs = slice(number * OTHERS, (number + 1) * OTHERS)
            self.own[pairs] = byte
            self.other[pairs] = self._others(byte, places)
            self.zero[pairs] = LARGEST

    def _answers(self) -> Tensor:
        """`[M]` the share of a byte's changes that its action explains: the correlation ratio (Fisher 1925)."""
        mean = self.moved / self.taken.clamp(min=1).unsqueeze(1)
        overall = self.moved.sum(0) / self.taken.sum()
        between = (self.taken.unsqueeze(1) * (mean - overall).square()).sum(0)
        total = self.squares - self.taken.sum() * overall.square()
        return torch.where(total > 0, between / total.clamp(min=1.0), 0.0)

    def _others(self, own: Tensor, places: Tensor) -> Tensor:
        """`[OTHERS]` places, those first that were seen with most values in the range of `own`, widened by the reach of the bins."""
        values = self.met[own].nonzero()
        reach = SPACING * (BINS // 2)
        value = torch.arange(256, device=own.device)
        near = (value >= values.min() - reach) & (value <= values.max() + reach)
        shown = torch.where(places, (self.met & near).sum(1), -1)
        shown[own] = -1
        return shown.argsort(descending=True, stable=True)[:OTHERS]


def soft_bins() -> Tensor:
    """`[2 * LARGEST + 1, BINS]` radial basis functions of every difference there can be; the outermost rows are empty."""
    apart = torch.arange(-LARGEST, LARGEST + 1)
    centres = (torch.arange(BINS) - BINS // 2) * SPACING
    bins = HEIGHT * torch.exp(-(((apart.unsqueeze(1) - centres) / SPACING) ** 2))
    return torch.where(bins < NOTHING, 0.0, bins)
