"""What all probes share: B worlds that keep in step, wholly in torch, on any device.

Every episode of a probe lasts the same number of steps, so all B end together and time is one Python integer: no masks, and a step at
batch 16 costs a handful of torch operations. Randomness comes from one generator, seeded by `reset`.

What the learner is shown of a reward may differ from what the reward is worth (`shown`: a coin, noise, another unit). Scores, and all
rewards in evaluation, are what it is worth, so that they need few episodes and compare between worlds.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from importlib import import_module
from typing import ClassVar

import torch
from torch import Tensor

from sandbox.randomness import torch_stream
from sandbox.records import ObservationSpec, TaskSettings
from sandbox.tasks.base import Step
from sandbox.tasks.probes import WORLDS

SHARED_SIZE = 64
"""Numbers in an observation of the worlds for meta-training, Catch's board among them, padded with zeros: agents can then be stacked."""


class World(ABC):
    """B copies of one world. A subclass gives `length` and the sizes, and says how it begins, goes on and looks.

    The constant parts of a `Step` are shared between steps and expanded from one number, so that writing into them raises.
    """

    length: ClassVar[int]  # steps in an episode
    num_actions: ClassVar[int]
    observation_size: ClassVar[int]

    def __init__(self, num_envs: int, device: str) -> None:
        self.num_envs = num_envs
        self.device = torch.device(device)
        self.evaluation = False
        self.time = 0  # steps taken in this episode
        self.nothing = torch.zeros((), device=self.device).expand(num_envs)  # the reward of most steps
        self._ones = torch.ones((), device=self.device).expand(num_envs)
        self._no = torch.zeros((), dtype=torch.bool, device=self.device).expand(num_envs)
        self._yes = torch.ones((), dtype=torch.bool, device=self.device).expand(num_envs)
        self._score = self.nothing

    def create(self) -> None:  # noqa: B027 - most worlds are always the same
        """Draws what holds for all episodes until the next `reset`."""

    @abstractmethod
    def begin(self) -> None:
        """Draws the state in which an episode starts, from `self.generator`."""

    @abstractmethod
    def advance(self, actions: Tensor) -> Tensor:
        """Moves the state by actions `[B]` at `self.time`; returns the rewards `[B]`, or `self.nothing` itself."""

    @abstractmethod
    def observe(self) -> Tensor:
        """The observation `[B, observation_size]` float32 of the state at `self.time`, a fresh tensor."""

    def shown(self, reward: Tensor) -> Tensor:
        """What the learner sees of a reward that is not `self.nothing`; called once for each, right after `advance`."""
        return reward

    def reset(self, seed: int) -> Tensor:
        """Starts all episodes afresh; the same seed gives the same run."""
        self.generator = torch_stream(seed, "probe", type(self).__name__, device=str(self.device))
        self.create()
        self._start()
        return self.observe()

    def step(self, actions: Tensor) -> Step:
        """One step of every world. All episodes end in the same step, and the next ones begin at once."""
        reward = self.advance(actions)
        self.time += 1
        if reward is not self.nothing:
            self._score = self._score + reward
            reward = reward if self.evaluation else self.shown(reward)
        if self.time < self.length:
            return Step(self.observe(), reward, self._ones, self.nothing, self._no, self.nothing)
        score = self._score
        self._start()
        return Step(self.observe(), reward, self.nothing, self.nothing, self._yes, score)

    def close(self) -> None:  # noqa: B027 - nothing to do in any world
        """Nothing is held."""

    def draw(self, high: int, *leading: int) -> Tensor:
        """Uniform integers `[*leading, B]` below `high`."""
        return torch.randint(high, (*leading, self.num_envs), generator=self.generator, device=self.device)

    def _start(self) -> None:
        self.time = 0
        self._score = self.nothing
        self.begin()


@dataclass
class ProbeTask:
    """A probe by its full name, `probe:catch`. The settings have no effect: a probe has neither lives nor clipped rewards."""

    name: str
    world: type[World]
    settings: TaskSettings
    num_actions: int = field(init=False)
    observation: ObservationSpec = field(init=False)

    def __post_init__(self) -> None:
        self.num_actions = self.world.num_actions
        self.observation = ObservationSpec(shape=(self.world.observation_size,), dtype="float32", kind="vector")

    def make(self, num_envs: int, *, evaluation: bool = False, device: str = "cpu") -> World:
        """A batch of worlds on `device`; evaluation plays the same game and shows rewards as they are."""
        world = self.world(num_envs, device)
        world.evaluation = evaluation
        return world


def make_task(name: str, world: str, settings: TaskSettings) -> ProbeTask:
    """The probe `world`, one of `WORLDS`, under its full `name`."""
    probe = WORLDS[world]
    return ProbeTask(name, getattr(import_module(probe.module), probe.world), settings)
