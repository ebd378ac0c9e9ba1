"""The seam between the trainer and worlds: reset and step a batch of environments.

A `Task` is a description that makes `Environments`, a live batch. Environments reset themselves: when an episode ends at a step, the
observation returned is already the first of the next episode. Scores are always those of full episodes with unclipped rewards, whatever
the learner is shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from sandbox.records import ObservationSpec, TaskSettings


@dataclass(frozen=True)
class Step:
    """One step of B environments, all on the environments' device."""

    observation: Tensor  # [B, *shape], dtype of the spec; the next episode's first where one ended
    reward: Tensor  # [B] float32, as the learner sees it (clipped where the task says so)
    continues: Tensor  # [B] float32, 0 where the learner's episode ended (a lost life counts under episodic_life)
    truncated: Tensor  # [B] float32, 1 where it ended only by the time limit
    finished: Tensor  # [B] bool, a full episode ended here
    score: Tensor  # [B] float32, that episode's unclipped return where `finished`, else 0


class Environments(Protocol):
    """A live batch of B environments of one task, owned by one process."""

    num_envs: int

    def reset(self, seed: int) -> Tensor:
        """Starts every environment afresh from `seed` alone: the same seed gives the same run. Returns `[B, *shape]`."""
        ...

    def step(self, actions: Tensor) -> Step:
        """Takes one action, int64 `[B]`, in every environment."""
        ...

    def close(self) -> None:
        """Releases what the batch holds; calling it twice is harmless."""
        ...


class Task(Protocol):
    """One kind of environment, by name."""

    name: str
    observation: ObservationSpec
    num_actions: int
    settings: TaskSettings

    def make(self, num_envs: int, *, evaluation: bool = False, device: str = "cpu") -> Environments:
        """A batch of environments. For `evaluation` lives and clipping are off: what is played is the real game."""
        ...
