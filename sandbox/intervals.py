"""How sure a mean of few runs is: the interquartile mean and its interval. Numpy only; every stream is passed in.

Everywhere `runs[k]` is `[seeds]` of task k, in units of the distance between random play and the baseline.

The interval is Student's, on the standard error that a stratified bootstrap gives (Agarwal et al. 2021, "Deep Reinforcement Learning at the
Edge of the Statistical Precipice", section 4.1: runs are resampled within their task, tasks are kept). The bootstrap's own percentiles are
far too narrow for two or three seeds: they held the truth in 44 to 77 of 100 cases where 95 were promised (docs/measurements/selection.md).
Two things mend that. The spread is counted over n − 1 and not n, with the quantile for as many degrees of freedom as there are. And since
two runs may agree by chance, their spread is moderated by what is usual (Smyth 2004, "Linear models and empirical Bayes methods for
assessing differential expression", section 3), as if `freedom` more runs had been seen:

    s² = (d₀·δ²/N + d·s_b²) / (d₀ + d),    mean ± t(d₀ + d) · s

s_b is the bootstrap's error, d its degrees of freedom (Welch and Satterthwaite), N the number of runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

RESAMPLES = 2000
CONFIDENCE = 0.95
UNKNOWN_SPREAD = 1.0  # half-width of the interval of a score made of one seed a task: a whole baseline
GRID = 20_001  # points over which Student's density is summed: quantiles are right to six digits


class Spread(NamedTuple):
    """What is thought of the runs' standard deviation before any are seen: `deviation`, with the weight of `freedom` runs."""

    freedom: float
    deviation: float


USUAL = Spread(4.0, 0.15)
"""A score's: runs of one program on one task mostly lie 0.03 to 0.6 baselines apart."""

UNKNOWN = Spread(0.0, 0.0)
"""Nothing is thought: the runs speak alone."""


def interquartile_mean(values: Array) -> Array:
    """Mean over the last axis without the lowest and the highest quarter (`floor(n/4)` numbers each); `[…, n]` to `[…]`."""
    count = values.shape[-1]
    assert count > 0, "the mean of nothing"
    cut = count // 4
    middle: Array = np.sort(values, axis=-1)[..., cut : count - cut].mean(axis=-1)
    return middle


def mean_interval(
    runs: Sequence[Array],
    stream: np.random.Generator,
    *,
    usual: Spread = USUAL,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
) -> tuple[float, float]:
    """The interval above of the interquartile mean of all runs.

    Where no task has two runs nothing is seen of their spread, and the interval is `UNKNOWN_SPREAD` to either side.
    """
    assert all(task.ndim == 1 and task.size for task in runs), "one row of runs a task"
    together = np.concatenate(runs)
    middle = float(interquartile_mean(together))
    if all(task.size == 1 for task in runs):
        return middle - UNKNOWN_SPREAD, middle + UNKNOWN_SPREAD
    drawn = [_widened(task)[stream.integers(task.size, size=(resamples, task.size))] for task in runs]
    error = float(np.std(interquartile_mean(np.concatenate(drawn, axis=1))))
    half = half_width(error, freedom(runs), together.size, usual=usual, confidence=confidence)
    return middle - half, middle + half


def half_width(error: float, seen: float, count: int, *, usual: Spread, confidence: float) -> float:
    """t · s of the module's equation: `error` with `seen` degrees of freedom, from `count` runs."""
    total = usual.freedom + seen
    variance = (usual.freedom * usual.deviation**2 / count + seen * error**2) / total
    return float(np.sqrt(variance)) * student_quantile((1 + confidence) / 2, total)


def freedom(runs: Sequence[Array]) -> float:
    """Degrees of freedom of a mean over tasks (Welch and Satterthwaite): (Σ u_m)² / Σ u_m²/(n_m − 1), u_m = n_m·variance_m."""
    several = [task for task in runs if task.size > 1]
    parts = np.array([task.size * np.var(task, ddof=1) for task in several])
    spare = np.array([task.size - 1.0 for task in several])
    if not parts.any():
        return float(spare.sum())
    parts /= parts.max()  # squares of tiny ones would vanish
    return float(parts.sum() ** 2 / (parts**2 / spare).sum())


def student_quantile(probability: float, degrees: float) -> float:
    """Quantile of Student's t: with t = √ν·tan θ its density is cos^(ν−1) θ on (−π/2, π/2), which is summed and inverted."""
    assert 0 < probability < 1, "a probability"
    assert degrees >= 1, "at least one degree of freedom"
    angles: Array = np.linspace(-np.pi / 2, np.pi / 2, GRID)
    density = np.cos(angles) ** (degrees - 1)
    mass = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2)])
    return float(np.sqrt(degrees) * np.tan(np.interp(probability, mass / mass[-1], angles)))


def _widened(task: Array) -> Array:
    """The runs about their mean by √(n/(n−1)): resampling n numbers shows only (n−1)/n of their variance."""
    if task.size == 1:
        return task
    mean = task.mean()
    widened: Array = mean + (task - mean) * np.sqrt(task.size / (task.size - 1))
    return widened
