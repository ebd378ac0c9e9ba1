"""The paired test: the same tasks and seeds with and without a change. Numpy only."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sandbox.evaluate import returns_by_task
from sandbox.intervals import UNKNOWN, interquartile_mean, mean_interval
from sandbox.randomness import numpy_stream
from sandbox.records import Evaluation, Score
from sandbox.score import Anchor, normalise


def paired_difference(before: Evaluation, after: Evaluation, anchors: Mapping[str, Anchor]) -> Score:
    """`after` minus `before`, seed by seed: interquartile mean of the differences of normalised returns, with its 95 % interval.

    Both evaluations hold the same tasks and seeds in the same order, so what a seed has of luck in its first weights and worlds is in
    both numbers. The interval is of the differences alone (see `sandbox.intervals`).
    """
    first, second = returns_by_task(before), returns_by_task(after)
    assert {task: len(runs) for task, runs in first.items()} == {task: len(runs) for task, runs in second.items()}, (
        "the runs are not paired"
    )
    differences = []
    for task, anchor in anchors.items():
        random, baseline = float(np.mean(anchor.random)), float(np.mean(anchor.baseline))
        differences.append(normalise(second[task], random, baseline) - normalise(first[task], random, baseline))
    low, high = mean_interval(differences, numpy_stream(0, "paired"), usual=UNKNOWN)
    together = np.concatenate(differences)
    return Score(mean=float(interquartile_mean(together)), low=low, high=high, n=together.size)


def no_worse(difference: Score, tolerance: float) -> bool:
    """Whether the change surely costs less than `tolerance`: no evidence of harm is not enough, since few seeds show little."""
    return difference.low >= -tolerance
