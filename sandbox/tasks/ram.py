"""Atari seen as its 128 bytes of memory: `atari-ram:SpaceInvaders`.

Memory is no cheaper to emulate than pixels; what it saves is the learner. One thread steps all games: ALE holds the interpreter's lock, so
more cores are used by more processes.
"""

from __future__ import annotations

import numpy as np
from ale_py import ALEInterface
from torch import Tensor

from sandbox.randomness import numpy_stream
from sandbox.records import ObservationSpec, TaskSettings
from sandbox.tasks.atari import AtariTask, Ledger, Rules, atari_task
from sandbox.tasks.base import Step
from sandbox.tasks.emulator import MAX_NOOPS, cartridge

RAM = ObservationSpec(shape=(128,), dtype="uint8", kind="ram")

NOOP = 0

DRAWN_AHEAD = 64
"""Steps for which stickiness is drawn at once: numpy's calls are dear, its numbers are not."""


def make_task(name: str, game: str, settings: TaskSettings) -> AtariTask:
    """The task of that game, under its full `name`."""
    return atari_task(name, game, RAM, settings, RamEnvironments)


class RamEnvironments:
    """B games on raw ALE interfaces. All chance (no-ops, stickiness) comes from one generator."""

    def __init__(self, game: str, num_envs: int, rules: Rules, device: str) -> None:
        self.num_envs = num_envs
        self._rules = rules
        self._cartridge = cartridge(game)
        self._emulators = self._cartridge.take(num_envs)
        self._ledger = Ledger(num_envs, rules, device)
        self._memory = np.zeros((num_envs, 128), np.uint8)
        self._rows = list(self._memory)  # ALE writes into these views
        self._rewards = np.zeros(num_envs, np.float32)
        self._over = np.zeros(num_envs, np.bool_)
        self._lives = np.zeros(num_envs, np.int32)
        self._steps = np.zeros(num_envs, np.int64)  # in this episode
        self._pressed = [NOOP] * num_envs
        self._drawn: list[list[int]] = []
        self._stay = rules.sticky ** np.arange(1, rules.frame_skip + 1)  # P(the old action is held for at least 1, 2, … frames)

    def reset(self, seed: int) -> Tensor:
        """Starts every game afresh from `seed` alone. `[B, 128]` bytes."""
        self._generator = numpy_stream(seed, "atari-ram")
        self._drawn = []
        for index in range(self.num_envs):
            self._start(index)
        return self._ledger.open(self._memory, self._lives)

    def step(self, actions: Tensor) -> Step:
        """One action, held for `frame_skip` frames, in every game."""
        held = self._held_frames()
        chosen = [self._cartridge.actions[action] for action in actions.tolist()]
        for index, emulator in enumerate(self._emulators):
            self._rewards[index] = self._play(emulator, self._pressed[index], chosen[index], held[index])
            self._over[index] = emulator.game_over()
            self._lives[index] = emulator.lives()
            emulator.getRAM(self._rows[index])
        self._pressed = chosen
        self._steps += 1
        truncated = self._steps >= self._rules.episode_limit
        if truncated.any() or self._over.any():
            for index in np.flatnonzero(self._over | truncated).tolist():
                self._start(index)
        return self._ledger.write(self._memory, self._rewards, self._over, truncated, self._lives)

    def close(self) -> None:
        """Gives the emulators back for the next batch in this process."""
        self._cartridge.give_back(self._emulators)
        self._emulators = []

    def _start(self, index: int) -> None:
        emulator = self._emulators[index]
        self._cartridge.start(emulator, int(self._generator.integers(MAX_NOOPS + 1)))
        emulator.getRAM(self._rows[index])
        self._lives[index] = emulator.lives()
        self._steps[index] = 0
        self._pressed[index] = NOOP

    def _held_frames(self) -> list[int]:
        """For how many frames each game still holds its previous action: ALE keeps it at every frame with probability `sticky`."""
        if not self._drawn:
            uniform = self._generator.random((DRAWN_AHEAD, self.num_envs, 1))
            self._drawn = (uniform < self._stay).sum(-1).tolist()
        return self._drawn.pop()

    def _play(self, emulator: ALEInterface, previous: int, action: int, held: int) -> int:
        """The points of one step: `held` frames of the previous action, the rest of the new one."""
        act = emulator.act
        points = 0
        for _ in range(held):
            points += act(previous)
        for _ in range(self._rules.frame_skip - held):
            points += act(action)
        return points
