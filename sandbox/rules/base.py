"""The seam between what is learned *with* and the trainer: trajectories in, loss and new state out.

Programs and the learned meta-network stand behind the same protocol, so they get the same tasks, networks and budgets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeAlias

import torch
from torch import Tensor

from sandbox.records import Act, Head, Shape, Training

Heads: TypeAlias = dict[str, Tensor]
"""Head name to output; `[T+1, B, *head.shape(A)]` in a batch."""

State: TypeAlias = dict[str, Tensor]
"""What a rule carries from call to call; belongs to one agent."""

ALL_VIEWS: frozenset[str] = frozenset({"online", "behaviour", "target"})
"""The three sets of heads in a batch, by the name of their field."""


@dataclass(frozen=True)
class Batch:
    """What a rule sees: one minibatch of trajectories. No observations and no parameters.

    `actions` int64, all else in the trainer's float type. Row t+1 of the heads holds the next episode's first state where
    `continues[t]` is 0. Gradients flow through `online` alone.
    """

    actions: Tensor  # [T, B]
    rewards: Tensor  # [T, B], received after the actions
    continues: Tensor  # [T, B], 0 where the episode ended there for whatever reason, else 1
    truncated: Tensor  # [T, B], 1 where it ended only by a time limit
    online: Heads  # [T+1, B, …] under the parameters being learned
    behaviour: Heads  # [T+1, B, …] as when the actions were chosen
    behaviour_log_prob: Tensor  # [T, B], of the actions really chosen, exploration included
    target: Heads  # [T+1, B, …] under the slow moving average of the parameters
    progress: Tensor  # 0-dim, fraction of the training budget used


class UpdateRule(Protocol):
    """Anything that turns trajectories into a loss."""

    act: Act
    training: Training

    def heads(self, num_actions: int) -> tuple[Head, ...]:
        """What the network must predict."""
        ...

    def uses(self, shape: Shape) -> frozenset[str]:
        """Which of `ALL_VIEWS` the loss reads when called at `shape`; `behaviour_log_prob` counts for none.

        The trainer spares itself the work of the others and gives zeros there. Returning `ALL_VIEWS` is always right, only slower.
        """
        return ALL_VIEWS

    def initial_state(self, device: torch.device) -> State:
        """State of a newborn agent; empty for most rules."""
        ...

    def __call__(self, batch: Batch, state: State) -> tuple[Tensor, State]:
        """Per-step loss `[T, B]`, whose mean is minimised, or a scalar; and the new state, cut from the gradient.

        Raises RunFault where the rule itself is at fault.
        """
        ...
