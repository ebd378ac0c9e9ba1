"""Atari seen as stacks of four grey frames: `atari:SpaceInvaders` (84 pixels) and `atari-42:SpaceInvaders` (42 pixels).

Stepped by ale-py's own C++ vector environment, which pools the last two frames, scales and stacks. Lives, clipping and scores are kept here
and not there: it would hide the game's points. On a GPU the emulators use all cores, else as many threads as torch; the same seed gives
the same run on any number of them.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch
from ale_py.vector_env import AtariVectorEnv
from gymnasium.vector import AutoresetMode
from torch import Tensor

from sandbox.randomness import derive
from sandbox.records import ObservationSpec, TaskSettings
from sandbox.tasks.atari import AtariTask, Ledger, Rules, atari_task
from sandbox.tasks.atari_games import games
from sandbox.tasks.base import Step
from sandbox.tasks.emulator import MAX_NOOPS

STACK = 4
"""Frames in an observation, oldest first; before an episode's first frame they are black."""


def make_task(name: str, game: str, settings: TaskSettings) -> AtariTask:
    """The task of that game, under its full `name`, which says how many pixels a side is scaled to."""
    side = 42 if name.startswith("atari-42:") else 84
    observation = ObservationSpec(shape=(STACK, side, side), dtype="uint8", kind="pixels")
    return atari_task(name, game, observation, settings, partial(PixelEnvironments, side))


class PixelEnvironments:
    """B games in one vector environment, which starts a next game in the step that ends one."""

    def __init__(self, side: int, game: str, num_envs: int, rules: Rules, device: str) -> None:
        self.num_envs = num_envs
        options = {
            "img_height": side,
            "img_width": side,
            "stack_num": STACK,
            "frameskip": rules.frame_skip,
            "repeat_action_probability": rules.sticky,
            "max_num_frames_per_episode": rules.episode_limit * rules.frame_skip,
            "num_threads": torch.get_num_threads() if device == "cpu" else 0,  # as many as the training has
        }
        self._key = (games()[game], num_envs, *sorted(options.items()))
        self._closed = False
        self._emulators = _take(self._key, options)
        self._ledger = Ledger(num_envs, rules, device)

    def reset(self, seed: int) -> Tensor:
        """Starts every game afresh from `seed` alone, 0.1 s each. `[B, 4, side, side]` bytes."""
        seeds = [derive(seed, "atari-pixels", index) % 2**31 for index in range(self.num_envs)]  # ALE's are 32 bits
        observation, info = self._emulators.reset(seed=np.array(seeds))
        return self._ledger.open(observation, info["lives"])

    def step(self, actions: Tensor) -> Step:
        """One action, held for `frame_skip` frames, in every game."""
        observation, points, over, truncated, info = self._emulators.step(actions.cpu().numpy())
        return self._ledger.write(observation, points, over, truncated, info["lives"])

    def close(self) -> None:
        """Keeps the emulators for the next batch of this size in this process."""
        if not self._closed:
            _IDLE.setdefault(self._key, []).append(self._emulators)
        self._closed = True


_IDLE: dict[tuple[Any, ...], list[AtariVectorEnv]] = {}
"""Vector environments that nobody uses, by what they were made with: to make one costs 0.2 s a game."""


def _take(key: tuple[Any, ...], options: dict[str, Any]) -> AtariVectorEnv:
    idle = _IDLE.get(key)
    if idle:
        return idle.pop()
    game, num_envs, *_ = key
    return AtariVectorEnv(
        game,
        num_envs,
        **options,
        noop_max=MAX_NOOPS,
        episodic_life=False,
        reward_clipping=False,
        use_fire_reset=False,
        autoreset_mode=AutoresetMode.SAME_STEP,
    )
