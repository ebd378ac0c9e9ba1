"""Learning curves over several seeds. Numpy only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sandbox.records import CurvePoint, RunResult


def mean_curve(runs: Sequence[RunResult]) -> tuple[CurvePoint, ...]:
    """Point by point over the seeds in which an episode ended there."""
    points = []
    for column in zip(*(run.curve for run in runs), strict=True):
        scores = [point.score for point in column if point.score is not None]
        points.append(CurvePoint(step=column[0].step, score=float(np.mean(scores)) if scores else None))
    return tuple(points)
