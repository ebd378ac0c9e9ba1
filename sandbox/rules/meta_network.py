"""The learned meta-network behind the same seam as every program."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.func import functional_call

from sandbox.records import Act, Head, LearnedTraining, Shape, Training
from sandbox.rules.base import ALL_VIEWS, Batch, Heads, State
from sandbox.rules.meta.config import MetaNetworkConfig
from sandbox.rules.meta.features import observe
from sandbox.rules.meta.loss import agent_loss, loss_mask, masked_mean
from sandbox.rules.meta.network import MetaNetwork, Targets
from sandbox.rules.meta.values import Trajectory, Values, estimate


class MetaNetworkRule:
    """Trains an agent towards the targets that the network gives. The state is the meta-RNN's and two moving averages."""

    act = Act(head="logits")

    def __init__(self, network: MetaNetwork, learning_rate: float | None = None, replay_ratio: float = 0.0) -> None:
        self.network = network
        self.config: MetaNetworkConfig = network.config
        self.training: Training = LearnedTraining(
            target_decay=self.config.target_decay, learning_rate=learning_rate, replay_ratio=replay_ratio
        )

    def heads(self, num_actions: int) -> tuple[Head, ...]:
        """Policy, y and z without fixed meaning, the policy one step ahead, and categorical action values."""
        return (
            Head(name="logits", per_action=True, size=1),
            Head(name="y", per_action=False, size=self.config.prediction_size),
            Head(name="z", per_action=True, size=self.config.prediction_size, vector=True),
            Head(name="aux_pi", per_action=True, size=num_actions, vector=True),
            Head(name="q", per_action=True, size=self.config.num_bins, vector=True),
        )

    def uses(self, shape: Shape) -> frozenset[str]:
        """All three views."""
        return ALL_VIEWS

    def initial_state(self, device: torch.device) -> State:
        """A newborn agent's: zeros, and averages that have seen nothing."""
        parameter = self.network.gate.weight
        zeros = torch.zeros(self.config.meta_hidden, dtype=parameter.dtype, device=device)
        fresh = torch.tensor([0.0, 0.0, 1.0], dtype=parameter.dtype, device=device)
        return {"rnn_h": zeros, "rnn_c": zeros.clone(), "advantage_average": fresh, "td_average": fresh.clone()}

    def __call__(self, batch: Batch, state: State) -> tuple[Tensor, State]:
        """The masked mean of the loss, and the new state."""
        trajectory = Trajectory(batch.actions, batch.rewards, batch.continues)
        with torch.no_grad():
            targets, values = self.targets(trajectory, batch.online, batch.target, batch.behaviour["logits"], state)
        terms = agent_loss(trajectory, batch.online, targets, values.q_td, self.config)
        arrived = torch.cat([torch.ones_like(batch.continues[:1]), batch.continues[:-1]])  # what came before the batch is taken as no end
        return masked_mean(terms.total(self.config), loss_mask(arrived, self.config)), new_state(targets, values)

    def targets(
        self,
        trajectory: Trajectory,
        online: Heads,
        target: Heads,
        behaviour_logits: Tensor,
        state: State,
        weights: dict[str, Tensor] | None = None,
    ) -> tuple[Targets, Values]:
        """What the network wants the agent to predict; with `weights` instead of its own where given.

        Differentiable in the weights and in y and z unless grad is off.
        """
        averages = (state["advantage_average"], state["td_average"])
        values = estimate(trajectory, online, target, behaviour_logits, averages, self.config)
        seen = observe(trajectory, online, target, behaviour_logits, values)
        inputs = (seen, state["rnn_h"], state["rnn_c"])
        targets: Targets = self.network(*inputs) if weights is None else functional_call(self.network, weights, inputs)
        return targets, values


def new_state(targets: Targets, values: Values) -> State:
    """What is carried to the next call; the caller decides whether it stays in the graph."""
    return {
        "rnn_h": targets.hidden,
        "rnn_c": targets.cell,
        "advantage_average": values.advantage_average,
        "td_average": values.td_average,
    }
