"""One agent that lives on one task under a program, window after window, while the program's constants change under it.

It acts, keeps and replays trajectories with the trainer's own parts; only the updates are the differentiable ones. A window is one rollout
or more, with all the gradient steps that the program takes on each; what it is judged by is the next rollout, which is then learned from in
its turn, so that judging costs no step of the environment.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.func import functional_call
from torch.utils import _pytree as pytree

from archive.baseline.meta_gradient import Life, Weights, Window, meta_gradient
from archive.baseline.value_function import ValueState
from archive.tuning.inner import Pupil, moves_of
from archive.tuning.lessons import Lesson, lesson_of
from sandbox.agents.network import AgentNetwork, make_network
from sandbox.randomness import derive, torch_stream
from sandbox.records import Head, Shape, TrainJob
from sandbox.rules.base import Heads
from sandbox.rules.differentiable import DifferentiableRule
from sandbox.rules.meta.optimiser import AdamState
from sandbox.tasks.base import Environments, Task
from sandbox.training.batches import minibatches, zeros
from sandbox.training.replay import Ring, ring_columns
from sandbox.training.rollout import Collector
from sandbox.training.shapes import batch_envs, minibatch_shape
from sandbox.training.trajectories import Trajectories

VALUE_HEAD = (Head(name="value", per_action=False, size=1),)

FEWEST_UPDATES = 8
"""Gradient steps of a window at least: fewer look too little ahead to tell what a constant is good for."""


class Scholar:
    """An agent and its judge. `job` says how it lives, as it does for the trainer."""

    def __init__(self, rule: DifferentiableRule, task: Task, job: TrainJob, environments: Environments) -> None:
        self.job, self.training = job, rule.rule.training
        self.shape = Scholar.shape_on(rule, task, job)
        self.heads = rule.rule.heads(task.num_actions)
        self.reads_behaviour = "behaviour" in rule.rule.uses(self.shape)
        self.network = make_network(task.observation, task.num_actions, self.heads, job.agent, torch_stream(job.seed, "network"))
        self.judge = judge = make_network(task.observation, task.num_actions, VALUE_HEAD, job.agent, torch_stream(job.seed, "judge"))
        self.pupil = Pupil(
            rule,
            lambda parameters, rows: call(self.network, parameters, rows),
            lambda parameters, rows: call(judge, parameters, rows)["value"],
            self.training.learning_rate or job.agent.learning_rate,
        )
        parameters = parameters_of(self.network)
        self.life = Life(parameters, dict(parameters), AdamState.fresh(parameters), rule.rule.initial_state(torch.device("cpu")))
        self.values = ValueState.fresh(parameters_of(judge))
        self.ring = self._make_ring(task)
        self.rollouts = 0
        self.lessons: list[Lesson] = []  # of the newest rollout, not yet learned from
        self.fresh: Lesson | None = None  # the newest rollout whole, where it was played to judge and not yet cut into lessons
        self.collector = Collector(environments, self.network, rule.rule.act, bootstraps=self.reads_behaviour)
        self.collector.reset(derive(job.seed, "environments", 0))

    @staticmethod
    def shape_on(rule: DifferentiableRule, task: Task, job: TrainJob) -> Shape:
        """At which the loss is called."""
        return minibatch_shape(rule.rule.training, job.agent, task.num_actions)

    @property
    def steps(self) -> int:
        """Agent steps taken."""
        return self.rollouts * self.job.agent.rollout_length * self.job.agent.num_envs

    @property
    def updates(self) -> int:
        """Gradient steps of a window: whole rollouts, at least `FEWEST_UPDATES`."""
        each = self.training.epochs * self.training.minibatches
        return each * math.ceil(FEWEST_UPDATES / each)

    def window(self, constants: Weights) -> Window:
        """Lives on for one window and differentiates it in the constants, 0-dim each."""
        window = meta_gradient(moves_of(self.pupil, self.updates), constants, self.life, self.values, self._collect, self.updates)
        self.life, self.values = detached(window.life), window.value_state
        return window

    def _collect(self, life: Life, k: int) -> Lesson:
        """The next lesson; at the end of the window the next rollout whole."""
        if k == self.updates:
            self._play(life)
            assert self.fresh is not None
            return self.fresh
        if not self.lessons:
            if self.fresh is None:
                self._play(life)
            self.fresh, self.lessons = None, self._cut()
        return self.lessons.pop(0)

    def _play(self, life: Life) -> None:
        """One rollout by the agent as it is now."""
        self.network.load_state_dict(life.parameters)
        rollout = self.ring.claim()
        self.collector.collect(rollout, self._progress(), self._stream("acting", self.rollouts))
        for network in (self.network, self.judge):
            network.observe(rollout.observation, rollout.actions)
        self.fresh = self._lesson(self.ring.fresh())
        self.rollouts += 1

    def _cut(self) -> list[Lesson]:
        """The newest rollout and what is replayed beside it as the trainer would cut them."""
        columns = self.ring.fresh()
        if replayed := batch_envs(self.training, self.job.agent) - self.job.agent.num_envs:
            columns = torch.cat([columns, self.ring.draw(replayed, self._stream("replay", self.rollouts - 1))])
        order = self._stream("minibatches", self.rollouts - 1)
        parts = [part for _ in range(self.training.epochs) for part in minibatches(columns, self.training.minibatches, order)]
        return [self._lesson(part) for part in parts]

    def _lesson(self, columns: Tensor) -> Lesson:
        chosen = self.ring.storage.select(columns)
        shape = self.shape._replace(B=len(columns))
        behaviour = chosen.heads if self.reads_behaviour else zeros(self.heads, shape, torch.device("cpu"))
        return lesson_of(chosen, behaviour, torch.tensor(self._progress()))

    def _progress(self) -> float:
        return min(1.0, self.steps / self.job.steps)

    def _make_ring(self, task: Task) -> Ring:
        agent = self.job.agent
        columns = ring_columns(agent.num_envs, self.training.replay_ratio > 0, agent.replay_capacity)
        recorded = self.heads if self.reads_behaviour else ()
        storage = Trajectories.empty(agent.rollout_length, columns, task.observation, recorded, task.num_actions, torch.device("cpu"))
        return Ring(storage, agent.num_envs)

    def _stream(self, purpose: str, rollout: int) -> torch.Generator:
        """The trainer's stream of one rollout: at constants that stay as they are this agent lives as the trainer's would."""
        return torch_stream(self.job.seed, purpose, rollout)


def call(network: AgentNetwork, parameters: dict[str, Tensor], rows: Tensor) -> Heads:
    """A network with other parameters on `[T, B, …]`."""
    flat: Heads = functional_call(network, parameters, (rows.flatten(0, 1),))
    return {name: head.view(*rows.shape[:2], *head.shape[1:]) for name, head in flat.items()}


def parameters_of(network: AgentNetwork) -> dict[str, Tensor]:
    """By name, cut from the module."""
    return {name: value.detach().clone() for name, value in network.named_parameters()}


def detached(life: Life) -> Life:
    """The same agent without memory of how it came to be."""
    cut: Life = pytree.tree_map(lambda value: value.detach(), life)
    return cut
