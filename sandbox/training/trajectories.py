"""Preallocated storage of trajectories: one column for each environment, one row for each step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from sandbox.records import Head, ObservationSpec
from sandbox.rules.base import Heads


@dataclass(frozen=True)
class Trajectories:
    """C trajectories of T steps. Observations keep the environments' dtype: bytes stay bytes until the network reads them."""

    observation: Tensor  # [T+1, C, *shape]
    actions: Tensor  # [T, C] int64
    rewards: Tensor  # [T, C]
    continues: Tensor  # [T, C]
    truncated: Tensor  # [T, C]
    log_prob: Tensor  # [T, C], of the actions under the distribution that really drew them
    heads: Heads  # [T+1, C, …], recorded while acting; only the heads that somebody reads

    @classmethod
    def empty(
        cls, steps: int, count: int, observation: ObservationSpec, heads: tuple[Head, ...], num_actions: int, device: torch.device
    ) -> Trajectories:
        """Zeros of the right shapes; the operating system gives the memory only once it is written."""
        dtype = torch.uint8 if observation.dtype == "uint8" else torch.float32
        rewards, continues, truncated, log_prob = (torch.zeros(steps, count, device=device) for _ in range(4))
        return cls(
            observation=torch.zeros(steps + 1, count, *observation.shape, dtype=dtype, device=device),
            actions=torch.zeros(steps, count, dtype=torch.int64, device=device),
            rewards=rewards,
            continues=continues,
            truncated=truncated,
            log_prob=log_prob,
            heads={head.name: torch.zeros(steps + 1, count, *head.shape(num_actions), device=device) for head in heads},
        )

    def tensors(self) -> dict[str, Tensor]:
        """Every tensor by name; heads as `heads.NAME`."""
        plain = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "heads"}
        return plain | {f"heads.{name}": value for name, value in self.heads.items()}

    def narrow(self, start: int, count: int) -> Trajectories:
        """`count` columns from `start` on, as views that write through."""
        return self._map(lambda tensor: tensor.narrow(1, start, count))

    def select(self, columns: Tensor) -> Trajectories:
        """Copies of the columns with these numbers, int64 `[b]`."""
        return self._map(lambda tensor: tensor.index_select(1, columns))

    def _map(self, change: Callable[[Tensor], Tensor]) -> Trajectories:
        return Trajectories(
            change(self.observation),
            change(self.actions),
            change(self.rewards),
            change(self.continues),
            change(self.truncated),
            change(self.log_prob),
            {name: change(value) for name, value in self.heads.items()},
        )
