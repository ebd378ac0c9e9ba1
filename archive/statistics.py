"""What is said about programs beside their score: how they compare, and how sure that is. Numpy only; every stream is passed in.

Everywhere `runs[k]` is `[seeds]` of task k, in normalised scores (0 random play, 1 the baseline). Agarwal et al. 2021, "Deep Reinforcement
Learning at the Edge of the Statistical Precipice", section 4, for all but `paired_difference`, which says itself where it comes from. The
interquartile mean and the score's own interval are in `sandbox.intervals`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sandbox.intervals import CONFIDENCE, RESAMPLES, UNKNOWN, UNKNOWN_SPREAD, Array, freedom, half_width, interquartile_mean
from sandbox.records import Record


class Estimate(Record):
    """A number and the interval that holds it with the stated confidence."""

    value: float
    low: float
    high: float


def optimality_gap(runs: Sequence[Array], target: float = 1.0) -> float:
    """By how much the runs miss `target`: mean over tasks and seeds of max(target − x, 0). What lies above the target buys nothing."""
    _check(runs)
    return float(np.mean([np.maximum(target - task, 0.0).mean() for task in runs]))


def performance_profile(runs: Sequence[Array], thresholds: Sequence[float]) -> Array:
    """Share of the runs above each threshold, tasks weighing the same: F(τ) = 1/M Σ_m 1/N Σ_n 1[x_mn > τ]; `[thresholds]`."""
    _check(runs)
    above = [(task[:, None] > np.asarray(thresholds)[None, :]).mean(axis=0) for task in runs]
    profile: Array = np.mean(above, axis=0)
    return profile


def profile_band(
    runs: Sequence[Array], thresholds: Sequence[float], stream: np.random.Generator, resamples: int = RESAMPLES
) -> tuple[Array, Array]:
    """Pointwise 95 % percentile interval of `performance_profile`, runs resampled within their task; low and high `[thresholds]`."""
    _check(runs)
    levels = np.asarray(thresholds)
    shares = np.zeros((resamples, levels.size))
    for task in runs:
        drawn = task[stream.integers(task.size, size=(resamples, task.size))]
        shares += (drawn[:, :, None] > levels).mean(axis=1) / len(runs)
    low, high = np.quantile(shares, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], axis=0)
    return low, high


def probability_of_improvement(
    x: Sequence[Array], y: Sequence[Array], stream: np.random.Generator, *, confidence: float = CONFIDENCE, resamples: int = RESAMPLES
) -> Estimate:
    """P(X > Y) = 1/M Σ_m 1/(N·K) Σ_ij S(x_mi, y_mj), S being 1, ½ for a tie, or 0: Mann and Whitney's statistic, averaged over tasks.

    The interval resamples both sides within each task. Where no task has two runs on a side it is [0, 1]: nothing is known.
    """
    _check(x)
    _check(y)
    assert len(x) == len(y), "both sides have the same tasks"
    wins = [(np.sign(ours[:, None] - theirs[None, :]) + 1) / 2 for ours, theirs in zip(x, y, strict=True)]
    value = float(np.mean([table.mean() for table in wins]))
    if all(min(table.shape) == 1 for table in wins):
        return Estimate(value=value, low=0.0, high=1.0)
    drawn = np.mean([_resampled(table, stream, resamples) for table in wins], axis=0)
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Estimate(value=value, low=float(low), high=float(high))


def _resampled(wins: Array, stream: np.random.Generator, resamples: int) -> Array:
    ours, theirs = (stream.integers(size, size=(resamples, size)) for size in wins.shape)
    means: Array = wins[ours[:, :, None], theirs[:, None, :]].mean(axis=(1, 2))
    return means


def paired_difference(
    x: Sequence[Array], y: Sequence[Array], stream: np.random.Generator, *, confidence: float = CONFIDENCE, resamples: int = RESAMPLES
) -> Estimate:
    """score(x) − score(y) of two programs that trained on the same seeds: run i of a task in `x` pairs with run i of it in `y`.

    Half-width = t · s, where s is the bootstrap's standard error (pairs resampled within their task) times √(n/(n−1)), since resampling
    n numbers shows only (n−1)/n of their variance, and t is Student's quantile at the degrees of freedom of Welch and Satterthwaite:
    (Σ v_m)² / Σ v_m²/(n−1) with v_m the variance of task m's differences. A percentile interval of two or three seeds would be far too
    narrow to claim anything from. With one seed a task the spread is unknown and the half-width is `UNKNOWN_SPREAD`.
    """
    _check(x)
    shapes = {task.size for task in (*x, *y)}
    assert len(x) == len(y), "both sides have the same tasks"
    assert len(shapes) == 1, "as many seeds on every task, on both sides"
    value = float(interquartile_mean(np.concatenate(x)) - interquartile_mean(np.concatenate(y)))
    (seeds,) = shapes
    if seeds == 1:
        return Estimate(value=value, low=value - UNKNOWN_SPREAD, high=value + UNKNOWN_SPREAD)
    picks = [stream.integers(seeds, size=(resamples, seeds)) for _ in x]
    ours, theirs = (
        interquartile_mean(np.concatenate([task[pick] for task, pick in zip(side, picks, strict=True)], axis=1)) for side in (x, y)
    )
    error = float(np.std(ours - theirs)) * np.sqrt(seeds / (seeds - 1))
    seen = freedom([first - second for first, second in zip(x, y, strict=True)])
    half = half_width(error, seen, seeds * len(x), usual=UNKNOWN, confidence=confidence)
    return Estimate(value=value, low=value - half, high=value + half)


def _check(runs: Sequence[Array]) -> None:
    assert runs, "at least one task"
    assert all(task.ndim == 1 and task.size for task in runs), "one row of runs a task"
