"""How good a meta-network is: fresh agents that learn under it, frozen, beside random play and agents under REINFORCE.

All share tasks, budgets, seeds and the shape of the base agent. REINFORCE is given the best of several learning rates, chosen for each task
on the very seeds that are reported, which can only flatter it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from sandbox.errors import UsageError, Verdict
from sandbox.evaluate import Evaluator, Memory, OnRun, Player, returns_by_task
from sandbox.intervals import student_quantile
from sandbox.records import LearnedRule, Record, Rung, Traced

RATES = (1e-3, 4e-3, 1e-2)
"""At which REINFORCE is tried; no program may have a higher one than the last."""

Word = Literal["better", "level", "worse"]


class Mean(Record):
    """Of one number a seed, with Student's 95 % interval."""

    value: float
    low: float
    high: float
    n: int


class Limits(NamedTuple):
    """Expected scores of random and of perfect play, where they are known."""

    chance: float | None
    optimum: float | None


class Trial(Record):
    """One task. `word` and `above_random` are said of seeds in pairs, and only where the interval of the difference allows it."""

    task: str
    held_out: bool  # never used in meta-training
    chance: float | None
    optimum: float | None
    random: Mean
    learned: Mean
    reinforce: Mean
    reinforce_rate: float
    rates: dict[str, float]  # REINFORCE's mean return by learning rate
    above_random: Word
    word: Word  # against REINFORCE

    @property
    def share(self) -> float | None:
        """Of the distance from chance to the optimum; None where those are unknown."""
        if self.chance is None or self.optimum is None:
            return None
        return (self.learned.value - self.chance) / (self.optimum - self.chance)


def hold_trials(
    evaluator: Evaluator,
    learned: LearnedRule,
    reinforce: Traced,
    rung: Rung,
    trained_on: frozenset[str],
    memory: Memory,
    rates: Sequence[float] = RATES,
    on_run: OnRun | None = None,
) -> tuple[Trial, ...]:
    """One trial a task of the rung. UsageError where a training fails."""

    def play(player: Player) -> dict[str, list[float]]:
        evaluation = evaluator.run_rung(player, rung, evaluator.seeds(rung), memory, on_run=on_run)
        if evaluation.verdict != Verdict.OK:
            raise UsageError(f"A training failed: {evaluation.fault}", "Choose other tasks or a smaller learning rate.")
        return returns_by_task(evaluation)

    random, ours = play("random"), play(learned)
    theirs = {rate: play(at_rate(reinforce, rate)) for rate in rates}
    return tuple(
        _trial(task, task not in trained_on, random[task], ours[task], {rate: runs[task] for rate, runs in theirs.items()})
        for task in rung.tasks
    )


def at_rate(traced: Traced, rate: float) -> Traced:
    """The same program with another learning rate."""
    training = traced.program.training.model_copy(update={"learning_rate": rate})
    return traced.model_copy(update={"program": traced.program.model_copy(update={"training": training})})


def _trial(task: str, held_out: bool, random: list[float], learned: list[float], reinforce: dict[float, list[float]]) -> Trial:
    best = max(reinforce, key=lambda rate: float(np.mean(reinforce[rate])))
    known = limits(task)
    return Trial(
        task=task,
        held_out=held_out,
        chance=known.chance,
        optimum=known.optimum,
        random=mean(random),
        learned=mean(learned),
        reinforce=mean(reinforce[best]),
        reinforce_rate=best,
        rates={f"{rate:g}": float(np.mean(runs)) for rate, runs in reinforce.items()},
        above_random=compare(learned, random),
        word=compare(learned, reinforce[best]),
    )


def mean(values: Sequence[float]) -> Mean:
    """With Student's interval over n - 1 degrees of freedom; one value alone knows no bounds."""
    value, n = float(np.mean(values)), len(values)
    if n < 2:
        return Mean(value=value, low=-np.inf, high=np.inf, n=n)
    half = student_quantile(0.975, n - 1) * float(np.std(values, ddof=1)) / np.sqrt(n)
    return Mean(value=value, low=value - half, high=value + half, n=n)


def compare(ours: Sequence[float], theirs: Sequence[float]) -> Word:
    """By the interval of the paired difference."""
    difference = mean([a - b for a, b in zip(ours, theirs, strict=True)])
    return "better" if difference.low > 0 else "worse" if difference.high < 0 else "level"


def limits(task: str) -> Limits:
    """What is known of a probe; nothing of other tasks."""
    from sandbox.tasks.probes import WORLDS

    kind, _, name = task.partition(":")
    if kind != "probe":
        return Limits(None, None)
    return Limits(WORLDS[name].chance, WORLDS[name].optimum)
