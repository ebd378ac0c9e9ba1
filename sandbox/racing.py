"""Racing: a program's evaluation ends early once it is clear that the whole of it would end below what would be kept, or above what climbs.

The whole evaluation is N runs, one of every seed on every task. They are trained one at a time, in an order drawn for the program before
anything is known of it, and after every run a bettor's capital is updated who bets that the mean score of all N lies below a mark. Capital
that has grown fivefold is evidence at the level 1/5, at whatever run one stops (Waudby-Smith & Ramdas 2023, "Estimating means of bounded
random variables by betting", section 5, betting while sampling without replacement; Ville's inequality):

    K = Π_t (1 + λ_t·(m_t − x_t)),    m_t = (N·mark − Σ_{s<t} x_s) / (N − t + 1),    λ_t = g_t / (highest − m_t),    stop when K ≥ 1/α

x is a run's score, clipped to `score_range`: what lies more than half a baseline from the bar counts as that, be it above or below. m_t is
what the runs that are left must have as their mean for the whole to reach the mark. If it does reach it, the next run's expected score is
at least m_t, since the next run is any of those left, all equally likely; so K is a supermartingale, whatever share g_t < 1 is staked, as
long as that is decided before the run. Nothing is assumed of the runs: tasks may differ, seeds may resemble one another. The share is the
one that would have earned most so far, drawn a little to `FIRST`: much against a program that fails everywhere, less where runs differ.
Where the runs left could not reach m_t if each scored the highest, the case is certain. Hence a program whose whole evaluation would be no
worse than the bar is stopped in at most α of all races, over all their runs together. One that truly deserves the bar and would have had
bad luck in the whole evaluation may be stopped, at the latest where no luck can help it any more: a race foretells an evaluation, and
mends none.

A second bettor says the opposite of `promote`, in the same way, with λ = g / (m_t − lowest): whose whole evaluation is clearly above it
climbs at once.

The bar is one for the score that is reported, an interquartile mean, which forgives a program its worst quarter of runs. So the mark lies
below the bar, by what a quarter of runs can cost that count as half a baseline less: h = ⌊N/4⌋/N · ½. Where the interquartile mean reaches
the bar, the runs in the middle bring at least the bar on average and the best quarter no less each, so the clipped mean is at least the bar
less h. (What the clipping takes from the middle above, the best quarter makes up for, as long as it is no more than half a baseline for
each of them.) Without the mark, programs that fail one task of four and are good elsewhere, and are among the best by their score, were
stopped, with many seeds nearly all of them (docs/measurements/selection.md). For the second bettor the mark lies as far above `promote`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from sandbox.errors import Verdict
from sandbox.records import Evaluation, Rung
from sandbox.score import Anchor, normalise_runs

HEADROOM = 0.5  # baselines to either side of the bar: higher and lower scores count as this much
STAKES = np.array([0.1, 0.25, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95])  # g, of the highest bet that can never lose more than all
FORGIVEN = 4  # an interquartile mean leaves out one run of so many, the worst, and as many of the best
FIRST = 0.8  # chosen by simulation: docs/measurements/selection.md
RANDOM_PLAY = 0.0  # a score
LEAST_ROOM = 1e-9  # baselines: what is nearer to certainty than rounding is not bet on


def score_range(bar: float) -> tuple[float, float]:
    """Where scores are clipped to, given what they are compared with."""
    return bar - HEADROOM, bar + HEADROOM


class Bettor:
    """Who bets that the interquartile mean of a program's `runs` runs lies below `bar`, or above it."""

    def __init__(self, bar: float, runs: int, *, above: bool = False) -> None:
        low, high = score_range(bar)
        self._range, self._sign = (low, high), -1.0 if above else 1.0  # who bets on "above" sees everything upside down
        self._top = -low if above else high
        mark = self._sign * bar - HEADROOM * (runs // FORGIVEN) / runs
        self._missing = runs * mark  # what the runs that are left must bring together for the whole to reach the mark
        self._left = runs
        self._past = -((STAKES - FIRST) ** 2)  # logarithms of what each share would have earned, drawn to FIRST
        self.log_capital = 0.0

    def tell(self, score: float) -> None:
        """The normalised score of the next run."""
        assert self._left > 0, "there is no run after the last"
        seen = self._sign * float(np.clip(score, *self._range))
        due = self._missing / self._left
        room = self._top - due
        if room > LEAST_ROOM:
            earned = np.log1p(STAKES * (due - seen) / room)
            self.log_capital += float(earned[np.argmax(self._past)])
            self._past = self._past + earned
        self._missing -= seen
        self._left -= 1
        if self._missing > self._left * self._top + LEAST_ROOM:
            self.log_capital = np.inf


class Race:
    """One program of `runs` runs against one bar, and towards a goal where there is one.

    `alpha` is the chance of stopping a program whose whole evaluation would be no worse than the bar, and of letting one climb whose whole
    evaluation would be no better than the goal; runs are told in an order drawn at random.
    """

    def __init__(self, bar: float, alpha: float, runs: int, goal: float | None = None) -> None:
        assert 0 < alpha < 1, "a probability"
        self.alpha = alpha
        self._against = Bettor(bar, runs)
        self._for = (
            None if goal is None or goal <= RANDOM_PLAY else Bettor(goal, runs, above=True)
        )  # where random play would climb nobody has to win

    def tell(self, score: float) -> None:
        """The normalised score of the next run."""
        for bettor in (self._against, self._for):
            if bettor is not None:
                bettor.tell(score)

    @property
    def log_evidence(self) -> float:
        """Logarithm of the capital against the program: log 5 refutes "no worse than the bar" at 1/5."""
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
    rung: Rung,
    bar: float,
    seeds: Sequence[int],
    run_one: Callable[[str, int], Evaluation],
    anchors: Mapping[str, Anchor],
    stream: np.random.Generator,
) -> Evaluation:
    """Trains run by run, in an order drawn from `stream`, until the program fails, has clearly lost or won, or has had all runs.

    `run_one(task, seed)` is one training. The goal is the rung's `promote`, unless only a share climbs: places are decided among whole
    evaluations. What is decided depends on the results of earlier runs alone, never on when they finished.
    """
    cells = [(task, seed) for task in rung.tasks for seed in seeds]
    race = Race(bar, rung.alpha, len(cells), rung.promote if rung.share is None else None)
    done: dict[int, Evaluation] = {}
    for place in map(int, stream.permutation(len(cells))):
        done[place] = latest = run_one(*cells[place])
        if latest.verdict != Verdict.OK:
            return _together(latest, done, {"bar": bar})
        [run] = latest.runs
        race.tell(float(normalise_runs([run.final_return], anchors[run.task])[0]))
        if race.lost or race.won:
            break
    saved = len(cells) - len(done)
    return _together(latest, done, {"bar": bar, "saved": saved, "won": saved > 0 and race.won and not race.lost})


def _together(last: Evaluation, done: Mapping[int, Evaluation], outcome: Mapping[str, object]) -> Evaluation:
    """The runs as one evaluation, by task, then seed, as those of any other; verdict and fault are the last one's."""
    runs = tuple(run for place in sorted(done) for run in done[place].runs)
    seconds = sum(each.device_seconds for each in done.values())
    return last.model_copy(update={"runs": runs, "device_seconds": seconds, **outcome})
