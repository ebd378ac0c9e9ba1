"""What the Atari tasks share: the task, and the bookkeeping of lives, limits, clipping and scores.

Actions are the game's minimal set. An episode starts after up to 30 no-ops and nothing is pressed for the agent: in games that wait for
FIRE, such as Breakout, pressing it is part of what must be learned, after every lost life anew.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sandbox.records import ObservationSpec, TaskSettings
from sandbox.tasks.base import Environments, Step
from sandbox.tasks.emulator import cartridge


@dataclass(frozen=True)
class Rules:
    """What is played: the settings as they hold for learning or for evaluation, where lives and clipping are off."""

    frame_skip: int
    sticky: float
    episode_limit: int  # agent steps
    episodic_life: bool
    clip_rewards: bool

    @classmethod
    def of(cls, settings: TaskSettings, *, evaluation: bool) -> Rules:
        """The rules of one batch."""
        return cls(
            settings.frame_skip,
            settings.sticky,
            settings.episode_limit,
            episodic_life=settings.episodic_life and not evaluation,
            clip_rewards=settings.clip_rewards and not evaluation,
        )


@dataclass
class AtariTask:
    """One game, seen in one way. `build(game, num_envs, rules, device)` makes the live batch."""

    name: str
    game: str
    observation: ObservationSpec
    settings: TaskSettings
    num_actions: int
    build: Callable[[str, int, Rules, str], Environments]

    def make(self, num_envs: int, *, evaluation: bool = False, device: str = "cpu") -> Environments:
        """B games; loading them costs 0.1 to 0.3 s each, once per process."""
        return self.build(self.game, num_envs, Rules.of(self.settings, evaluation=evaluation), device)


def atari_task(
    name: str, game: str, observation: ObservationSpec, settings: TaskSettings, build: Callable[[str, int, Rules, str], Environments]
) -> AtariTask:
    """The task, its number of actions read from the cartridge."""
    return AtariTask(name, game, observation, settings, len(cartridge(game).actions), build)


class Ledger:
    """Keeps the lives and running scores of B games and writes each step up as a `Step`."""

    def __init__(self, num_envs: int, rules: Rules, device: str) -> None:
        self._rules = rules
        self._device = torch.device(device)
        self._lives = np.zeros(num_envs, np.int32)
        self._score = np.zeros(num_envs, np.float32)

    def open(self, observation: NDArray[np.uint8], lives: NDArray[np.int32]) -> torch.Tensor:
        """All games start afresh, with so many lives; returns what is seen."""
        self._lives[:] = lives
        self._score[:] = 0.0
        return self._tensor(observation.copy())

    def write(
        self,
        observation: NDArray[np.uint8],
        rewards: NDArray[Any],
        over: NDArray[np.bool_],
        truncated: NDArray[np.bool_],
        lives: NDArray[np.int32],
    ) -> Step:
        """One step. Observation and lives are the next game's where one ended. The arrays may be written again afterwards."""
        self._score += rewards
        finished = over | truncated
        ended = finished | (lives < self._lives) if self._rules.episodic_life else finished
        scores = np.where(finished, self._score, np.float32(0))
        self._score[finished] = 0.0
        self._lives[:] = lives
        return Step(
            observation=self._tensor(observation.copy()),
            reward=self._tensor((np.sign(rewards) if self._rules.clip_rewards else rewards).astype(np.float32)),
            continues=self._tensor((~ended).astype(np.float32)),
            truncated=self._tensor((truncated & ~over).astype(np.float32)),
            finished=self._tensor(finished),
            score=self._tensor(scores),
        )

    def _tensor(self, array: NDArray[Any]) -> torch.Tensor:
        tensor = torch.from_numpy(array)
        return tensor if self._device.type == "cpu" else tensor.to(self._device)
