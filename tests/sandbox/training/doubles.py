"""A rule and worlds small enough to reason about."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from sandbox.records import Act, AgentSettings, Head, ObservationSpec, Shape, TaskSettings, Training, TrainJob
from sandbox.rules.base import ALL_VIEWS, Batch, State
from sandbox.tasks.base import Step

ONE_PASS = Training()
SAMPLE = Act(head="logits")


class PolicyGradient:
    """REINFORCE with a baseline, over one rollout; keeps the batches it saw and counts its calls in its state."""

    def __init__(self, training: Training = ONE_PASS, uses: frozenset[str] = ALL_VIEWS, act: Act = SAMPLE) -> None:
        self.act = act
        self.training = training
        self.views = uses
        self.seen: list[Batch] = []
        self.calls: list[int] = []

    def heads(self, num_actions: int) -> tuple[Head, ...]:
        return (Head(name="logits", per_action=True, size=1), Head(name="value", per_action=False, size=1))

    def uses(self, shape: Shape) -> frozenset[str]:
        return self.views

    def initial_state(self, device: torch.device) -> State:
        return {"calls": torch.zeros((), device=device)}

    def __call__(self, batch: Batch, state: State) -> tuple[Tensor, State]:
        self.seen.append(batch)
        self.calls.append(int(state["calls"]))
        returns, following = [], batch.online["value"][-1].detach()
        for t in reversed(range(len(batch.rewards))):
            following = batch.rewards[t] + 0.9 * batch.continues[t] * following
            returns.insert(0, following)
        advantage = torch.stack(returns) - batch.online["value"][:-1]
        log_prob = torch.log_softmax(batch.online["logits"][:-1], -1).gather(-1, batch.actions[..., None])[..., 0]
        return -log_prob * advantage.detach() + 0.5 * advantage**2, {"calls": state["calls"] + 1}


class FailingRule(PolicyGradient):
    """Goes wrong at its third call: `how` turns the loss into what it gives."""

    def __init__(self, how) -> None:
        super().__init__()
        self.how = how

    def __call__(self, batch: Batch, state: State) -> tuple[Tensor, State]:
        loss, state = super().__call__(batch, state)
        return (self.how(loss) if len(self.seen) == 3 else loss), state


class ThreadCounter(PolicyGradient):
    """Notes at each call how many threads torch has."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: list[int] = []

    def __call__(self, batch: Batch, state: State) -> tuple[Tensor, State]:
        self.threads.append(torch.get_num_threads())
        return super().__call__(batch, state)


class ClockWorld:
    """Environment i starts at 10 · i; every step counts one up; a reward is the number just left.

    An episode is 3 + i steps, and ends by a time limit where i is odd. Its score is its length, and 100 for every episode before it.
    """

    def __init__(self, num_envs: int) -> None:
        self.num_envs = num_envs
        self.seeds: list[int] = []
        self.taken: list[list[int]] = []
        self.closed = False

    def reset(self, seed: int) -> Tensor:
        self.seeds.append(seed)
        self.age = torch.zeros(self.num_envs)
        self.ended = torch.zeros(self.num_envs)
        return self._observation()

    def step(self, actions: Tensor) -> Step:
        self.taken.append(actions.tolist())
        reward = self._observation()[:, 0]
        self.age = self.age + 1
        ends = self.age == 3 + torch.arange(self.num_envs)
        score = ends * (self.age + 100 * self.ended)
        self.age = self.age * ~ends
        self.ended += ends
        truncated = ends * (torch.arange(self.num_envs) % 2)
        return Step(self._observation(), reward, 1 - ends.float(), truncated.float(), ends, score)

    def close(self) -> None:
        self.closed = True

    def _observation(self) -> Tensor:
        return (10 * torch.arange(self.num_envs) + self.age)[:, None]


class ClockTask:
    """Makes `ClockWorld`s and remembers them."""

    name = "test:clock"
    observation = ObservationSpec(shape=(1,), dtype="float32", kind="vector")
    num_actions = 2
    settings = TaskSettings(episode_limit=100)
    world = ClockWorld

    def __init__(self) -> None:
        self.training: list[ClockWorld] = []
        self.evaluation: list[ClockWorld] = []

    def make(self, num_envs: int, *, evaluation: bool = False, device: str = "cpu") -> ClockWorld:
        world = self.world(num_envs)
        (self.evaluation if evaluation else self.training).append(world)
        return world


class MemoryClockWorld(ClockWorld):
    """The same, seen as a byte of memory."""

    def _observation(self) -> Tensor:
        return super()._observation().to(torch.uint8)


class MemoryClockTask(ClockTask):
    """Makes `MemoryClockWorld`s."""

    observation = ObservationSpec(shape=(1,), dtype="uint8", kind="ram")
    world = MemoryClockWorld


class PixelClockWorld(ClockWorld):
    """The same, seen as a grey square."""

    def _observation(self) -> Tensor:
        return super()._observation().to(torch.uint8)[:, :, None, None].expand(-1, 1, 42, 42)

    def step(self, actions: Tensor) -> Step:
        step = super().step(actions)
        return replace(step, reward=step.reward[:, 0, 0].float())


class PixelClockTask(ClockTask):
    """Makes `PixelClockWorld`s."""

    observation = ObservationSpec(shape=(1, 42, 42), dtype="uint8", kind="pixels")
    world = PixelClockWorld


def job(steps: int = 64, seed: int = 1, task: str = "test:clock", **agent) -> TrainJob:
    settings = AgentSettings(**({"num_envs": 4, "rollout_length": 4, "hidden": (8,)} | agent))
    return TrainJob(rule="random", task=task, agent=settings, steps=steps, seed=seed, evaluation_episodes=4)
