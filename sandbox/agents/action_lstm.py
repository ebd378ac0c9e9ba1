"""DiscoRL's action-conditional heads: one LSTM step from the state for every action, then a small network a head.

Source: Oh et al. 2025, Methods, "Agent network"; a one-step model in the manner of Muesli (Hessel et al. 2021).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sandbox.agents.torsos import RELU_GAIN, linear
from sandbox.records import AgentSettings, Head
from sandbox.rules.base import Heads


class ActionLSTM(nn.Module):
    """The `("A", n)` heads from an embedding `[N, width]`: cell = W e, hidden = tanh(cell), one step with a one-hot action as input.

    Gates are stacked in the order i, g, f, o; the forget bias of one is in the code, not in the parameters.
    """

    def __init__(self, width: int, heads: tuple[Head, ...], num_actions: int, settings: AgentSettings, generator: torch.Generator) -> None:
        super().__init__()
        size, hidden = settings.action_lstm, settings.action_hidden
        self.names = [head.name for head in heads]
        self.num_actions = num_actions
        self.root = linear(width, size, 1.0, generator)
        self.gates = linear(num_actions + size, 4 * size, 1.0, generator)
        self.branches = nn.ModuleList(
            nn.Sequential(linear(size, hidden, RELU_GAIN, generator), nn.ReLU(), linear(hidden, head.size, 1.0, generator))
            for head in heads
        )

    def forward(self, embedding: Tensor) -> Heads:
        """`[N, width]` to name → `[N, A, n]`."""
        cell = self.root(embedding)
        acted, recurrent = torch.split(self.gates.weight, [self.num_actions, cell.shape[-1]], 1)
        gates = nn.functional.linear(torch.tanh(cell), recurrent, self.gates.bias)[:, None] + acted.t()
        update, candidate, forget, output = gates.chunk(4, -1)
        cell = torch.sigmoid(forget + 1) * cell[:, None] + torch.sigmoid(update) * torch.tanh(candidate)
        hidden = torch.sigmoid(output) * torch.tanh(cell)
        return {name: branch(hidden) for name, branch in zip(self.names, self.branches, strict=True)}
