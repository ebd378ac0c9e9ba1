"""What is written down while training: the learning curve and how training went. Candidate code never reaches it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

import torch
from torch import Tensor

from sandbox.records import CurvePoint, Diagnostics
from sandbox.training.rollout import Episodes
from sandbox.training.trajectories import Trajectories

TENTHS = 10
WINDOW = 64  # rollouts at most over which the value's error is measured


class LogbookState(TypedDict):
    """What a checkpoint keeps."""

    scores: list[float]
    episodes: list[float]
    losses: list[list[float]]
    entropies: list[float]
    norms: dict[str, list[float]]
    alive: list[str]
    window: list[list[Tensor]]


class Logbook:
    """Sums by tenths of training. `steps` is the job's budget; what a last rollout adds beyond it counts as the last tenth."""

    def __init__(self, steps: int, heads: tuple[str, ...], discount: float, value: bool) -> None:
        """`value`: a head called `value` gives one number a state, whose error is worth measuring at `discount`."""
        self._steps = steps
        self._heads = heads
        self._discount = discount
        self._value = value
        self._state: LogbookState = {
            "scores": [0.0] * TENTHS,
            "episodes": [0.0] * TENTHS,
            "losses": [[] for _ in range(TENTHS)],
            "entropies": [],
            "norms": {},
            "alive": [],
            "window": [],
        }

    def acted(self, before: int, rollout: Trajectories, episodes: Episodes) -> None:
        """One rollout that began at agent step `before`."""
        steps, envs = rollout.actions.shape
        for t, (count, score) in enumerate(zip(episodes.finished.sum(1).tolist(), episodes.score.sum(1).tolist(), strict=True)):
            if count:
                tenth = self._tenth(before + (t + 1) * envs)
                self._state["episodes"][tenth] += count
                self._state["scores"][tenth] += score
        if self._tenth(before + steps * envs) == TENTHS - 1:
            self._acted_last(rollout)

    def learned(self, after: int, loss: float, gradients: Mapping[str, float]) -> None:
        """What followed from the rollout that ended at step `after`: the mean loss, and the norm of its gradient at each head."""
        tenth = self._tenth(after)
        self._state["losses"][tenth].append(loss)
        for name, norm in gradients.items():
            if norm > 0 and name not in self._state["alive"]:
                self._state["alive"].append(name)
            if tenth == TENTHS - 1:
                self._state["norms"].setdefault(name, []).append(norm)

    def curve(self) -> tuple[CurvePoint, ...]:
        """Ten points: the mean score of the episodes that ended in each tenth."""
        pairs = zip(self._state["scores"], self._state["episodes"], strict=True)
        scores = [score / count if count else None for score, count in pairs]
        return tuple(CurvePoint(step=-(-self._steps * (k + 1) // TENTHS), score=score) for k, score in enumerate(scores))

    def diagnostics(self) -> Diagnostics:
        """The rest."""
        state = self._state
        return Diagnostics(
            entropy=_mean(state["entropies"]),
            value_error=value_error(*_joined(state["window"]), self._discount) if state["window"] else None,
            gradient_norm={name: _mean(norms) or 0.0 for name, norms in state["norms"].items()},
            dead_heads=tuple(name for name in self._heads if name not in state["alive"]),
            loss=_points(state["losses"]),
        )

    def state(self) -> LogbookState:
        """Everything, for a checkpoint."""
        return self._state

    def restore(self, state: LogbookState) -> None:
        """Takes up what `state` gave."""
        self._state = state

    def _acted_last(self, rollout: Trajectories) -> None:
        # The mean of -log of the probability of what was drawn is an unbiased estimate of the entropy, and costs nothing while acting.
        self._state["entropies"].append(-float(rollout.log_prob.mean()))
        if self._value and len(self._state["window"]) < WINDOW:
            values = rollout.heads["value"][:-1]
            self._state["window"].append([part.to("cpu", copy=True) for part in (rollout.rewards, rollout.continues, values)])

    def _tenth(self, step: int) -> int:
        """Number from 0 of the tenth in which the agent step that ends at `step` falls."""
        return min(TENTHS - 1, (TENTHS * step - 1) // self._steps)


def value_error(rewards: Tensor, continues: Tensor, values: Tensor, discount: float) -> float | None:
    """RMS of `values` `[T, B]` against the discounted returns that were observed, in the returns' standard deviations.

    Only steps whose episode ended within the T steps count: the others' returns are not known. None where nothing can be said.
    """
    known = torch.zeros_like(rewards[0], dtype=torch.bool)
    following = torch.zeros_like(rewards[0])
    errors, returns = [], []
    for t in reversed(range(rewards.shape[0])):
        following = rewards[t] + discount * continues[t] * following
        known = known | (continues[t] == 0)
        returns.append(following[known])
        errors.append((values[t] - following)[known])
    spread = float(torch.cat(returns).std(correction=0)) if any(len(part) for part in returns) else 0.0
    return float(torch.cat(errors).square().mean().sqrt()) / spread if spread > 0 else None


def _joined(window: list[list[Tensor]]) -> tuple[Tensor, Tensor, Tensor]:
    rewards, continues, values = (torch.cat(parts) for parts in zip(*window, strict=True))
    return rewards, continues, values


def _points(tenths: list[list[float]]) -> tuple[float, ...]:
    """Ten means; a tenth within one long rollout takes the next point's, which is that rollout's. None where nothing was learned."""
    points: list[float] = []
    if not tenths[-1]:
        return ()
    for losses in reversed(tenths):
        points.append(sum(losses) / len(losses) if losses else points[-1])
    return tuple(reversed(points))


def _mean(numbers: list[float]) -> float | None:
    return sum(numbers) / len(numbers) if numbers else None
