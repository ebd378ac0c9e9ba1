"""What to believe of a score that was looked at because it is high: the program in the light of all that stood the same test.

The best of many noisy scores is above its program's quality by about as much as the luckiest noise. Empirical Bayes takes that out without
a single training more: all scores x_i of a rung, with errors s_i, show how far apart programs really are, g, and with it

    p(θ | x, s) ∝ g(θ) · exp(−(x − θ)² / 2s²)

speaks of the quality θ of one of them, however that one was picked (Efron 2011, "Tweedie's formula and selection bias"). Where scores lie
no further apart than their errors, g is narrow and the best is believed to be like the rest.

g begins as a normal distribution, with the variance of the scores less that of their errors (Efron & Morris 1975), and takes a few steps of
expectation maximisation on a grid towards the likeliest of all distributions (Laird 1978; Koenker & Mizera 2014): a search's programs are
often a heap of failures and a heap of good ones, which no normal distribution describes. All steps would end in a few spikes, and intervals
too narrow. Chosen by simulation: docs/measurements/selection.md.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sandbox.intervals import Array
from sandbox.records import Score

LEAST = 5  # scores from which a distribution is estimated; of fewer each speaks for itself
POINTS = 101  # of the grid
STEPS = 10
NARROWEST = 0.25  # of the usual error: the least deviation g begins with
NORMAL_95 = 1.96


class Population:
    """The scores of all programs that were tested on a rung, as `measured` gives them."""

    def __init__(self, scores: Array) -> None:
        self._known = len(scores) >= LEAST
        if self._known:
            self._grid, self._weights = _distribution(scores[:, 0], _errors(scores))

    def believe(self, scores: Sequence[Score]) -> list[Score]:
        """Expectation and 95 % interval of the quality of each program with one of these scores, all of them the population's."""
        if not self._known or not scores:
            return list(scores)
        seen = measured(scores)
        weights = self._weights * _likelihood(seen[:, 0], _errors(seen), self._grid)
        weights /= weights.sum(1, keepdims=True)
        return [self._summary(score, row) for score, row in zip(scores, weights, strict=True)]

    def _summary(self, score: Score, weights: Array) -> Score:
        below = np.cumsum(weights)
        low = float(np.interp(0.025, below, self._grid))
        high = float(np.interp(0.975, below - weights, self._grid))
        return Score(mean=float(weights @ self._grid), low=low, high=high, n=score.n)


def measured(scores: Sequence[Score]) -> Array:
    """`[scores, 2]`: mean, and width of the 95 % interval."""
    return np.array([(score.mean, score.high - score.low) for score in scores], dtype=np.float64).reshape(-1, 2)


def _errors(scores: Array) -> Array:
    """What normal distributions with these intervals have as their deviations."""
    errors: Array = np.maximum(scores[:, 1] / (2 * NORMAL_95), 1e-3)
    return errors


def _distribution(means: Array, errors: Array) -> tuple[Array, Array]:
    """g: points and weights."""
    centre, spread = float(means.mean()), float(np.var(means, ddof=1) - np.mean(errors**2))
    deviation = max(spread, 0.0) ** 0.5
    deviation = max(deviation, NARROWEST * float(np.median(errors)))
    low, high = min(float(means.min()), centre - 3 * deviation), max(float(means.max()), centre + 3 * deviation)
    grid: Array = np.linspace(low, high, POINTS)
    weights = np.exp(-0.5 * ((grid - centre) / deviation) ** 2) + 1e-9  # no place is ruled out
    likelihood = _likelihood(means, errors, grid)
    for _ in range(STEPS):
        shares = likelihood * weights
        weights = (shares / shares.sum(1, keepdims=True)).mean(0)
    return grid, np.maximum(weights, 1e-12)


def _likelihood(means: Array, errors: Array, grid: Array) -> Array:
    """`[scores, points]`, up to a factor for each score that leaves its likeliest point at 1."""
    exponents = -0.5 * ((means[:, None] - grid) / errors[:, None]) ** 2
    likelihood: Array = np.exp(exponents - exponents.max(1, keepdims=True))
    return likelihood
