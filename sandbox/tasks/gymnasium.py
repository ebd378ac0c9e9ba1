"""Any Gymnasium id with discrete actions: `gymnasium:CartPole-v1`, `gymnasium:my_module:Heater-v0`.

Observations of any fixed size are flattened to a float32 vector (a Discrete one becomes one-hot); an image (3-D bytes, every side at
least 36) keeps its pixels, channels first and as it is: nothing is scaled or stacked. Smaller images are flattened and scaled to [0, 1].
An id registered without a time limit gets `TaskSettings.episode_limit`; the other settings have no effect.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from torch import Tensor

from sandbox.errors import OurFault, UsageError
from sandbox.randomness import derive
from sandbox.records import ObservationSpec, TaskSettings
from sandbox.tasks.base import Step
from sandbox.tasks.gymnasium_ids import check_registered, import_users_module, working_directory_importable

SMALLEST_IMAGE = 36
"""Pixels a side below which Nature's convolutions do not fit."""

Encode: TypeAlias = Callable[[Any], NDArray[Any]]
"""One observation to an array of the spec's shape and type."""


def make_task(name: str, world: str, settings: TaskSettings) -> GymnasiumTask:
    """The task of that id, under its full `name`. UsageError if it cannot be made, or its spaces cannot be learned from."""
    env = make_env(world, settings)
    try:
        num_actions, first_action = read_actions(env.action_space, world)
        observation, encode = read_observations(env.observation_space, world)
    finally:
        env.close()
    return GymnasiumTask(name, world, observation, num_actions, settings, first_action, encode)


@dataclass
class GymnasiumTask:
    """One id. Evaluation plays the same world: Gymnasium's have neither lives nor clipped rewards."""

    name: str
    world: str
    observation: ObservationSpec
    num_actions: int
    settings: TaskSettings
    first_action: int
    encode: Encode

    def make(self, num_envs: int, *, evaluation: bool = False, device: str = "cpu") -> GymnasiumEnvironments:
        """B environments, stepped one after the other on the CPU; what is seen goes to `device`."""
        return GymnasiumEnvironments(self, [make_env(self.world, self.settings) for _ in range(num_envs)], device)


class GymnasiumEnvironments:
    """B plain environments, each started anew in the step in which its episode ends."""

    def __init__(self, task: GymnasiumTask, envs: list[gymnasium.Env[Any, Any]], device: str) -> None:
        self.num_envs = len(envs)
        self._task = task
        self._envs = envs
        self._device = torch.device(device)
        self._seen = np.zeros((self.num_envs, *task.observation.shape), task.observation.dtype)
        self._score = np.zeros(self.num_envs, np.float64)

    def reset(self, seed: int) -> Tensor:
        """Seeds and starts every environment. `[B, *shape]`."""
        self._score[:] = 0.0
        with users_code(self._task.world):
            for index, env in enumerate(self._envs):
                observation, _ = env.reset(seed=derive(seed, "gymnasium", index) % 2**31)
                self._seen[index] = self._task.encode(observation)
        return self._observation()

    def step(self, actions: Tensor) -> Step:
        """One action in every environment."""
        rewards, ended, truncated = self._play(actions.tolist())
        self._score += rewards
        scores = np.where(ended, self._score, 0.0)
        self._score[ended] = 0.0
        return Step(
            observation=self._observation(),
            reward=self._tensor(rewards.astype(np.float32)),
            continues=self._tensor((~ended).astype(np.float32)),
            truncated=self._tensor(truncated.astype(np.float32)),
            finished=self._tensor(ended),
            score=self._tensor(scores.astype(np.float32)),
        )

    def close(self) -> None:
        """Closes every environment, once."""
        for env in self._envs:
            env.close()
        self._envs = []

    def _play(self, actions: list[int]) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_]]:
        rewards = np.zeros(self.num_envs)
        ended = np.zeros(self.num_envs, np.bool_)
        truncated = np.zeros(self.num_envs, np.bool_)
        with users_code(self._task.world):
            for index, env in enumerate(self._envs):
                observation, reward, over, cut, _ = env.step(actions[index] + self._task.first_action)
                if over or cut:
                    observation, _ = env.reset()
                self._seen[index] = self._task.encode(observation)
                rewards[index], ended[index], truncated[index] = reward, over or cut, cut and not over
        if not np.isfinite(rewards).all():
            raise UsageError(f"{self._task.world} gave a reward that is not a finite number.", "Mend the environment.")
        return rewards, ended, truncated

    def _observation(self) -> Tensor:
        return self._tensor(self._seen.copy())

    def _tensor(self, array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(array).to(self._device)


def make_env(world: str, settings: TaskSettings) -> gymnasium.Env[Any, Any]:
    """One environment of an id; its module, if it names one, is looked for in the working directory first."""
    module, _, env_id = world.rpartition(":")
    with working_directory_importable():
        if module:
            import_users_module(module)
        check_registered(env_id)
        limit = gymnasium.spec(env_id).max_episode_steps
        with users_code(world):
            return gymnasium.make(env_id, max_episode_steps=limit or settings.episode_limit, disable_env_checker=True)


@contextmanager
def users_code(world: str) -> Iterator[None]:
    """Turns whatever an environment raises into a UsageError: it must not be taken for the program's fault."""
    try:
        yield
    except OurFault:
        raise
    except Exception as error:
        raise UsageError(f"{world} raised {type(error).__name__}: {error}.", "Mend the environment, then try again.") from error


def read_actions(space: spaces.Space[Any], world: str) -> tuple[int, int]:
    """How many actions there are, and the number of the first."""
    if not isinstance(space, spaces.Discrete):
        raise UsageError(f"{world} has actions {space}, and only discrete ones can be learned.", "Wrap it so that its space is Discrete.")
    return int(space.n), int(space.start)


def read_observations(space: spaces.Space[Any], world: str) -> tuple[ObservationSpec, Encode]:
    """What is shown of an observation space, and how one observation becomes that."""
    if isinstance(space, spaces.Box) and space.dtype == np.uint8 and len(space.shape) == 3:
        return _read_image(space)
    try:
        size = spaces.flatdim(space)
    except (NotImplementedError, ValueError) as error:
        raise UsageError(f"{world} shows {space}, which has no fixed size.", "Wrap it so that its space is a Box.") from error
    return ObservationSpec(shape=(size,), dtype="float32", kind="vector"), lambda seen: np.asarray(spaces.flatten(space, seen), np.float32)


def _read_image(space: spaces.Box) -> tuple[ObservationSpec, Encode]:
    channels_last = space.shape[2] <= 4 or space.shape[2] < space.shape[0]
    height, width, channels = space.shape if channels_last else (*space.shape[1:], space.shape[0])
    if min(height, width) < SMALLEST_IMAGE:
        small = ObservationSpec(shape=(height * width * channels,), dtype="float32", kind="vector")
        return small, lambda seen: np.asarray(seen, np.float32).reshape(-1) / np.float32(255)
    spec = ObservationSpec(shape=(channels, height, width), dtype="uint8", kind="pixels")
    return spec, (lambda seen: np.moveaxis(seen, -1, 0)) if channels_last else np.asarray
