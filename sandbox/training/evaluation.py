"""The final exam: full games by the finished agent, on seeds that training never saw."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from sandbox.agents.acting import action_log_probs, sample
from sandbox.agents.network import AgentNetwork
from sandbox.errors import UsageError
from sandbox.randomness import derive, torch_stream
from sandbox.records import Act, TrainJob
from sandbox.tasks.base import Environments, Task

PURPOSE = "evaluation"
"""Evaluation's seeds and streams derive from this purpose; training has others."""

LARGEST = 16
"""Environments played at once."""

Play = Callable[[Tensor], Tensor]
"""Observations `[N, *shape]` to log-probabilities of the actions `[N, A]`."""


def agent_play(network: AgentNetwork, act: Act) -> Play:
    """The finished agent, acting as it does at the end of training."""
    return lambda observation: action_log_probs(act, network(observation), 1.0)


def random_play(num_actions: int) -> Play:
    """The policy that never learns: all actions alike."""
    even = -torch.log(torch.tensor(float(num_actions)))
    return lambda observation: even.to(observation.device).expand(len(observation), num_actions)


@torch.no_grad()
def evaluate(play: Play, task: Task, job: TrainJob) -> tuple[float, ...]:
    """Unclipped returns of exactly `job.evaluation_episodes` full games.

    Only the first game of each environment counts, and environments start afresh, with other seeds, for the next ones: to count games as
    they end would favour short ones.
    """
    together = min(job.evaluation_episodes, LARGEST)
    environments = task.make(together, evaluation=True, device=job.agent.device)
    returns: list[float] = []
    try:
        while len(returns) < job.evaluation_episodes:
            number = len(returns) // together
            generator = torch_stream(job.seed, PURPOSE, "actions", number, device=job.agent.device)
            observation = environments.reset(derive(job.seed, PURPOSE, "environments", number))
            returns += _first_games(play, environments, observation, generator, task, job.evaluation_episodes - len(returns))
    finally:
        environments.close()
    return tuple(returns)


def _first_games(
    play: Play, environments: Environments, observation: Tensor, generator: torch.Generator, task: Task, wanted: int
) -> list[float]:
    """The return of the first game in each environment, in order; of the first `wanted` environments if that is fewer."""
    counted = min(wanted, environments.num_envs)
    waiting = torch.ones(environments.num_envs, dtype=torch.bool, device=observation.device)
    returns = torch.zeros(environments.num_envs, device=observation.device)
    for _ in range(task.settings.episode_limit):
        actions, _ = sample(play(observation), generator)
        step = environments.step(actions)
        returns = torch.where(waiting & step.finished, step.score, returns)
        waiting = waiting & ~step.finished
        if not waiting[:counted].any():
            return [float(value) for value in returns[:counted]]
        observation = step.observation
    raise UsageError(
        f"A game of {task.name} did not end within {task.settings.episode_limit} steps.",
        "Give the environment a time limit of its own, or raise task_settings.episode_limit.",
    )
