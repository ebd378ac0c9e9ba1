"""Made-up trajectories to try a rule on: everything random but reproducible, with the corners of real data on demand.

Shapes as in `sandbox.rules.base.Batch`. What a head holds depends on its kind and its place among heads of that kind, never on its name, so
that two programs that differ in names alone see the same numbers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from sandbox.agents.acting import action_log_probs
from sandbox.randomness import torch_stream
from sandbox.records import Act, Head, Shape
from sandbox.rules.base import Batch, Heads

Views = Literal["apart", "equal", "flat"]
"""How online, behaviour and target heads relate: different, the same, or all of them zero everywhere."""

Episodes = Literal["some", "none", "every"]
"""At which steps episodes end."""

END_PROBABILITY = 0.15
DRIFT = 0.3  # standard deviation between two views of a head, whose own is 1


@dataclass(frozen=True)
class Recipe:
    """What kind of trajectory to make. The same recipe gives the same numbers, up to rounding to `dtype`."""

    seed: int = 0
    reward_scale: float = 1.0  # standard deviation of rewards; 0 gives none at all
    reward_seed: int = 0  # other rewards, all else equal
    views: Views = "apart"
    episodes: Episodes = "some"
    progress: float = 0.5
    dtype: torch.dtype = torch.float32
    twins: bool = False  # heads of one kind hold the same numbers


def make_batch(heads: tuple[Head, ...], act: Act, shape: Shape, recipe: Recipe) -> Batch:
    """One synthetic batch. Actions are drawn as `act` would draw them from the behaviour heads."""
    rows = (shape.T, shape.B)
    continues, truncated = _episodes(rows, recipe)
    online, behaviour, target = (_view(heads, shape, recipe, number) for number in range(3))
    actions, log_prob = _actions(act, behaviour, shape, recipe)
    rewards = recipe.reward_scale * _normal(rows, recipe.seed, "rewards", recipe.reward_seed)
    return Batch(
        actions=actions,
        rewards=rewards.to(recipe.dtype),
        continues=continues.to(recipe.dtype),
        truncated=truncated.to(recipe.dtype),
        online=online,
        behaviour=behaviour,
        behaviour_log_prob=log_prob,
        target=target,
        progress=torch.tensor(recipe.progress, dtype=recipe.dtype),
    )


def head_places(heads: tuple[Head, ...]) -> dict[str, tuple[str, int]]:
    """Kind of each head and its place among the heads of that kind, in the order given."""
    counts: Counter[str] = Counter()
    places = {}
    for head in heads:
        kind = head_kind(head)
        places[head.name] = (kind, counts[kind])
        counts[kind] += 1
    return places


def head_kind(head: Head) -> str:
    """What tells heads apart besides their names."""
    return f"{'A' if head.per_action else ''}{'x' if head.vector else ''}{head.size}"


def map_batch(batch: Batch, change: Callable[[Tensor], Tensor]) -> Batch:
    """The batch with `change` applied to everything that has rows `[T, B]` or `[T+1, B, …]`."""

    def heads(view: Heads) -> Heads:
        return {name: change(x) for name, x in view.items()}

    return Batch(
        actions=change(batch.actions),
        rewards=change(batch.rewards),
        continues=change(batch.continues),
        truncated=change(batch.truncated),
        online=heads(batch.online),
        behaviour=heads(batch.behaviour),
        behaviour_log_prob=change(batch.behaviour_log_prob),
        target=heads(batch.target),
        progress=batch.progress,
    )


def reorder(order: Tensor) -> Callable[[Tensor], Tensor]:
    """Permutes environments."""
    return lambda x: x[:, order]


def splice(last: int, order: Tensor) -> Callable[[Tensor], Tensor]:
    """Permutes environments after step `last` alone: row `last + 1` of the heads belongs to what comes after."""
    return lambda x: torch.cat([x[: last + 1], x[last + 1 :][:, order]])


def end_episodes(batch: Batch, step: int) -> Batch:
    """The batch with every episode ended at `step`, every second one by a time limit."""
    continues, truncated = batch.continues.clone(), batch.truncated.clone()
    continues[step] = 0
    truncated[step] = torch.arange(truncated.shape[1]) % 2
    return Batch(**{**vars(batch), "continues": continues, "truncated": truncated})


def _episodes(rows: tuple[int, int], recipe: Recipe) -> tuple[Tensor, Tensor]:
    if recipe.episodes == "none":
        return torch.ones(rows), torch.zeros(rows)
    draws = torch.rand(rows, generator=torch_stream(recipe.seed, "ends"))
    ends = torch.ones(rows) if recipe.episodes == "every" else (draws < END_PROBABILITY).float()
    limited = torch.rand(rows, generator=torch_stream(recipe.seed, "limits")) < 0.3
    return 1 - ends, ends * limited


def _view(heads: tuple[Head, ...], shape: Shape, recipe: Recipe, number: int) -> Heads:
    view = {}
    for name, (kind, place) in head_places(heads).items():
        size = (shape.T + 1, shape.B, *next(head for head in heads if head.name == name).shape(shape.A))
        where = (kind, 0 if recipe.twins else place)
        values = _normal(size, recipe.seed, "head", *where)
        if recipe.views == "apart":
            values = values + DRIFT * _normal(size, recipe.seed, "drift", number, *where)
        if recipe.views == "flat":
            values = torch.zeros_like(values)
        view[name] = values.to(recipe.dtype)
    return view


def _actions(act: Act, behaviour: Heads, shape: Shape, recipe: Recipe) -> tuple[Tensor, Tensor]:
    """Actions `[T, B]` and their log-probabilities, by inverting the distribution function at even noise."""
    flat = {name: x[:-1].flatten(0, 1) for name, x in behaviour.items()}
    log_probs = action_log_probs(act, flat, recipe.progress)
    noise = torch.rand(shape.T * shape.B, 1, generator=torch_stream(recipe.seed, "actions"), dtype=torch.float64)
    actions = (log_probs.double().exp().cumsum(-1) < noise).sum(-1, keepdim=True).clamp(max=shape.A - 1)
    log_prob = log_probs.gather(-1, actions).to(recipe.dtype)
    return actions.reshape(shape.T, shape.B), log_prob.reshape(shape.T, shape.B)


def _normal(size: tuple[int, ...], seed: int, purpose: str, *counters: int | str) -> Tensor:
    return torch.randn(size, generator=torch_stream(seed, purpose, *counters), dtype=torch.float64)
