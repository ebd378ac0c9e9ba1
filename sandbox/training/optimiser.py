"""Adam over a whole network as one vector.

Small networks pay for the number of operations, not for their size: clipping, the step and the slow average cost one operation each here
instead of one for every parameter. Torch's Adam is called as a function: its object's bookkeeping takes as long as such a step.
"""

from __future__ import annotations

from typing import TypedDict

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

from sandbox.records import LearnedTraining, Training
from sandbox.rules.meta.optimiser import BETA1, BETA2, EPSILON, AdamState, adam


class OptimiserState(TypedDict):
    """What a checkpoint keeps."""

    parameters: Tensor
    adam: dict[str, Tensor]


class Optimiser:
    """Owns a network's parameters as `parameters` and their gradient as `gradient`, both `[P]`; the network's own are views of them."""

    def __init__(
        self, network: nn.Module, learning_rate: float, max_grad_norm: float, weight_decay: float, learning_rate_decay: float = 0.0
    ) -> None:
        """Adam as published (betas 0.9 and 0.999, epsilon 1e-8), with weight decay kept apart from the gradient (AdamW)."""
        self.parameters = flatten(network)
        self.gradient = flatten_gradient(network, self.parameters)
        self._max_grad_norm = max_grad_norm
        self._learning_rate, self._weight_decay, self._learning_rate_decay = learning_rate, weight_decay, learning_rate_decay
        self._state = AdamState.fresh({"all": self.parameters})

    @classmethod
    def of(cls, network: nn.Module, training: Training, learning_rate: float) -> Optimiser:
        """As the program's TRAINING says; `learning_rate` is the campaign's, for programs without one."""
        rate = training.learning_rate or learning_rate
        if isinstance(training, LearnedTraining):
            return BoundedUpdates(network, rate, training.max_abs_update)
        return cls(network, rate, training.max_grad_norm, training.weight_decay, training.learning_rate_decay)

    def clear(self) -> None:
        """Sets the gradient to zero; call it before every backward pass."""
        self.gradient.zero_()

    @torch.no_grad()
    def step(self, progress: float) -> Tensor:
        """Clips the gradient to the largest norm allowed, takes one step, and returns the norm as it was before, 0-dim.

        `progress`, from 0 to 1, is how much of the training lies behind: the learning rate may fall with it.
        """
        norm: Tensor = torch.linalg.vector_norm(self.gradient)
        self.gradient.mul_((self._max_grad_norm / (norm + 1e-6)).clamp_(max=1.0))
        adamw(
            [self.parameters],
            [self.gradient],
            [self._state.mean["all"]],
            [self._state.square["all"]],
            max_exp_avg_sqs=[],
            state_steps=[self._state.updates],
            lr=self._learning_rate * (1.0 - self._learning_rate_decay * progress),
            beta1=BETA1,
            beta2=BETA2,
            eps=EPSILON,
            weight_decay=self._weight_decay,
            amsgrad=False,
            maximize=False,
            fused=True,
        )
        return norm

    def state(self) -> OptimiserState:
        """Everything, for a checkpoint."""
        moments = {"mean": self._state.mean["all"], "square": self._state.square["all"], "updates": self._state.updates}
        return {"parameters": self.parameters.detach(), "adam": moments}

    @torch.no_grad()
    def restore(self, state: OptimiserState) -> None:
        """Takes up what `state` gave."""
        self.parameters.copy_(state["parameters"])
        moments = state["adam"]
        self._state = AdamState({"all": moments["mean"]}, {"all": moments["square"]}, moments["updates"])


class BoundedUpdates(Optimiser):
    """Adam for learned rules: every element of the update is bounded before the learning rate, the gradient is left alone."""

    def __init__(self, network: nn.Module, learning_rate: float, max_abs_update: float) -> None:
        super().__init__(network, learning_rate, max_grad_norm=float("inf"), weight_decay=0.0)
        self._max_abs_update = max_abs_update

    @torch.no_grad()
    def step(self, progress: float) -> Tensor:
        """Takes one step, and returns the norm of the gradient, 0-dim."""
        updates, self._state = adam({"all": self.gradient}, self._state, self._learning_rate, self._max_abs_update)
        self.parameters.add_(updates["all"])
        norm: Tensor = torch.linalg.vector_norm(self.gradient)
        return norm


@torch.no_grad()
def flatten(network: nn.Module) -> Tensor:
    """Moves all parameters into one vector `[P]`, in their order, and makes them views of it, strides kept."""
    flat = torch.cat([_memory(parameter) for parameter in network.parameters()])
    for parameter, view in zip(network.parameters(), _views(network, flat), strict=True):
        parameter.data = view
    return flat


@torch.no_grad()
def flatten_gradient(network: nn.Module, flat: Tensor) -> Tensor:
    """A zero vector like `flat` that backward passes add into."""
    gradient = torch.zeros_like(flat)
    for parameter, view in zip(network.parameters(), _views(network, gradient), strict=True):
        parameter.grad = view
    return gradient


@torch.no_grad()
def follow(slow: Tensor, fast: Tensor, decay: float) -> None:
    """slow ← decay · slow + (1 − decay) · fast, in place."""
    slow.lerp_(fast, 1.0 - decay)


def _memory(parameter: Tensor) -> Tensor:
    """The parameter's numbers in the order in which they lie in memory (so that channels-last weights stay so)."""
    return parameter.as_strided((parameter.numel(),), (1,))


def _views(network: nn.Module, flat: Tensor) -> list[Tensor]:
    views, offset = [], 0
    for parameter in network.parameters():
        views.append(flat.as_strided(parameter.shape, parameter.stride(), offset))
        offset += parameter.numel()
    return views
