"""Acting: T steps of B environments, written in place."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from sandbox.agents.acting import action_log_probs, sample
from sandbox.agents.network import AgentNetwork
from sandbox.records import Act
from sandbox.tasks.base import Environments
from sandbox.training.trajectories import Trajectories


class Episodes(NamedTuple):
    """The full games that ended during a rollout, as people score them; nothing the learner sees."""

    finished: Tensor  # [T, B], 1 where one ended
    score: Tensor  # [T, B], its unclipped return, else 0


class Collector:
    """Steps environments with a network. The environments carry on from one rollout to the next."""

    def __init__(self, environments: Environments, network: AgentNetwork, act: Act, bootstraps: bool) -> None:
        """`bootstraps`: the heads recorded while acting are wanted for the last row too, where no action is taken."""
        self._environments = environments
        self._network = network
        self._act = act
        self._bootstraps = bootstraps
        self._observation: Tensor

    def reset(self, seed: int) -> None:
        """Starts all environments afresh."""
        self._observation = self._environments.reset(seed)

    @torch.no_grad()
    def collect(self, into: Trajectories, progress: float, generator: torch.Generator) -> Episodes:
        """Fills every row of `into`, `[T(+1), B, …]`, acting at `progress` of training."""
        steps = into.actions.shape[0]
        episodes = Episodes(torch.empty_like(into.rewards), torch.empty_like(into.rewards))
        for t in range(steps):
            into.observation[t] = self._observation
            outputs = self._network(self._observation)
            for name, rows in into.heads.items():
                rows[t] = outputs[name]
            actions, into.log_prob[t] = sample(action_log_probs(self._act, outputs, progress), generator)
            step = self._environments.step(actions)
            into.actions[t] = actions
            into.rewards[t] = step.reward
            into.continues[t] = step.continues
            into.truncated[t] = step.truncated
            episodes.finished[t] = step.finished
            episodes.score[t] = step.score
            self._observation = step.observation
        into.observation[steps] = self._observation
        if self._bootstraps:
            outputs = self._network(self._observation)
            for name, rows in into.heads.items():
                rows[steps] = outputs[name]
        return episodes
