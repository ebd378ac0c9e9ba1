"""Heads: what turns an embedding `[N, width]` into the named outputs that a rule declared, each `[N, *head.shape(A)]`.

Heads without a vector per action are slices of one linear layer. All `("A", n)` heads share one action-conditioned module, as in DiscoRL:
the embedding and a one-hot action meet in a hidden layer, from which every such head is linear.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from sandbox.agents.torsos import RELU_GAIN, linear
from sandbox.records import Head
from sandbox.rules.base import Heads

ACTION_GAIN = 0.01
"""Gain of `"A"` heads: a newborn policy is nearly uniform and newborn action values are nearly equal, whatever the head is called."""

VALUE_GAIN = 1.0
"""Gain of all other heads."""


class LinearHeads(nn.Module):
    """The heads of shapes `()`, `(n,)` and `(A,)`: one linear layer, cut into slices."""

    def __init__(self, width: int, heads: tuple[Head, ...], num_actions: int, generator: torch.Generator) -> None:
        super().__init__()
        self.names = [head.name for head in heads]
        self.shapes = [head.shape(num_actions) for head in heads]
        self.sizes = [math.prod(shape) for shape in self.shapes]
        self.layer = nn.Linear(width, sum(self.sizes), device="meta").to_empty(device="cpu")
        nn.init.zeros_(self.layer.bias)
        for head, weight in zip(heads, torch.split(self.layer.weight, self.sizes), strict=True):
            nn.init.orthogonal_(weight, ACTION_GAIN if head.per_action else VALUE_GAIN, generator=generator)

    def forward(self, embedding: Tensor) -> Heads:
        """`[N, width]` to name → `[N, *shape]`."""
        slices = torch.split(self.layer(embedding), self.sizes, -1)
        return {name: x if shape else x.squeeze(-1) for name, shape, x in zip(self.names, self.shapes, slices, strict=True)}


class ActionHeads(nn.Module):
    """The `("A", n)` heads: hidden[a] = relu(W e + U one_hot(a) + b), then one linear layer cut into slices."""

    def __init__(self, width: int, heads: tuple[Head, ...], num_actions: int, generator: torch.Generator) -> None:
        super().__init__()
        self.names = [head.name for head in heads]
        self.sizes = [head.size for head in heads]
        self.width = width
        self.num_actions = num_actions
        self.hidden = linear(width + num_actions, width, RELU_GAIN, generator)
        self.layer = linear(width, sum(self.sizes), VALUE_GAIN, generator)

    def forward(self, embedding: Tensor) -> Heads:
        """`[N, width]` to name → `[N, A, n]`."""
        # W e once instead of once an action: concatenating would do A times the work.
        seen, acted = torch.split(self.hidden.weight, [self.width, self.num_actions], 1)
        hidden = torch.relu(nn.functional.linear(embedding, seen, self.hidden.bias)[:, None] + acted.t())
        return dict(zip(self.names, torch.split(self.layer(hidden), self.sizes, -1), strict=True))
