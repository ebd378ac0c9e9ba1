"""A population of agents, each with a task, a lifetime and a judge of its own, trained side by side.

Agents whose tasks look alike (same observations, same number of actions) form a group and are stacked on a leading axis [n, …], so that one
call of the meta-gradient serves them all.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, TypedDict

import torch
from torch import Tensor
from torch.func import functional_call
from torch.utils import _pytree as pytree

from archive.baseline.meta_gradient import Learner, Life, MetaCosts, Weights, Window, meta_gradient, moves_of_all
from archive.baseline.recorded import Recorded, unrecorded
from archive.baseline.rollout import Rollout
from archive.baseline.spec import BaselineSpec, TaskEntry
from archive.baseline.value_function import ValueSettings, ValueState
from sandbox.agents.acting import sample
from sandbox.agents.network import AgentNetwork, make_network
from sandbox.randomness import derive, numpy_stream, torch_stream
from sandbox.records import Head, ObservationSpec
from sandbox.rules.base import Heads
from sandbox.rules.meta.optimiser import AdamState
from sandbox.rules.meta_network import MetaNetworkRule
from sandbox.tasks.base import Environments, Task
from sandbox.tasks.registry import make_task

VALUE_HEAD = (Head(name="value", per_action=False, size=1),)


class PolicyOnly(torch.nn.Module):
    """The part of an agent that acting needs."""

    def __init__(self, network: AgentNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, observation: Tensor) -> Tensor:
        """`[B, …]` to logits `[B, A]`."""
        assert self.network.linear_heads is not None
        logits: Tensor = self.network.linear_heads(self.network.torso(observation))["logits"]
        return logits


class GroupState(TypedDict):
    """A group as tensors and numbers."""

    lives: Any
    values: Any
    agents: list[tuple[int, int, int, float, int]]


@dataclass
class Agent:
    """Where one agent lives, and how much of its life is over. Its parameters are a row of its group."""

    entry: TaskEntry
    number: int  # in the population
    environments: Environments
    lives: int = 0
    age: int = 0  # updates
    lifetime: int = 0
    score_sum: float = 0.0  # of the episodes that ended since the last report
    score_count: int = 0


class Group:
    """Agents stacked on one axis, and what they see now."""

    def __init__(self, spec: BaselineSpec, rule: MetaNetworkRule, task: Task, agents: list[Agent]) -> None:
        self.spec, self.agents = spec, agents
        self.observation, self.num_actions = task.observation, task.num_actions
        heads = rule.heads(task.num_actions)
        self.module = make_network(task.observation, task.num_actions, heads, spec.agent, torch.Generator())
        self.judge = make_network(task.observation, task.num_actions, VALUE_HEAD, spec.agent, torch.Generator())
        self.rule, self.heads = rule, heads
        meta = spec.meta
        self.learner = Learner(
            rule,
            lambda parameters, rows: call(self.module, parameters, rows),
            lambda parameters, rows: call(self.judge, parameters, rows)["value"],
            spec.agent.learning_rate,
            ValueSettings(meta.value_discount, meta.value_lambda, meta.value_learning_rate),
            MetaCosts(meta.policy_entropy, meta.prediction_entropy, meta.mean_square, meta.target_divergence),
        )
        prepare = Recorded if meta.recorded else unrecorded
        self.moves = moves_of_all(self.learner, meta.updates, prepare)
        self._prepare = prepare
        policy = PolicyOnly(self.module)
        self._policy = prepare(torch.func.vmap(partial(call_policy, policy)))
        born = [self._newborn(agent) for agent in agents]
        self.lives, self.values = (stack([pair[part] for pair in born]) for part in (0, 1))
        self.enter()

    def settle(self) -> None:
        """From now on the outer loss has the settled cost of entropy."""
        meta = self.spec.meta
        costs = self.learner.costs._replace(policy_entropy=meta.settled_policy_entropy)
        self.learner = self.learner._replace(costs=costs)
        self.moves = self.moves._replace(outer=moves_of_all(self.learner, meta.updates, self._prepare).outer)

    def enter(self) -> None:
        """Every agent enters the world of its life again. Worlds cannot be saved, so this is done wherever a run may be taken up."""
        rows = [self._world(agent) for agent in self.agents]
        self.rows = torch.stack(rows)  # [n, B, …]
        self.rewards = torch.zeros(self.rows.shape[:2])
        self.continues = torch.ones(self.rows.shape[:2])

    def state(self) -> GroupState:
        """What a resumed run needs."""
        return {
            "lives": self.lives,
            "values": self.values,
            "agents": [(agent.lives, agent.age, agent.lifetime, agent.score_sum, agent.score_count) for agent in self.agents],
        }

    def restore(self, state: GroupState) -> None:
        """Takes up what `state` gave; records come back from a file as plain tuples."""
        parameters, slow, adam, rule_state = state["lives"]
        self.lives = Life(parameters, slow, AdamState(*adam), rule_state)
        parameters, adam, *averages = state["values"]
        self.values = ValueState(parameters, AdamState(*adam), *averages)
        for agent, saved in zip(self.agents, state["agents"], strict=True):
            agent.lives, agent.age, agent.lifetime, agent.score_sum, agent.score_count = saved
        self.enter()

    def window(self, weights: Weights, step: int) -> Window:
        """One window of every agent of the group, and its meta-gradient `[n, …]`; the agents go on from its end."""

        def collect(life: Life, k: int) -> Rollout:
            length = self.spec.agent.rollout_length if k < self.spec.meta.updates else self.spec.meta.validation_length
            return self._play(life, length, torch_stream(self.spec.seed, "acting", self.agents[0].number, step, k))

        window = meta_gradient(self.moves, weights, self.lives, self.values, collect, self.spec.meta.updates)
        self.lives, self.values = window.life, window.value_state
        for row, agent in enumerate(self.agents):
            agent.age += self.spec.meta.updates
            if agent.age >= agent.lifetime:
                self._bear(row, agent)
        return window

    def _play(self, life: Life, length: int, generator: torch.Generator) -> Rollout:
        """`length` transitions of every agent, `length + 1` rows: `[n, length + 1, B, …]`."""
        rows, actions, rewards, continues, logits = [self.rows], [], [self.rewards], [self.continues], []
        for _ in range(length):
            action, logit = self._act(life, generator)
            actions.append(action)
            logits.append(logit)
            self._step(action)
            rows.append(self.rows)
            rewards.append(self.rewards)
            continues.append(self.continues)
        action, logit = self._act(life, generator)
        return Rollout(*(torch.stack(part, 1) for part in (rows, [*actions, action], rewards, continues, [*logits, logit])))

    def _act(self, life: Life, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        logits = self._policy(life.parameters, self.rows)
        actions, _ = sample(logits.log_softmax(-1).flatten(0, 1), generator)
        return actions.view(logits.shape[:2]), logits

    def _step(self, actions: Tensor) -> None:
        steps = [agent.environments.step(action) for agent, action in zip(self.agents, actions, strict=True)]
        for agent, step in zip(self.agents, steps, strict=True):
            agent.score_sum += float(step.score.sum())
            agent.score_count += int(step.finished.sum())
        self.rows = torch.stack([step.observation for step in steps])
        self.rewards = torch.stack([step.reward for step in steps])
        self.continues = torch.stack([step.continues for step in steps])

    def _world(self, agent: Agent) -> Tensor:
        """The start `[B, …]` of the world that this life is lived in."""
        return agent.environments.reset(derive(self.spec.seed, "world", agent.number, agent.lives))

    def _newborn(self, agent: Agent) -> tuple[Life, ValueState]:
        """Fresh networks, optimisers and state; a lifetime drawn. First lives are cut short at random, so that ages spread."""
        stream = numpy_stream(self.spec.seed, "life", agent.number, agent.lives)
        full = int(stream.choice(agent.entry.lifetimes))
        agent.age, agent.lifetime = 0, full if agent.lives else int(stream.integers(1, full + 1))
        network = torch_stream(self.spec.seed, "network", agent.number, agent.lives)
        module = make_network(self.observation, self.num_actions, self.heads, self.spec.agent, network)
        judge = make_network(self.observation, self.num_actions, VALUE_HEAD, self.spec.agent, network)
        agent.lives += 1
        return Life.born(parameters_of(module), self.rule), ValueState.fresh(parameters_of(judge))

    def _bear(self, row: int, agent: Agent) -> None:
        """A new life in this row; the world is drawn anew too."""
        life, value = self._newborn(agent)
        self.lives, self.values = replace_row(self.lives, row, life), replace_row(self.values, row, value)
        self.rows[row] = self._world(agent)
        self.rewards[row], self.continues[row] = 0.0, 1.0


def make_groups(spec: BaselineSpec, rule: MetaNetworkRule) -> list[Group]:
    """All agents of the spec, numbered in its order, grouped by what they see and can do."""
    members: dict[tuple[ObservationSpec, int], tuple[Task, list[Agent]]] = {}
    number = 0
    for entry in spec.task:
        task = make_task(entry.task, entry.settings)
        for _ in range(entry.agents):
            agent = Agent(entry, number, task.make(spec.agent.num_envs))
            members.setdefault((task.observation, task.num_actions), (task, []))[1].append(agent)
            number += 1
    return [Group(spec, rule, task, agents) for task, agents in members.values()]


def call(module: torch.nn.Module, parameters: dict[str, Tensor], rows: Tensor) -> Heads:
    """A network on `[T, B, …]`."""
    flat: Heads = functional_call(module, parameters, (rows.flatten(0, 1),))
    return {name: head.view(*rows.shape[:2], *head.shape[1:]) for name, head in flat.items()}


def call_policy(policy: PolicyOnly, parameters: dict[str, Tensor], rows: Tensor) -> Tensor:
    """Logits `[B, A]` of observations `[B, …]`, with the whole agent's parameters."""
    logits: Tensor = functional_call(policy, {f"network.{name}": value for name, value in parameters.items()}, (rows,))
    return logits


def parameters_of(module: torch.nn.Module) -> dict[str, Tensor]:
    """By name, cut from the module."""
    return {name: value.detach().clone() for name, value in module.named_parameters()}


def stack(trees: list[Any]) -> Any:
    """Records of tensors to one record of tensors with a leading axis."""
    return pytree.tree_map(lambda *leaves: torch.stack(leaves), *trees)


def replace_row(tree: Any, row: int, fresh: Any) -> Any:
    """The stacked record with one agent's part exchanged."""

    def put(stacked: Tensor, value: Tensor) -> Tensor:
        changed = stacked.detach().clone()
        changed[row] = value
        return changed

    return pytree.tree_map(put, tree, fresh)
