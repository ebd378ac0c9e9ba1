"""The agent's Adam, as a pure function that meta-gradients can pass through.

Kingma & Ba 2015, with two changes of Oh et al. 2025: no gradient through the denominator, and each element of the update clipped after the
division and before the learning rate (it is no gradient clipping).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


class AdamState(NamedTuple):
    """First and second moments by parameter name, and how many updates were made (0-dim). Tuples, so that transforms can carry it."""

    mean: dict[str, Tensor]
    square: dict[str, Tensor]
    updates: Tensor

    @staticmethod
    def fresh(parameters: dict[str, Tensor]) -> AdamState:
        """Zeros."""
        zeros = {name: torch.zeros_like(value) for name, value in parameters.items()}
        return AdamState(zeros, {name: value.clone() for name, value in zeros.items()}, next(iter(zeros.values())).new_zeros(()))


def adam(
    gradients: dict[str, Tensor],
    state: AdamState,
    learning_rate: float | Tensor,
    max_abs_update: float = 1.0,
    *,
    through_square: bool = False,
) -> tuple[dict[str, Tensor], AdamState]:
    """The updates to add to the parameters, and the new state.

    With `through_square` meta-gradients pass through the denominator too: the derivative of Kingma & Ba's own update.
    """
    count = state.updates + 1
    mean = {name: BETA1 * state.mean[name] + (1 - BETA1) * gradient for name, gradient in gradients.items()}
    square = {name: BETA2 * state.square[name] + (1 - BETA2) * gradient**2 for name, gradient in gradients.items()}
    if not through_square:
        square = {name: value.detach() for name, value in square.items()}
    root = _root if through_square else torch.sqrt
    updates = {}
    for name in gradients:
        denominator = root(square[name] / (1 - BETA2**count)) + EPSILON
        step = mean[name] / (1 - BETA1**count) / denominator
        updates[name] = -learning_rate * step.clamp(-max_abs_update, max_abs_update)
    return updates, AdamState(mean, square, count)


def _root(square: Tensor) -> Tensor:
    """The square root, with the derivative 0 at 0: a parameter that never had a gradient is not moved by a first tiny one."""
    positive = square > 0
    return torch.where(positive, torch.where(positive, square, 1.0).sqrt(), 0.0)
