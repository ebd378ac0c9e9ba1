"""The meta-gradient: K updates of an agent by the rule, then a loss on what came of it, differentiated in the rule's weights.

Source: Oh et al. 2025, Methods, "Meta-optimisation", and equation 3. The inner gradient treats the targets as constants; the outer one goes
through them, through the parameters inside them, through Adam's first moment, the target parameters and the meta-RNN.

The window is walked twice: forwards without a graph, which is also when trajectories are collected, then backwards, each step computed
again and pulled back on its own. So memory holds the graph of one step, whatever K is. All functions speak of one agent, but
`moves_of_all` makes a population of them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from archive.baseline.rollout import Rollout
from archive.baseline.value_function import ValueNetwork, ValueSettings, ValueState, assess, improve
from sandbox.language import toolkit as rl
from sandbox.rules.base import Heads, State
from sandbox.rules.meta.loss import LossTerms, agent_loss, loss_mask, masked_mean
from sandbox.rules.meta.network import Targets
from sandbox.rules.meta.optimiser import AdamState, adam
from sandbox.rules.meta_network import MetaNetworkRule, new_state

AgentNetwork = Callable[[dict[str, Tensor], Tensor], Heads]
"""Parameters and observations `[T+1, B, …]` to heads `[T+1, B, …]`."""

PullBack = Callable[[Heads], tuple[dict[str, Tensor]]]
"""Cotangents of the heads to gradients of the parameters."""

Weights = dict[str, Tensor]
"""The meta-network's, by name: passed in so that each agent of a population may hold a copy of its own to differentiate."""


class Life(NamedTuple):
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


class InnerStep(NamedTuple):
    """What one update leaves for the regularisers and the log."""

    loss: Tensor
    terms: LossTerms
    targets: Targets
    logits: Tensor  # [T+1, B, A] before the update
    target_logits: Tensor  # [T+1, B, A]


class MetaCosts(NamedTuple):
    """Weights of the regularisers of the outer loss. The mean-square and policy-entropy terms are the release's, not the paper's."""

    policy_entropy: float = 1e-2
    prediction_entropy: float = 1e-3
    mean_square: float = 1e-3
    target_divergence: float = 1e-2


class Learner(NamedTuple):
    """What does not change from step to step: the rule, the shapes of the networks, and the settings."""

    rule: MetaNetworkRule
    network: AgentNetwork
    value_network: ValueNetwork
    learning_rate: float = 1e-2
    value_settings: ValueSettings = ValueSettings()
    costs: MetaCosts = MetaCosts()


def inner_step(learner: Learner, weights: Weights, life: Life, rollout: Rollout) -> tuple[Life, InnerStep]:
    """One update of the agent by the rule with `weights`, differentiable in both."""
    rule, network = learner.rule, learner.network
    online, pull_back = pull(lambda parameters: network(parameters, rollout.observations), life.parameters)
    target = network(life.target_parameters, rollout.observations)
    targets, values = rule.targets(rollout.trajectory, online, target, rollout.behaviour_logits, life.rule_state, weights)

    def loss_of(heads: Heads) -> tuple[Tensor, tuple[Tensor, ...]]:
        terms = agent_loss(rollout.trajectory, heads, targets, values.q_td, rule.config)
        loss = masked_mean(terms.total(rule.config), loss_mask(rollout.continues[:-1], rule.config))
        return loss, (loss, *terms)

    # Differentiating in the heads and pulling back keeps the gradient from leaking through the targets, which the heads make too.
    cotangents, (loss, *terms) = torch.func.grad(loss_of, has_aux=True)(online)
    (gradients,) = pull_back(cotangents)
    updates, optimiser = adam(gradients, life.adam, learner.learning_rate)
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


def forward_step(
    learner: Learner, weights: Weights, life: Life, value_state: ValueState, rollout: Rollout
) -> tuple[Life, ValueState, InnerStep]:
    """One update of the agent and one of its judge, without a graph."""
    after, step = inner_step(learner, weights, life, rollout)
    return after, improve(learner.value_network, value_state, rollout, step.logits, learner.value_settings), step


class Outer(NamedTuple):
    """The outer loss without what the inner steps add to it, and its parts."""

    loss: Tensor
    policy_gradient: Tensor
    entropy: Tensor  # of the policy, nats
    advantage: Tensor  # [T, B] of the validation, not normalised


def outer_loss(learner: Learner, life: Life, value_state: ValueState, validation: Rollout) -> Outer:
    """How well the agent does on fresh trajectories: a policy gradient with V-trace advantages, less the entropies that are encouraged."""
    heads = learner.network(life.parameters, validation.observations)
    assessment = assess(learner.value_network, value_state, validation, heads["logits"].detach(), learner.value_settings)
    actions = validation.actions[:-1]
    gain = -(rl.log_prob(heads["logits"][:-1], actions) * assessment.normalized_advantage).mean()
    predictions = rl.entropy(heads["y"]).mean() + rl.entropy(rl.select(heads["z"][:-1], actions)).mean()
    policy = rl.entropy(heads["logits"][:-1]).mean()
    loss = gain - learner.costs.policy_entropy * policy - learner.costs.prediction_entropy * predictions
    return Outer(loss, gain, policy, assessment.advantage)


