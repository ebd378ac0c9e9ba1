"""The score: how well a rule did, in units of the distance between random play and the baseline. Numpy only.

The interquartile mean over tasks and seeds follows Agarwal et al. 2021, "Deep Reinforcement Learning at the Edge of the Statistical
Precipice", section 4.3; its interval is in `sandbox.intervals`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from sandbox.errors import UsageError
from sandbox.intervals import Array, interquartile_mean, mean_interval
from sandbox.records import Record, Score

ONE_SIDED_95 = 1.645  # the normal quantile; the samples are tens of episodes


class Anchor(Record):
    """What 0 and 1 mean on one task: episode returns of the uniformly random policy and of the baseline's final agents, over all seeds."""

    task: str
    random: tuple[float, ...]
    baseline: tuple[float, ...]


def normalise(returns: Sequence[float], random: float, baseline: float) -> Array:
    """(return − random) / (baseline − random) for every return; 0 is random play, 1 the baseline."""
    if not baseline > random:
        raise UsageError(
            f"The baseline's mean return {baseline:.4g} is not above random play's {random:.4g}.",
            "Give the baseline a longer budget (steps), or choose another task.",
        )
    return (np.asarray(returns, dtype=np.float64) - random) / (baseline - random)


def normalise_runs(returns: Sequence[float], anchor: Anchor) -> Array:
    """The scores of runs on the anchor's task, `[runs]`; see `normalise`."""
    return normalise(returns, float(np.mean(anchor.random)), float(np.mean(anchor.baseline)))


def clearly_above(anchor: Anchor) -> bool:
    """Whether the baseline's agents play better than random, at 95 % one-sided by Welch's statistic over episodes.

    Episodes and not seeds are the sample, because the question is whether the mean of *these* agents, the denominator of every score,
    is a distance from random or noise; two seeds could answer nothing else.
    """
    baseline, random = np.asarray(anchor.baseline), np.asarray(anchor.random)
    if min(baseline.size, random.size) < 2:
        return False
    noise = np.sqrt(baseline.var(ddof=1) / baseline.size + random.var(ddof=1) / random.size)
    return bool(baseline.mean() - random.mean() > ONE_SIDED_95 * noise)


def check_anchor(anchor: Anchor) -> None:
    """Refuses a task that cannot normalise anything. Raises UsageError with the remedy."""
    if not clearly_above(anchor):
        raise UsageError(
            f"On {anchor.task} the baseline (mean return {np.mean(anchor.baseline):.4g}) is not clearly above random play "
            f"({np.mean(anchor.random):.4g}), so no score can be measured there.",
            "Give the rung a longer budget (steps) or more evaluation episodes, or choose another task.",
        )


def score(returns: Mapping[str, Sequence[float]], anchors: Mapping[str, Anchor], stream: np.random.Generator) -> Score:
    """Interquartile mean over tasks × seeds of the normalised returns, with its interval. `returns[task]` is one number a seed.

    The denominators are taken as given: the interval is that of the program's own seeds. Raises UsageError for a task whose baseline
    is not clearly above random.
    """
    assert returns, "a score needs at least one task"
    runs = []
    for task, values in returns.items():
        check_anchor(anchors[task])
        runs.append(normalise_runs(values, anchors[task]))
    low, high = mean_interval(runs, stream)
    together = np.concatenate(runs)
    return Score(mean=float(interquartile_mean(together)), low=low, high=high, n=together.size)
