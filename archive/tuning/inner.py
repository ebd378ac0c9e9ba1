"""K updates of an agent under a program, differentiable in the program's constants, and the loss on what came of them.

The window is that of the meta-network (`archive.baseline.meta_gradient`): walked forwards without a graph, then backwards step by step.
What differs is the step: the program's graph with its cuts opened, then the trainer's own optimiser (clipping, Adam with weight decay, the
slow parameters), all of it differentiated. Source: Xu et al. 2018, "Meta-Gradient Reinforcement Learning", equations 4 to 8; the outer loss
is that of Oh et al. 2025, with a discount of its own, so that a program's discount is judged by what it earns, not by what it promises.
"""

from __future__ import annotations

import math
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from archive.baseline.meta_gradient import AgentNetwork, Life, Moves, Outer, Weights, outer_gradient, pull, pull_back_step
from archive.baseline.value_function import ValueNetwork, ValueSettings, ValueState, assess, improve
from archive.tuning.lessons import Lesson
from sandbox.agents.acting import action_preferences
from sandbox.language import toolkit as rl
from sandbox.records import Act, Training
from sandbox.rules.base import Heads
from sandbox.rules.differentiable import DifferentiableRule
from sandbox.rules.meta.optimiser import AdamState, adam

TINY = 1e-12


class ProgramStep(NamedTuple):
    """What one update leaves for the judge and the log."""

    loss: Tensor
    log_policy: Tensor  # [T+1, B, A] before the update


class Pupil(NamedTuple):
    """What does not change from step to step."""

    rule: DifferentiableRule
    network: AgentNetwork
    value_network: ValueNetwork
    learning_rate: float
    value_settings: ValueSettings = ValueSettings()
    policy_entropy: float = 1e-2  # weight of the entropy that the outer loss encourages: few updates ahead, none would seem of use


def moves_of(pupil: Pupil, updates: int) -> Moves:
    """The three functions of a window of K = `updates` steps, for one agent."""
    return Moves(
        partial(_forward, pupil),
        partial(outer_gradient, partial(outer_loss, pupil)),
        partial(pull_back_step, partial(_free_step, pupil), 1 / updates),
    )


def inner_step(pupil: Pupil, constants: Weights, life: Life, lesson: Lesson) -> tuple[Life, ProgramStep]:
    """One update of the agent, differentiable in constants and agent; `life.rule_state` is the program's."""
    training = pupil.rule.rule.training
    online, pull_back = pull(lambda parameters: pupil.network(parameters, lesson.observations), life.parameters)
    target = pupil.network(life.target_parameters, lesson.observations)
    found = pupil.rule.pull(lesson.batch(online, target), life.rule_state, constants)
    (gradients,) = pull_back(found.cotangents)
    rate = pupil.learning_rate * (1 - training.learning_rate_decay * lesson.progress)
    parameters, optimiser = agent_step(life.parameters, gradients, life.adam, training, rate)
    decay = training.target_decay
    slow = {name: decay * life.target_parameters[name] + (1 - decay) * value for name, value in parameters.items()}
    return Life(parameters, slow, optimiser, found.state), ProgramStep(found.loss, policy(pupil.rule.rule.act, online))


def agent_step(
    parameters: dict[str, Tensor], gradients: dict[str, Tensor], state: AdamState, training: Training, learning_rate: float | Tensor
) -> tuple[dict[str, Tensor], AdamState]:
    """What `sandbox.training.optimiser.Optimiser` does, as a pure function: clips the norm, decays the weights, takes Adam's step."""
    squares = torch.stack([gradient.square().sum() for gradient in gradients.values()]).sum()
    norm = squares.clamp(min=TINY**2).sqrt()  # the root has no slope at 0
    scale = (training.max_grad_norm / (norm + 1e-6)).clamp(max=1.0)
    clipped = {name: gradient * scale for name, gradient in gradients.items()}
    updates, state = adam(clipped, state, learning_rate, math.inf, through_square=True)
    keep = 1 - learning_rate * training.weight_decay
    return {name: value * keep + updates[name] for name, value in parameters.items()}, state


def policy(act: Act, heads: Heads) -> Tensor:
    """Log-probabilities of the actions `[T+1, B, A]`, differentiable.

    A greedy policy does not change smoothly, so the softmax of its values stands for it, at the temperature of their spread over actions.
    """
    output = heads[act.head]
    preferences = action_preferences(act, output.flatten(0, 1))
    preferences = preferences.view(*output.shape[:2], preferences.shape[-1])
    if act.kind == "softmax":
        preferences = preferences / act.temperature
    if act.kind == "epsilon_greedy":
        preferences = preferences / (preferences.var(-1).mean() + TINY).sqrt()
    return torch.log_softmax(preferences, -1)


def outer_loss(pupil: Pupil, life: Life, value_state: ValueState, validation: Lesson) -> Outer:
    """How well the agent does on fresh trajectories: a policy gradient with V-trace advantages, less the entropy that is encouraged."""
    log_policy = policy(pupil.rule.rule.act, pupil.network(life.parameters, validation.observations))
    assessment = assess(pupil.value_network, value_state, validation, log_policy.detach(), pupil.value_settings)
    gain = -(rl.select(log_policy[:-1], validation.actions[:-1]) * assessment.normalized_advantage).mean()
    entropy = rl.entropy(log_policy[:-1]).mean()
    return Outer(gain - pupil.policy_entropy * entropy, gain, entropy, assessment.advantage)


def _forward(pupil: Pupil, constants: Weights, life: Life, value_state: ValueState, lesson: Lesson) -> tuple[Life, ValueState, ProgramStep]:
    """One update of the agent and one of its judge, without a graph."""
    after, step = inner_step(pupil, constants, life, lesson)
    return after, improve(pupil.value_network, value_state, lesson, step.log_policy, pupil.value_settings), step


def _free_step(pupil: Pupil, constants: Weights, before: Life, lesson: Lesson) -> tuple[Life, Tensor]:
    """The agent after one update, which by itself adds nothing to the outer loss."""
    after, step = inner_step(pupil, constants, before, lesson)
    return after, torch.zeros_like(step.loss)
