"""From stored trajectories to what a rule sees."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sandbox.records import Head, Shape
from sandbox.rules.base import Heads


def minibatches(columns: Tensor, count: int, generator: torch.Generator) -> tuple[Tensor, ...]:
    """`count` equal parts of the trajectories numbered `columns`, int64, shuffled; the remainder of the division sits out."""
    size = len(columns) // count
    shuffled = columns[torch.randperm(len(columns), generator=generator)]
    return torch.split(shuffled[: size * count], size)


def unroll(network: nn.Module, observation: Tensor) -> Heads:
    """Every head at every row: observations `[T+1, b, *shape]` to `[T+1, b, …]`, in one forward pass."""
    rows = observation.shape[:2]
    return {name: output.unflatten(0, rows) for name, output in network(observation.flatten(0, 1)).items()}


def gradient_norms(outputs: Heads) -> dict[str, float]:
    """Norm of the mean loss's gradient with respect to each head's output; 0 where none arrived."""
    return {name: 0.0 if output.grad is None else float(output.grad.norm()) for name, output in outputs.items()}


def zeros(heads: tuple[Head, ...], shape: Shape, device: torch.device) -> Heads:
    """What stands in for a view that a rule does not read: zeros `[T+1, B, …]` that take no memory."""
    zero = torch.zeros((), device=device)
    return {head.name: zero.expand(shape.T + 1, shape.B, *head.shape(shape.A)) for head in heads}
