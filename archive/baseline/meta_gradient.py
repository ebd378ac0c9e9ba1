"""One agent's meta-gradient: K updates by the rule, each differentiable in the rule's weights, then a loss on what came of it.

Source: Oh et al. 2025, Methods, "Meta-optimisation", and equation 3. The inner gradient treats the targets as constants; the outer one goes
through them, through the parameters inside them, through Adam's first moment, the target parameters and the meta-RNN.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from archive.baseline.rollout import Rollout
from archive.baseline.value_function import Assessment, ValueNetwork, ValueSettings, ValueState, assess, improve
from sandbox.language import toolkit as rl
from sandbox.rules.base import Heads, State
from sandbox.rules.meta.loss import LossTerms, agent_loss, masked_mean
from sandbox.rules.meta.network import Targets
from sandbox.rules.meta.optimiser import AdamState, adam
from sandbox.rules.meta_network import MetaNetworkRule, new_state

AgentNetwork = Callable[[dict[str, Tensor], Tensor], Heads]
"""Parameters and observations `[T+1, B, …]` to heads `[T+1, B, …]`."""

PullBack = Callable[[Heads], tuple[dict[str, Tensor]]]
"""Cotangents of the heads to gradients of the parameters."""

Weights = dict[str, Tensor]
"""The meta-network's, by name: passed in so that each agent of a population may hold a copy of its own to differentiate."""


@dataclass(frozen=True)
class Life:
    """One agent between two updates."""

    parameters: dict[str, Tensor]
    target_parameters: dict[str, Tensor]
    adam: AdamState
    rule_state: State

    @staticmethod
    def born(parameters: dict[str, Tensor], rule: MetaNetworkRule) -> Life:
        """A newborn agent with these parameters."""
        device = next(iter(parameters.values())).device
        return Life(parameters, dict(parameters), AdamState.fresh(parameters), rule.initial_state(device))

    def detached(self) -> Life:
        """The same, cut from every graph: where one window ends and the next begins."""
        cut = {name: value.detach() for name, value in self.parameters.items()}
        slow = {name: value.detach() for name, value in self.target_parameters.items()}
        mean = {name: value.detach() for name, value in self.adam.mean.items()}
        state = {name: value.detach() for name, value in self.rule_state.items()}
        return Life(cut, slow, AdamState(mean, self.adam.square, self.adam.count), state)


@dataclass(frozen=True)
class InnerStep:
    """What one update leaves for the regularisers and the log."""

    loss: Tensor
    terms: LossTerms
    targets: Targets
    logits: Tensor  # [T+1, B, A] before the update
    target_logits: Tensor  # [T+1, B, A]


def inner_step(
    rule: MetaNetworkRule,
    network: AgentNetwork,
    life: Life,
    rollout: Rollout,
    learning_rate: float,
    weights: Weights | None = None,
) -> tuple[Life, InnerStep]:
    """One differentiable update of the agent by the rule, whose weights are `weights` where given.

    Written with function transforms, so that it runs under `torch.func.vmap` over a population and under `grad` of the weights.
    """
    online, pull_back = pull(lambda parameters: network(parameters, rollout.observations), life.parameters)
    target = network(life.target_parameters, rollout.observations)
    targets, values = rule.targets(rollout.trajectory, online, target, rollout.behaviour_logits, life.rule_state, weights)

    def loss_of(heads: Heads) -> tuple[Tensor, tuple[Tensor, ...]]:
        terms = agent_loss(rollout.trajectory, heads, targets, values.q_td, rule.config)
        loss = masked_mean(terms.total(rule.config), rollout.mask)
        return loss, (loss, *terms)

    # Differentiating in the heads and pulling back keeps the gradient from leaking through the targets, which the heads make too.
    cotangents, (loss, *terms) = torch.func.grad(loss_of, has_aux=True)(online)
    (gradients,) = pull_back(cotangents)
    updates, optimiser = adam(gradients, life.adam, learning_rate)
    decay = rule.config.target_decay
    after = Life(
        {name: value + updates[name] for name, value in life.parameters.items()},
        {name: decay * life.target_parameters[name] + (1 - decay) * value for name, value in life.parameters.items()},
        optimiser,
        new_state(targets, values),
    )
    return after, InnerStep(loss, LossTerms(*terms), targets, online["logits"], target["logits"])


def pull(function: Callable[[dict[str, Tensor]], Heads], parameters: dict[str, Tensor]) -> tuple[Heads, PullBack]:
    """`torch.func.vjp` with the types that it has here."""
    heads, back = torch.func.vjp(function, parameters)  # type: ignore[misc]
    return heads, back


@dataclass(frozen=True)
class MetaCosts:
    """Weights of the regularisers of the outer loss. The mean-square and policy-entropy terms are the release's, not the paper's."""

    policy_entropy: float = 1e-2
    prediction_entropy: float = 1e-3
    mean_square: float = 1e-3
    target_divergence: float = 1e-2


@dataclass(frozen=True)
class Window:
    """The end of K inner steps: the agent, its judge, the outer loss and its parts."""

    life: Life
    value_state: ValueState
    loss: Tensor
    policy_gradient_loss: Tensor
    regulariser: Tensor
    assessment: Assessment
    steps: tuple[InnerStep, ...]


def meta_loss(
    rule: MetaNetworkRule,
    network: AgentNetwork,
    value_network: ValueNetwork,
    life: Life,
    value_state: ValueState,
    rollouts: Sequence[Rollout],
    validation: Rollout,
    learning_rate: float,
    value_settings: ValueSettings,
    costs: MetaCosts,
    weights: Weights | None = None,
) -> Window:
    """K = len(rollouts) updates, then the outer loss on `validation`. Differentiate `loss` in the rule's weights for the meta-gradient."""
    steps: list[InnerStep] = []
    for rollout in rollouts:
        life, step = inner_step(rule, network, life, rollout, learning_rate, weights)
        value_state = improve(value_network, value_state, rollout, step.logits, value_settings)
        steps.append(step)
    heads = network(life.parameters, validation.observations)
    assessment = assess(value_network, value_state, validation, heads["logits"].detach(), value_settings)
    actions = validation.actions[:-1]
    gain = -(rl.log_prob(heads["logits"][:-1], actions) * assessment.normalized_advantage).mean()
    extra = _regulariser(heads, validation, steps, costs)
    return Window(life, value_state, gain + extra, gain, extra, assessment, tuple(steps))


def _regulariser(heads: Heads, validation: Rollout, steps: Sequence[InnerStep], costs: MetaCosts) -> Tensor:
    taken = rl.select(heads["z"][:-1], validation.actions[:-1])
    entropies = rl.entropy(heads["y"]).mean() + rl.entropy(taken).mean()
    squares = torch.stack([sum_of_squared_means(step.targets) for step in steps]).mean()
    divergence = torch.stack([rl.kl_divergence(step.target_logits[:-1].detach(), step.targets.policy).mean() for step in steps]).mean()
    policy_entropy = rl.entropy(heads["logits"][:-1]).mean()
    return (
        -costs.policy_entropy * policy_entropy
        - costs.prediction_entropy * entropies
        + costs.mean_square * squares
        + costs.target_divergence * divergence
    )


def sum_of_squared_means(targets: Targets) -> Tensor:
    """mean(ŷ)² + mean(ẑ)² + mean(π̂)², the means over everything: keeps logits from drifting together."""
    return targets.y.mean() ** 2 + targets.z.mean() ** 2 + targets.policy.mean() ** 2
