"""Bytes of memory, each on its own scale: what a machine's memory holds has no common unit.

One byte counts to 255 within a second, another moves by three in a whole game. On one scale for all, the first is noise that drowns the
second. Here every byte is brought to mean 0 and variance 1 over all that was seen so far, as is common for the state of simulated robots
(Andrychowicz et al. 2021, "What matters for on-policy deep actor-critic methods?", section 3.3: observation normalisation and clipping).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

BOUND = 5.0
"""In standard deviations: a byte that was never seen to move may jump."""

LEAST_SPREAD = 1.0
"""The smallest standard deviation divided by: a byte takes whole numbers only."""


class Standardise(nn.Module):
    """Bytes `[N, *shape]` to numbers within ±`BOUND`. Before anything was observed, 0 to 255 become -1 to 1.

    What was observed is kept in buffers that only `observe` changes. They are no part of the state dict, which holds what
    gradients teach.
    """

    seen: Tensor
    mean: Tensor
    variance: Tensor
    scale: Tensor

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(()), persistent=False)
        self.register_buffer("mean", torch.full(shape, 255 / 2), persistent=False)
        self.register_buffer("variance", torch.full(shape, (255 / 2) ** 2), persistent=False)
        self.register_buffer("scale", self._scale(), persistent=False)  # of the variance; kept, since every step asks for it

    def forward(self, raw: Tensor) -> Tensor:
        """Same shape, in the buffers' precision."""
        return raw.to(self.mean.dtype).sub_(self.mean).mul_(self.scale).clamp_(-BOUND, BOUND)

    @torch.no_grad()
    def observe(self, raw: Tensor) -> None:
        """Adds bytes `[..., *shape]` to what was seen (Chan et al. 1979: moments of two samples); the first replace the scale at birth."""
        rows = raw.reshape(-1, *self.mean.shape).to(self.mean.dtype)
        variance, mean = torch.var_mean(rows, 0, correction=0)
        seen = self.seen + len(rows)
        share = (seen - self.seen) / seen  # 1 exactly, at first: torch would multiply a number by the reciprocal
        between = (mean - self.mean).square_().mul_(share * (1 - share))
        self.variance.mul_(1 - share).add_(variance.mul_(share)).add_(between)
        self.mean.mul_(1 - share).add_(mean.mul_(share))
        self.scale.copy_(self._scale())
        self.seen.copy_(seen)

    def _scale(self) -> Tensor:
        return self.variance.sqrt().clamp(min=LEAST_SPREAD).reciprocal()