def step_penalty(learner: Learner, step: InnerStep) -> Tensor:
    """What one inner step adds to the outer loss: logits that drift together, and targets far from the slow policy."""
    targets = step.targets
    squares = targets.y.mean() ** 2 + targets.z.mean() ** 2 + targets.policy.mean() ** 2
    divergence = rl.kl_divergence(step.target_logits[:-1].detach(), targets.policy).mean()
    return learner.costs.mean_square * squares + learner.costs.target_divergence * divergence


def outer_gradient(
    loss: Callable[[Life, ValueState, Any], Outer], life: Life, value_state: ValueState, validation: Any
) -> tuple[Life, Outer]:
    """Gradient of the outer loss in the agent at the window's end."""

    def loss_of(end: Life) -> tuple[Tensor, tuple[Tensor, ...]]:
        outer = loss(end, value_state, validation)
        return outer.loss, tuple(outer)

    gradient, outer = torch.func.grad(loss_of, has_aux=True)(life)
    return Life(*gradient), Outer(*outer)


def penalised_step(learner: Learner, weights: Weights, before: Life, rollout: Rollout) -> tuple[Life, Tensor]:
    """The agent after one update, and what the update adds to the outer loss."""
    after, step = inner_step(learner, weights, before, rollout)
    return after, step_penalty(learner, step)


def pull_back_step(
    step: Callable[[Weights, Life, Any], tuple[Life, Tensor]], share: float, weights: Weights, life: Life, rollout: Any, gradient: Life
) -> tuple[Weights, Life, Tensor]:
    """From the gradient in the agent after one step to those in the weights and in the agent before it; and the step's penalty.

    `share` is the penalty's weight in the outer loss, 1/K.
    """

    def step_of(weights: Weights, before: Life) -> tuple[Life, Tensor]:
        return step(weights, before, rollout)

    (_, penalty), back = torch.func.vjp(step_of, weights, life)  # type: ignore[misc]
    weights_gradient, life_gradient = back((gradient, torch.full_like(penalty, share)))
    return weights_gradient, life_gradient, penalty


class Window(NamedTuple):
    """What came of K steps."""

    gradient: Weights  # of the outer loss
    life: Life
    value_state: ValueState
    loss: Tensor  # outer, penalties included
    outer: Outer
    steps: tuple[Any, ...]  # what each update left


class Moves(NamedTuple):
    """The three functions of a window, of one agent or of all."""

    forward: Callable[..., tuple[Life, ValueState, Any]]
    outer: Callable[..., tuple[Life, Outer]]
    backward: Callable[..., tuple[Weights, Life, Tensor]]


def moves_of(learner: Learner, updates: int) -> Moves:
    """For one agent and K = `updates`."""
    return Moves(
        partial(forward_step, learner),
        partial(outer_gradient, partial(outer_loss, learner)),
        partial(pull_back_step, partial(penalised_step, learner), 1 / updates),
    )


def moves_of_all(learner: Learner, updates: int, prepare: Callable[[Callable[..., Any]], Callable[..., Any]]) -> Moves:
    """For agents on a leading axis [n, …] of everything but the weights; their gradient has that axis too.

    Each function passes through `prepare`, which may record it.
    """
    forward, outer, backward = moves_of(learner, updates)
    every = torch.func.vmap
    return Moves(
        prepare(lambda weights, *agent: every(partial(forward, weights))(*agent)),
        prepare(lambda *agent: every(outer)(*agent)),
        prepare(lambda weights, *agent: every(partial(backward, weights))(*agent)),
    )


def meta_gradient(
    moves: Moves, weights: Weights, life: Life, value_state: ValueState, collect: Callable[[Life, int], Any], updates: int
) -> Window:
    """K = `updates` steps, then the gradient. `collect(life, k)` plays with the agent after k updates; k = K is the validation.

    `weights` are shared and have no axis of agents; the gradient has one where `moves` are those of all.
    """
    lives, rollouts, steps = [life], [], []
    with torch.no_grad():
        for k in range(updates):
            rollouts.append(collect(lives[-1], k))
            after, value_state, step = moves.forward(weights, lives[-1], value_state, rollouts[-1])
            lives.append(after)
            steps.append(step)
        validation = collect(lives[-1], updates)
    gradient, outer = moves.outer(lives[-1], value_state, validation)
    parts, penalties = [], []
    for before, rollout in zip(lives[-2::-1], rollouts[::-1], strict=True):
        part, gradient, penalty = moves.backward(weights, before, rollout, gradient)
        parts.append(part)
        penalties.append(penalty)
    total = {name: torch.stack([part[name] for part in parts]).sum(0) for name in weights}
    loss = outer.loss + torch.stack(penalties).mean(0)
    return Window(total, lives[-1], value_state, loss, outer, tuple(steps))
