"""A machine's memory as a network sees it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sandbox.agents.nearness import Nearness
from sandbox.agents.standardise import Standardise


class Memory(nn.Module):
    """Bytes `[N, M]` to `[N, width]`: each on its own scale, then their nearness to what the agent moves."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.standardise = Standardise((size,))
        self.nearness = Nearness(size)
        self.width = size + self.nearness.width

    def forward(self, raw: Tensor) -> Tensor:
        """What was observed decides how; looking changes nothing."""
        return torch.cat([self.standardise(raw), self.nearness(raw)], -1)

    def observe(self, raw: Tensor, actions: Tensor) -> None:
        """Learns from bytes `[T+1, B, M]` and the actions `[T, B]` between them."""
        self.standardise.observe(raw)
        self.nearness.observe(raw, actions)
