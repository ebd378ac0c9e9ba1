"""The one shape at which a loss is called during a training."""

from __future__ import annotations

from sandbox.errors import UsageError
from sandbox.records import AgentSettings, Shape, Training


def batch_envs(training: Training, agent: AgentSettings) -> int:
    """Trajectories in one batch: the fresh ones and `replay_ratio` times as many replayed ones."""
    return agent.num_envs + round(agent.num_envs * training.replay_ratio)


def minibatch_shape(training: Training, agent: AgentSettings, num_actions: int) -> Shape:
    """(T, B, A) of every call of the loss. The remainder of the division sits out one pass, drawn afresh each pass."""
    envs = batch_envs(training, agent) // training.minibatches
    if envs < 1:
        raise UsageError(
            f"{training.minibatches} minibatches cannot be cut from {batch_envs(training, agent)} environments.",
            "Raise agent.num_envs.",
        )
    return Shape(agent.rollout_length, envs, num_actions)
