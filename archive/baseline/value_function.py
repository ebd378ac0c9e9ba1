"""The meta value function: it says how good an agent's trajectory was, for the meta-gradient alone.

Source: Oh et al. 2025, Methods, "Meta-optimisation"; V-trace is Espeholt et al. 2018, equation 1, with the lambda of the published code.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from archive.baseline.rollout import Judged
from sandbox.graph.recurrence import linear_recurrence
from sandbox.language import toolkit as rl
from sandbox.rules.meta.optimiser import AdamState, adam
from sandbox.rules.meta.values import normalize, update_average

ValueNetwork = Callable[[dict[str, Tensor], Tensor], Tensor]
"""Parameters and observations `[T+1, B, …]` to values `[T+1, B]` in signed-hyperbolic space."""


@dataclass(frozen=True)
class ValueSettings:
    """Discount and lambda of the outer return, and the optimiser's step. `release_alignment` pairs each state with the reward that arrived
    *with* it, as the published code does, instead of the reward of the action taken there."""

    discount: float = 0.99
    lambda_: float = 0.96
    learning_rate: float = 1e-3
    average_decay: float = 0.99
    release_alignment: bool = False


class ValueState(NamedTuple):
    """Parameters, optimiser and the moving averages (m1, m2, p) of advantage and TD error."""

    parameters: dict[str, Tensor]
    adam: AdamState
    advantage_average: Tensor
    td_average: Tensor

    @staticmethod
    def fresh(parameters: dict[str, Tensor]) -> ValueState:
        """A newborn value function's."""
        start = next(iter(parameters.values())).new_tensor([0.0, 0.0, 1.0])
        return ValueState(parameters, AdamState.fresh(parameters), start, start.clone())


class Assessment(NamedTuple):
    """What the value function says of one rollout, `[T, B]` each, and itself with updated averages."""

    advantage: Tensor
    normalized_advantage: Tensor
    normalized_td: Tensor
    value: Tensor  # [T+1, B]
    rho: Tensor
    state: ValueState


@torch.no_grad()
def assess(network: ValueNetwork, state: ValueState, rollout: Judged, logits: Tensor, settings: ValueSettings) -> Assessment:
    """Advantages of the policy with `logits` `[T+1, B, A]` over the rollout.

    target_t = v_t + delta_t + d_t c_t (target_{t+1} - v_{t+1}), delta_t = rho_t (r_t + d_t v_{t+1} - v_t), c_t = lambda min(1, rho_t), and
    the advantage is rho_t (r_t + d_t [lambda target_{t+1} + (1 - lambda) v_{t+1}] - v_t), the last step bootstrapping from v_T.
    """
    rows = slice(0, -1) if settings.release_alignment else slice(1, None)
    rewards, discounts = rollout.rewards[rows], settings.discount * rollout.continues[rows]
    actions = rollout.actions[:-1]
    values = rl.signed_parabolic(network(state.parameters, rollout.observations))
    rho = (rl.log_prob(logits[:-1], actions) - rollout.behaviour_log_prob).exp()
    clipped = rho.clamp(max=1)
    delta = clipped * (rewards + discounts * values[1:] - values[:-1])
    errors = linear_recurrence(discounts * settings.lambda_ * clipped, delta, torch.zeros_like(values[-1]))
    target = values[:-1] + errors
    following = torch.cat([settings.lambda_ * target[1:] + (1 - settings.lambda_) * values[1:-1], values[-1:]])
    advantage = clipped * (rewards + discounts * following - values[:-1])
    advantage_average = update_average(state.advantage_average, advantage, settings.average_decay)
    td_average = update_average(state.td_average, errors, settings.average_decay)
    return Assessment(
        advantage=advantage,
        normalized_advantage=normalize(advantage, advantage_average, center=True),
        normalized_td=normalize(errors, td_average, center=False),
        value=values,
        rho=rho,
        state=state._replace(advantage_average=advantage_average, td_average=td_average),
    )


def improve(network: ValueNetwork, state: ValueState, rollout: Judged, logits: Tensor, settings: ValueSettings) -> ValueState:
    """One gradient step of 0.5 (net - sg(net + norm_td))², averaged over steps: the gradient on the raw output is -norm_td."""
    assessment = assess(network, state, rollout, logits.detach(), settings)

    def loss_of(parameters: dict[str, Tensor]) -> Tensor:
        raw = network(parameters, rollout.observations)[:-1]
        return 0.5 * ((raw - (raw + assessment.normalized_td).detach()) ** 2).mean()

    gradients = torch.func.grad(loss_of)(state.parameters)
    updates, optimiser = adam(gradients, state.adam, settings.learning_rate)
    parameters = {name: (value + updates[name]).detach() for name, value in state.parameters.items()}
    return assessment.state._replace(parameters=parameters, adam=optimiser)
