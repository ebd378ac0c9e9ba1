"""The third gate: does the loss make sense as a way to learn, whatever the environment?

Everything is asked of loss *and* gradients, on synthetic trajectories, before any training is paid for. Each question has its own refusal
code: `unused-head`, `not-finite`, `ignores-rewards`, `no-gradient`, `leaks-over-episodes`, `depends-on-order`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from sandbox.errors import Gate, Refusal
from sandbox.language.blame import blame_line
from sandbox.language.probing import Outcome, evaluate, evaluate_chain, head_place, loss_place, newborn_state
from sandbox.language.synthetic import Recipe, end_episodes, make_batch, map_batch, reorder, splice
from sandbox.records import Shape
from sandbox.rules.base import Batch
from sandbox.rules.program_rule import ProgramRule

PROBE_SHAPE = Shape(20, 8, 18)
SMALLEST = Shape(1, 1, 18)
ORDER = (3, 5, 7, 1, 0, 6, 2, 4)  # no fixed point, no rotation, and no neighbour of the mirror image
CALLS = 4  # over which gradients must reach the acting head
TOLERANCE = 1e-7  # relative; what re-ordered float64 sums differ by is far below, a leak far above

SITUATIONS: tuple[tuple[str, Shape, Recipe], ...] = (
    ("ordinary trajectories", PROBE_SHAPE, Recipe()),
    ("rewards times 1e-4", PROBE_SHAPE, Recipe(reward_scale=1e-4)),
    ("rewards times 1e4", PROBE_SHAPE, Recipe(reward_scale=1e4)),
    ("all-zero rewards and equal heads", PROBE_SHAPE, Recipe(reward_scale=0, views="equal")),
    ("all-zero rewards and all heads zero", PROBE_SHAPE, Recipe(reward_scale=0, views="flat")),
    ("no episode ending", PROBE_SHAPE, Recipe(episodes="none")),
    ("every step ending an episode", PROBE_SHAPE, Recipe(episodes="every")),
    ("one step of one environment", SMALLEST, Recipe(episodes="none")),
    ("one step of one environment that ends the episode", SMALLEST, Recipe(episodes="every", reward_scale=0, views="equal")),
    ("the first moment of training", PROBE_SHAPE, Recipe(progress=0.0)),
    ("the last moment of training", PROBE_SHAPE, Recipe(progress=1.0)),
)
"""Where loss, gradients and state must be finite, in float32."""


def check_sense(rule: ProgramRule) -> None:
    """Asks every question in turn. Raises Refusal (sense) at the first that is answered wrongly."""
    check_heads_used(rule)
    check_finite(rule)
    check_rewards_matter(rule)
    check_acting_head_learns(rule)
    check_order_free(rule)
    check_episodes_apart(rule)


def check_heads_used(rule: ProgramRule) -> None:
    """Every declared head is read by what is computed, in at least one of its views."""
    live = rule.live_inputs(PROBE_SHAPE)
    for head in rule.traced.program.heads:
        if not any(f"{view}.{head.name}" in live for view in ("online", "behaviour", "target")):
            raise Refusal(
                Gate.SENSE,
                "unused-head",
                f"The head {head.name!r} is declared, but neither the loss nor the state depends on it.",
                "Use it in `loss`, or remove it from HEADS.",
                head_place(rule.traced.program, head.name),
            )


def check_finite(rule: ProgramRule) -> None:
    """Loss, gradients and state are finite in every one of SITUATIONS, also in a second call with the state of the first."""
    for situation, shape, recipe in SITUATIONS:
        state = newborn_state(rule)
        for seed in range(2 if state else 1):
            batch = _batch(rule, shape, recipe, seed)
            outcome = evaluate(rule, batch, state)
            if (what := _not_finite(outcome)) is not None:
                raise _refusal(
                    rule,
                    "not-finite",
                    f"{what} is not finite with {situation}.",
                    "Bound what grows (torch.clamp, rl.signed_log) and keep divisors, square roots and logarithms away from zero.",
                    blame_line(rule, batch, state),
                )
            state = outcome.state


def check_rewards_matter(rule: ProgramRule) -> None:
    """Other rewards, all else equal, move some gradient within a few calls."""
    first, second = (
        evaluate_chain(rule, _chain(rule, Recipe(reward_seed=number, reward_scale=scale, dtype=torch.float64)))
        for number, scale in ((0, 1.0), (1, 3.0))
    )
    if all(_same(a.gradients[name], b.gradients[name]) for a, b in zip(first, second, strict=True) for name in a.gradients):
        raise _refusal(
            rule,
            "ignores-rewards",
            "No gradient changes when the rewards do, so the agent cannot learn from them.",
            "Multiply an online head by what depends on traj.rewards, or compare it to that: for instance by rl.gae or rl.lambda_returns.",
        )


def check_acting_head_learns(rule: ProgramRule) -> None:
    """A gradient reaches the head that acts in one of several calls, with state carried and all views moving."""
    acting = rule.act.head
    outcomes = evaluate_chain(rule, _chain(rule, Recipe(dtype=torch.float64)))
    if not any(bool(outcome.gradients[acting].abs().max() > 0) for outcome in outcomes):
        raise Refusal(
            Gate.SENSE,
            "no-gradient",
            f"No gradient ever reaches the head {acting!r}, which acts.",
            f"Train it: let traj.online.{acting} enter the loss, and not only inside rl.stop_gradient or torch.no_grad.",
            head_place(rule.traced.program, acting),
        )


def check_order_free(rule: ProgramRule) -> None:
    """Environments in another order give the same results in that order."""
    if not _permutes(rule, _batch(rule, PROBE_SHAPE, Recipe(dtype=torch.float64)), reorder(torch.tensor(ORDER))):
        raise _refusal(
            rule,
            "depends-on-order",
            "The result depends on the order of the environments, which has no meaning.",
            "Treat axis 1 (B) the same for every environment: average over it, but do not index, shift, sort or accumulate along it.",
        )


def check_episodes_apart(rule: ProgramRule) -> None:
    """The splice test: with every episode ended at t, exchanging what follows across environments exchanges the results and no more."""
    order = torch.tensor(ORDER)
    for last in (PROBE_SHAPE.T // 2, PROBE_SHAPE.T - 1):
        batch = end_episodes(_batch(rule, PROBE_SHAPE, Recipe(dtype=torch.float64)), last)
        if not _permutes(rule, batch, splice(last, order)):
            raise _refusal(
                rule,
                "leaks-over-episodes",
                "Something leaks over an episode's end: what comes after it changes loss or gradients before it, or the other way round.",
                "Multiply whatever comes from row t+1 by traj.continues[t] (row t+1 is the next episode's first state even where "
                "traj.truncated is 1); give rl's recursions c.discount * traj.continues as discounts.",
            )


def _permutes(rule: ProgramRule, batch: Batch, change: Callable[[Tensor], Tensor]) -> bool:
    """Whether changing the batch changes loss and gradients alike and leaves the new state as it was."""
    state = newborn_state(rule)
    before, after = evaluate(rule, batch, state), evaluate(rule, map_batch(batch, change), state)
    pairs = [(change(before.loss) if before.loss.dim() else before.loss, after.loss)]
    pairs += [(change(x), after.gradients[name]) for name, x in before.gradients.items()]
    pairs += [(x, after.state[name]) for name, x in before.state.items()]
    return all(_same(x, y) for x, y in pairs)


def _chain(rule: ProgramRule, recipe: Recipe) -> Iterator[Batch]:
    """Batches of several calls: other trajectories, other views and later moments of training each time."""
    for number in range(CALLS):
        late = Recipe(**{**vars(recipe), "progress": number / (CALLS - 1), "views": "equal" if number == 0 else "apart"})
        yield _batch(rule, PROBE_SHAPE, late, number)


def _batch(rule: ProgramRule, shape: Shape, recipe: Recipe, seed: int = 0) -> Batch:
    return make_batch(rule.traced.program.heads, rule.act, shape, Recipe(**{**vars(recipe), "seed": seed}))


def _same(x: Tensor, y: Tensor) -> bool:
    return bool((x - y).abs().max() <= TOLERANCE * x.abs().max() + 1e-12)


def _not_finite(outcome: Outcome) -> str | None:
    """What is not finite, for people, or None."""
    if not bool(outcome.loss.isfinite().all()):
        return "The loss"
    for name, gradient in outcome.gradients.items():
        if not bool(gradient.isfinite().all()):
            return f"The gradient of the head {name!r}"
    return next((f"The state {name!r}" for name, x in outcome.state.items() if not bool(x.isfinite().all())), None)


def _refusal(rule: ProgramRule, code: str, message: str, remedy: str, line: int = 0) -> Refusal:
    return Refusal(Gate.SENSE, code, message, remedy, line or loss_place(rule.traced.program))
