"""Racing: a program's evaluation ends early once its score is clearly below what would be kept, or clearly above what climbs on.

After every round (one seed on every task) a bettor's capital is updated who bets that the mean score lies below the bar. Capital that has
grown twentyfold is evidence at the level 1/20, at whatever round one stops (Waudby-Smith & Ramdas 2023, "Estimating means of bounded random
variables by betting", section 4; Ville's inequality):

    K = Π_rounds Π_tasks (1 + λ·(bar − x)),    λ = g / (highest − bar),    stop when K ≥ 1/α

x is a run's score, clipped to `score_range`: 0 is random play, and what lies more than half a baseline above the bar counts as that. If the
mean over tasks of the expected clipped score is at least the bar, K is a supermartingale: runs are independent given the program, so a
round's expected factor is Π_tasks (1 + λ(bar − μ_task)), which is at most (1 + λ(bar − mean μ))^tasks ≤ 1 (the geometric mean never
exceeds the arithmetic), whatever share g < 1 is staked, as long as that is decided before the round. It is the share that would have earned
most so far, drawn a little to `FIRST`: much against a program that fails everywhere, less where tasks or seeds differ. Hence a program that
deserves to go on is stopped in at most α of all races, over all their rounds together.

A second bettor says the opposite of `promote`, in the same way, with λ = g / (goal − lowest): who is clearly above it climbs at once.

All this is of the mean of clipped scores; the score that is reported is an interquartile mean, which forgives a program its worst quarter
of runs, so a program that fails one task of four and is level elsewhere may be stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from sandbox.errors import Verdict
from sandbox.records import Evaluation, Rung
from sandbox.score import Anchor, normalise_runs

HEADROOM = 0.5  # baselines above the bar: higher scores count as this much
STAKES = np.array([0.1, 0.25, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95])  # g, of the highest bet that can never lose more than all
FIRST = 0.8  # chosen by simulation: docs/measurements/selection.md
LOWEST = 0.0  # random play; what plays worse counts as that


def score_range(bar: float) -> tuple[float, float]:
    """Where scores are clipped to, given what they are compared with."""
    return min(LOWEST, bar), max(LOWEST, bar) + HEADROOM


class Bettor:
    """Who bets that a program's mean score lies below `bar`, or above it."""

    def __init__(self, bar: float, *, above: bool = False) -> None:
        low, high = score_range(bar)
        self._bar, self._range = bar, (low, high)
        self._unit = low - bar if above else high - bar  # what a run can cost at most; negative where high scores pay
        assert self._unit, "nothing lies above the highest bar or below the lowest"
        self._past = -((STAKES - FIRST) ** 2)  # logarithms of what each share would have earned, drawn to FIRST
        self.log_capital = 0.0

    def tell(self, scores: Sequence[float]) -> None:
        """One round: the normalised scores of one seed on every task, in any order."""
        clipped = np.clip(np.asarray(scores, dtype=np.float64), *self._range)
        earned = np.log1p(STAKES[:, None] * (self._bar - clipped) / self._unit).sum(axis=1)
        self.log_capital += float(earned[np.argmax(self._past)])
        self._past = self._past + earned


class Race:
    """One program against one bar, and towards a goal where there is one.

    `alpha` is the chance of stopping a program that is no worse than the bar, and of letting one climb that is no better than the goal.
    """

    def __init__(self, bar: float, alpha: float, goal: float | None = None) -> None:
        assert 0 < alpha < 1, "a probability"
        self.alpha = alpha
        self._against = Bettor(bar)
        self._for = None if goal is None or goal <= LOWEST else Bettor(goal, above=True)  # nobody is surely above random play's own score

    def tell(self, scores: Sequence[float]) -> None:
        """One round; see `Bettor.tell`."""
        for bettor in (self._against, self._for):
            if bettor is not None:
                bettor.tell(scores)

    @property
    def log_evidence(self) -> float:
        """Logarithm of the capital against the program: log 20 refutes "no worse than the bar" at 1/20."""
        return self._against.log_capital

    @property
    def lost(self) -> bool:
        """Whether the program is clearly below the bar."""
        return bool(self.log_evidence >= -np.log(self.alpha))

    @property
    def won(self) -> bool:
        """Whether it is clearly above the goal."""
        return self._for is not None and bool(self._for.log_capital >= -np.log(self.alpha))


def run_race(
    rung: Rung, bar: float, seeds: Sequence[int], run_round: Callable[[Sequence[int]], Evaluation], anchors: Mapping[str, Anchor]
) -> Evaluation:
    """Trains seed by seed, each on all tasks, until the program fails, has clearly lost or won, or has had all seeds.

    The goal is the rung's `promote`, unless only a share climbs: places are decided among whole evaluations. What is decided depends on the
    results of earlier seeds alone, never on which run finished first.
    """
    race = Race(bar, rung.alpha, rung.promote if rung.share is None else None)
    rounds: list[Evaluation] = []
    for seed in seeds:
        rounds.append(run_round((seed,)))
        if rounds[-1].verdict != Verdict.OK:
            return _together(rung, rounds, {"bar": bar})
        race.tell([float(normalise_runs([run.final_return], anchors[run.task])[0]) for run in rounds[-1].runs])
        if race.lost or race.won:
            break
    saved = len(rung.tasks) * (len(seeds) - len(rounds))
    return _together(rung, rounds, {"bar": bar, "saved": saved, "won": race.won and not race.lost})


def _together(rung: Rung, rounds: Sequence[Evaluation], outcome: Mapping[str, object]) -> Evaluation:
    """The rounds as one evaluation: its runs by task, then seed, as those of any other."""
    runs = tuple(run for task in rung.tasks for each in rounds for run in each.runs if run.task == task)
    seconds = sum(each.device_seconds for each in rounds)
    return rounds[-1].model_copy(update={"runs": runs, "device_seconds": seconds, **outcome})
