"""Racing: a program's evaluation ends early once its score is clearly below what would be kept, whenever one looks.

After every round (one seed on every task) a bettor's capital is updated who bets that the mean score lies below the bar. Capital that has
grown twentyfold is evidence at the level 1/20, at whatever round one stops (Waudby-Smith & Ramdas 2023, "Estimating means of bounded random
variables by betting", section 4; Ville's inequality):

    K = Σ_g w_g Π_rounds Π_tasks (1 + λ_g·(bar − x)),    λ_g = g / (highest − bar),    stop when K ≥ 1/α

x is a run's score, clipped to `score_range`: 0 is random play, and what lies more than half a baseline above the bar counts as that. If the
mean over tasks of the expected clipped score is at least the bar, K is a supermartingale: runs are independent given the program, so a
round's expected factor is Π_tasks (1 + λ(bar − μ_task)), which is at most (1 + λ(bar − mean μ))^tasks ≤ 1 (the geometric mean never
exceeds the arithmetic), and so is every mixture over g. Hence a program that deserves to go on is stopped in at most α of all races, over
all their rounds together. All this is of the mean of clipped scores; the score that is reported is an interquartile mean, which forgives
a program its worst quarter of runs, so a program that fails one task of four and is level elsewhere may be stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from sandbox.errors import Verdict
from sandbox.records import Evaluation, Rung
from sandbox.score import Anchor, normalise_runs

HEADROOM = 0.5  # baselines above the bar: higher scores count as this much
STAKES = np.array([0.5, 1.0])  # g: shares of the highest bet that can never lose more than all
SHARES = np.array([1, 2]) / 3  # w: of the capital; most lies on the bet that sees through failures soonest (docs/measurements/selection.md)
LOWEST = 0.0  # random play; what plays worse counts as that


def score_range(bar: float) -> tuple[float, float]:
    """Where scores are clipped to, given what they are compared with."""
    return min(LOWEST, bar), max(LOWEST, bar) + HEADROOM


class Race:
    """One program against one bar. `alpha` is the chance of stopping a program that is no worse than the bar."""

    def __init__(self, bar: float, alpha: float) -> None:
        assert 0 < alpha < 1, "a probability"
        self.bar = bar
        self.alpha = alpha
        self._log_capital = np.zeros(len(STAKES))

    def tell(self, scores: Sequence[float]) -> None:
        """One round: the normalised scores of one seed on every task, in any order."""
        low, high = score_range(self.bar)
        clipped = np.clip(np.asarray(scores, dtype=np.float64), low, high)
        with np.errstate(divide="ignore"):  # who bet everything and lost has nothing: log 0
            self._log_capital += np.log1p(STAKES[:, None] * (self.bar - clipped) / (high - self.bar)).sum(axis=1)

    @property
    def log_evidence(self) -> float:
        """Logarithm of the capital: log 20 refutes "no worse than the bar" at 1/20."""
        return float(np.logaddexp.reduce(self._log_capital + np.log(SHARES)))

    @property
    def lost(self) -> bool:
        """Whether the program is clearly below the bar."""
        return bool(self.log_evidence >= -np.log(self.alpha))


def run_race(
    rung: Rung, bar: float, seeds: Sequence[int], run_round: Callable[[Sequence[int]], Evaluation], anchors: Mapping[str, Anchor]
) -> Evaluation:
    """Trains seed by seed, each on all tasks, until the program fails, has clearly lost, or has had all seeds.

    What is decided depends on the results of earlier seeds alone, never on which run finished first.
    """
    race = Race(bar, rung.alpha)
    rounds: list[Evaluation] = []
    for seed in seeds:
        rounds.append(run_round((seed,)))
        if rounds[-1].verdict != Verdict.OK:
            return _together(rung, rounds, bar, saved=0)
        race.tell([float(normalise_runs([run.final_return], anchors[run.task])[0]) for run in rounds[-1].runs])
        if race.lost:
            break
    return _together(rung, rounds, bar, saved=len(rung.tasks) * (len(seeds) - len(rounds)))


def _together(rung: Rung, rounds: Sequence[Evaluation], bar: float, saved: int) -> Evaluation:
    """The rounds as one evaluation: its runs by task, then seed, as those of any other."""
    runs = tuple(run for task in rung.tasks for each in rounds for run in each.runs if run.task == task)
    seconds = sum(each.device_seconds for each in rounds)
    return rounds[-1].model_copy(update={"runs": runs, "device_seconds": seconds, "bar": bar, "saved": saved})
