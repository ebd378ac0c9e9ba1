"""Divides work between proposers and operators by what they improved per unit of cost: Thompson sampling on told results.

For arm a with discounted sums over its told proposals i (weights w_i = γ^age, age in told results):

    reward  r_i = clip(low_i - before_i, 0, 1) + 0.1 where the program took a cell of the grid, at most 1
    sample  x_a ~ Beta(1 + Σ w_i r_i, 1 + Σ w_i (1 - r_i))
    cost    c_a = (1 + Σ w_i c_i) / (1 + Σ w_i),  c_i = money and training steps, each in units of the campaign's mean
    choose  argmax x_a / c_a, or any arm with probability 0.1

`before` is the lower bound of the best parent where it stands on the same rung, 1 (the baseline) where there is no parent; a program that
climbs above all its parents improves by 0.5. What is refused, broken or a duplicate has r = 0. Costs are steps and money, not seconds, so
that the same results always give the same choice. Sources: Thompson (1933); fractional rewards: Agrawal and Goyal (2012); discounting:
Raj and Kalyani (2017); dividing by cost: Xia et al. (2015).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from archive.records import Outcome

DISCOUNT = 0.98
KEPT = 0.1
CLIMBED = 0.5
EXPLORE = 0.1


class Arm(NamedTuple):
    """One operator of one proposer; the operator is empty where the proposer itself chooses."""

    proposer: str
    operator: str


class Tally(NamedTuple):
    """What an arm brought, discounted: proposals, rewards, costs in units of the campaign's mean."""

    arm: Arm
    proposals: float = 0.0
    reward: float = 0.0
    cost: float = 0.0

    @property
    def mean_reward(self) -> float:
        """Of one proposal, with the prior."""
        return (1 + self.reward) / (2 + self.proposals)

    @property
    def mean_cost(self) -> float:
        """Of one proposal, with the prior."""
        return (1 + self.cost) / (1 + self.proposals)


def tallies(arms: Sequence[Arm], outcomes: Sequence[Outcome], rung_steps: Sequence[int]) -> list[Tally]:
    """What each arm brought; `rung_steps` are the training steps of one program on each rung."""
    standings: dict[str, tuple[int, float]] = {}
    sums = {arm: np.zeros(3) for arm in arms}
    costs = _costs(outcomes, rung_steps)
    for age, (outcome, cost) in enumerate(zip(outcomes, costs, strict=True), start=1 - len(outcomes)):
        arm = Arm(outcome.proposer, outcome.operator)
        if arm in sums:
            sums[arm] += DISCOUNT**-age * np.array([1.0, reward(outcome, standings), cost])
        if outcome.rung is not None and outcome.low is not None:
            standings.setdefault(outcome.program_id, (outcome.rung, outcome.low))
    return [Tally(arm, *map(float, sums[arm])) for arm in arms]


def reward(outcome: Outcome, standings: Mapping[str, tuple[int, float]]) -> float:
    """r_i above; `standings` are (rung, lower bound) of every earlier scored program."""
    if outcome.rung is None or outcome.low is None:
        return 0.0
    before = max((standings[parent] for parent in outcome.parents if parent in standings), default=(outcome.rung, 1.0))
    same = CLIMBED if outcome.rung > before[0] else outcome.low - before[1] if outcome.rung == before[0] else 0.0
    return min(1.0, max(0.0, same) + (KEPT if outcome.kept else 0.0))


def choose(tallied: Sequence[Tally], stream: np.random.Generator) -> Arm:
    """The arm that writes the next program."""
    if stream.random() < EXPLORE:
        return tallied[int(stream.integers(len(tallied)))].arm
    samples = [stream.beta(1 + tally.reward, 1 + max(0.0, tally.proposals - tally.reward)) / tally.mean_cost for tally in tallied]
    return tallied[int(np.argmax(samples))].arm


def _costs(outcomes: Sequence[Outcome], rung_steps: Sequence[int]) -> list[float]:
    """Half money, half steps, each over its mean; what nobody pays counts as nothing."""
    money = np.array([outcome.cost for outcome in outcomes])
    steps = np.array([float(sum(rung_steps[: outcome.rungs])) for outcome in outcomes])
    parts = [values / values.mean() for values in (money, steps) if values.sum() > 0]
    return [float(cost) for cost in np.mean(parts, axis=0)] if parts else [1.0] * len(outcomes)
