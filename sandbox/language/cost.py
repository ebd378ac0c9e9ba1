"""The fifth gate: what one call of the loss costs at the campaign's shapes.

Work and memory are counted from the graph before anything runs; then one call, with its gradient, is timed.
"""

from __future__ import annotations

import time

from sandbox.errors import Gate, Refusal
from sandbox.language.probing import evaluate, loss_place, newborn_state
from sandbox.language.synthetic import Recipe, make_batch
from sandbox.records import Shape
from sandbox.rules.program_rule import ProgramRule

MAX_WORK = 5_000_000_000
"""Floating-point operations of one forward pass, estimated from above."""

MAX_MEMORY = 2 << 30
"""Bytes of all results of one forward pass together; the gradient keeps most of them."""

MAX_SECONDS = 0.5
"""One call and its gradient on one thread. A hundred times what the heaviest reference takes at ordinary shapes."""

TRIES = 3


def check_cost(rule: ProgramRule, shapes: tuple[Shape, ...]) -> None:
    """Raises Refusal (cost): `too-much-work`, `too-much-memory` or `too-slow`."""
    for shape in dict.fromkeys(shapes):
        graph = rule.graph(shape)
        if graph.work > MAX_WORK:
            raise _refusal(rule, shape, "too-much-work", f"takes {graph.work:.1e} operations, more than {MAX_WORK:.0e}")
        if graph.memory > MAX_MEMORY:
            raise _refusal(rule, shape, "too-much-memory", f"makes {graph.memory >> 20} MiB of tensors, more than {MAX_MEMORY >> 20}")
        if (seconds := _fastest(rule, shape)) > MAX_SECONDS:
            raise _refusal(rule, shape, "too-slow", f"takes {seconds:.2f} s with its gradient, more than {MAX_SECONDS:g}")


def _fastest(rule: ProgramRule, shape: Shape) -> float:
    """Seconds of one call and its gradient; a few tries, because a busy machine makes the first one slow, but never more than needed."""
    batch = make_batch(rule.traced.program.heads, rule.act, shape, Recipe(seed=300))
    best = float("inf")
    for _ in range(TRIES):
        start = time.perf_counter()
        evaluate(rule, batch, newborn_state(rule))
        best = min(best, time.perf_counter() - start)
        if best <= MAX_SECONDS:
            break
    return best


def _refusal(rule: ProgramRule, shape: Shape, code: str, what: str) -> Refusal:
    return Refusal(
        Gate.COST,
        code,
        f"One call at T, B, A = {shape.T}, {shape.B}, {shape.A} {what}.",
        "Avoid tensors that grow with the square of T, B or A, and long Python loops: rl's recursions run over time in a few vector steps.",
        loss_place(rule.traced.program),
    )
