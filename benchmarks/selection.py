"""Can a score be believed? Choosing the best of many noisy programs, and racing, by simulation; nothing is trained.

    python benchmarks/selection.py [--searches 300] [--races 10000] [--programs 150] [--population 60] [--json]

Everything simulated goes through the code that a campaign uses: `sandbox.intervals`, `sandbox.racing.Race`, and the rule of
`synth.reevaluation` (whoever stands first by lower bound is evaluated on fresh seeds until it has been `reevaluations` times).

Choosing: a population of programs, each evaluated on 2 tasks x 3 seeds with noise of standard deviation 0.25 a run. What is claimed of the
chosen one (its score, and the lower end of its interval) is set against its real score, in standard deviations of one evaluation's score:
the unit in which the best of 150 equal programs looks 2.66 better than it is. `level` programs are all equal; `spread` ones have real
differences (standard deviation 0.2), so that choosing well is worth something.

Racing: populations against a bar, on 2 tasks x 10 seeds at the most. `literature`: what Co-Reyes et al. (2021) report of random programs,
18 % worth full training, 40 % learn nothing, the rest something. `probes`: real scores of 58 mutated references on two easy probes, half
of which are about as good as the baseline, where little can be saved. And programs exactly at the bar, in three kinds of noise, of which
at most alpha may be stopped at any round.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sandbox.racing import HEADROOM, Race
from sandbox.intervals import interquartile_mean, mean_interval
from synth.spec import SearchSection

Array = NDArray[np.float64]

TASKS, SEEDS, NOISE = 2, 3, 0.25
REEVALUATIONS = SearchSection().reevaluations
RESAMPLES = 300  # of each interval; the campaign's 2000 change nothing here but the time
RACE_SEEDS, ALPHA = 10, 0.05
BAR = 0.9
PROBES = np.array(
    [
        *(-0.12, -0.06, 0.0, 0.05, 0.1, 0.13, 0.23, 0.31, 0.36, 0.36, 0.37, 0.4, 0.42, 0.45, 0.5, 0.51, 0.53, 0.58, 0.6, 0.62),
        *(0.66, 0.71, 0.75, 0.77, 0.79, 0.82, 0.85, 0.88, 0.92, 0.93, 0.93, 0.94, 0.96, 0.96, 0.96, 0.98, 1.0, 1.0, 1.0, 1.0),
        *(1.02, 1.02, 1.02, 1.02, 1.02, 1.04, 1.04, 1.07, 1.07, 1.07, 1.07, 1.07, 1.08, 1.11, 1.11, 1.11, 1.11, 1.11),
    ]
)


class Choice(NamedTuple):
    """What one way of choosing gave, averaged over searches."""

    regret: float  # the best program's real score minus the chosen one's
    claim: float  # minus truth
    claimed_bound: float  # lower bound minus truth
    runs: float  # trainings a search took


class Search:
    """One population and its noisy evaluations."""

    def __init__(self, truths: Array, stream: np.random.Generator) -> None:
        self.truths = truths
        self.runs: list[list[Array]] = [[] for _ in truths]
        self._stream = stream
        self.bounds = np.array([self.evaluate(index) for index in range(truths.size)])

    def evaluate(self, index: int) -> float:
        """Fresh seeds for one program; the lower bound of all its seeds."""
        fresh = self.truths[index] + NOISE * self._stream.normal(size=(TASKS, SEEDS))
        self.runs[index] = [*fresh] if not self.runs[index] else [np.append(*pair) for pair in zip(self.runs[index], fresh, strict=True)]
        return mean_interval(self.runs[index], self._stream, resamples=RESAMPLES)[0]

    def mean(self, index: int) -> float:
        """The score of all its seeds."""
        return float(interquartile_mean(np.concatenate(self.runs[index])))


def by_mean(search: Search) -> tuple[int, float]:
    """The highest of the first scores, and that score as the claim."""
    best = int(np.argmax([search.mean(index) for index in range(search.truths.size)]))
    return best, search.mean(best)


def by_bound(search: Search) -> tuple[int, float]:
    """The highest lower bound of the first scores."""
    best = int(np.argmax(search.bounds))
    return best, search.mean(best)


def by_reevaluation(search: Search) -> tuple[int, float]:
    """Whoever stands first by lower bound is evaluated again, until that one has been so as often as may be; the claim is of all seeds."""
    while True:
        best = int(np.argmax(search.bounds))
        if search.runs[best][0].size == SEEDS * (1 + REEVALUATIONS):
            return best, search.mean(best)
        search.bounds[best] = search.evaluate(best)


def by_holdout(search: Search) -> tuple[int, float]:
    """The same choice; the claim is made on seeds that took no part in it, as many as one evaluation has."""
    best, _ = by_reevaluation(search)
    search.runs[best] = []
    search.evaluate(best)
    return best, search.mean(best)


WAYS: dict[str, Callable[[Search], tuple[int, float]]] = {
    "highest mean score": by_mean,
    "highest lower bound": by_bound,
    "lower bound, re-evaluated": by_reevaluation,
    "  claimed on the hold-out": by_holdout,
}


def choosing(searches: int, programs: int, spread: float, seed: int) -> dict[str, Choice]:
    """Every way on the same populations."""
    unit = _unit(seed)
    found: dict[str, list[Choice]] = {name: [] for name in WAYS}
    for number in range(searches):
        truths = 0.8 + spread * np.random.default_rng([seed, number]).normal(size=programs)
        for name, choose in WAYS.items():
            search = Search(truths, np.random.default_rng([seed, number, 1]))
            best, claim = choose(search)
            truth, bound = truths[best], mean_interval(search.runs[best], np.random.default_rng(0), resamples=RESAMPLES)[0]
            trained = sum(sum(task.size for task in runs) for runs in search.runs)
            found[name].append(Choice((truths.max() - truth) / unit, (claim - truth) / unit, (bound - truth) / unit, trained))
    return {name: Choice(*map(float, np.mean(rows, axis=0))) for name, rows in found.items()}


def _unit(seed: int) -> float:
    """Standard deviation of one evaluation's score."""
    draws = NOISE * np.random.default_rng([seed, 7]).normal(size=(20_000, TASKS * SEEDS))
    return float(np.std(interquartile_mean(draws)))


# ------------------------------------------------------------------------------------------------------------ racing
def stopped_after(scores: Array, bar: float, alpha: float = ALPHA) -> int | None:
    """Rounds that a race took before it was lost, or None; `scores` is `[rounds, tasks]`."""
    race = Race(bar, alpha)
    for number, row in enumerate(scores, start=1):
        race.tell(row.tolist())
        if race.lost:
            return number
    return None


def level_programs(kind: str, races: int, stream: np.random.Generator) -> Array:
    """Scores of programs whose mean is exactly the bar, clipped as a race clips but for the first kind: `[races, rounds, tasks]`."""
    shape = (races, RACE_SEEDS, TASKS)
    if kind == "all or nothing":
        return (BAR + HEADROOM) * (stream.random(shape) < BAR / (BAR + HEADROOM))
    if kind == "skewed":
        gains = 1.0 + stream.exponential(0.3, shape)
        draws = np.where(stream.random(shape) < 0.3, 0.0, np.minimum(gains, BAR + HEADROOM))
        expected = 0.7 * (1.0 + 0.3 * (1 - np.exp(-(BAR + HEADROOM - 1.0) / 0.3)))
        return draws + (BAR - expected)
    return BAR + 0.35 * stream.normal(size=shape)


def error_rates(races: int, seed: int) -> dict[str, float]:
    """Share of programs at the bar that were stopped, by kind of noise."""
    rates = {}
    for number, kind in enumerate(("normal, unclipped", "skewed", "all or nothing")):
        scores = level_programs(kind, races, np.random.default_rng([seed, number]))
        rates[kind] = float(np.mean([stopped_after(each, BAR) is not None for each in scores]))
    return rates


class Saving(NamedTuple):
    """Racing populations, averaged."""

    saved: float  # share of the trainings of full evaluation
    above_stopped: float  # share of the programs truly at or above the bar that were stopped
    below_stopped: float  # share of those below it


def racing(draw: Callable[[int, np.random.Generator], Array], populations: int, programs: int, bar: float, seed: int) -> Saving:
    """Populations against one bar."""
    trained, stops = [], {True: [0, 0], False: [0, 0]}
    for number in range(populations):
        stream = np.random.default_rng([seed, number, 5])
        for truth in draw(programs, stream):
            scores = truth + NOISE * stream.normal(size=(RACE_SEEDS, TASKS))
            after = stopped_after(scores, bar)
            trained.append(after or RACE_SEEDS)
            stops[bool(truth >= bar)][0] += after is not None
            stops[bool(truth >= bar)][1] += 1
    shares = {above: lost / max(1, count) for above, (lost, count) in stops.items()}
    return Saving(1 - float(np.mean(trained)) / RACE_SEEDS, shares[True], shares[False])


def as_in_literature(programs: int, stream: np.random.Generator) -> Array:
    """Real scores: 40 % play like random, 42 % learn something, 18 % play about as the baseline does."""
    kinds = stream.choice(3, size=programs, p=[0.40, 0.42, 0.18])
    draws = (0.05 * stream.normal(size=programs), stream.random(programs) * 0.8, 0.95 + 0.1 * stream.normal(size=programs))
    return np.choose(kinds, draws)


def as_on_probes(programs: int, stream: np.random.Generator) -> Array:
    """Real scores drawn from those of two campaigns of mutation on probe:catch and probe:delayed-credit."""
    return stream.choice(PROBES, size=programs)


POPULATIONS = {"literature": as_in_literature, "probes": as_on_probes}


# ------------------------------------------------------------------------------------------------------------ report
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--searches", type=int, default=300, help="populations that are chosen from")
    parser.add_argument("--programs", type=int, default=150, help="programs in each")
    parser.add_argument("--races", type=int, default=10_000, help="races of programs at the bar, for each kind of noise")
    parser.add_argument("--population", type=int, default=60, help="programs in each population that races")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of tables")
    options = parser.parse_args()
    chosen = {
        name: choosing(options.searches, options.programs, spread, options.seed) for name, spread in (("level", 0.0), ("spread", 0.2))
    }
    rates = error_rates(options.races, options.seed)
    savings = {
        (kind, bar): racing(draw, 50, options.population, bar, options.seed)
        for kind, draw in POPULATIONS.items()
        for bar in (0.8, 0.9, 1.0)
    }
    if options.json:
        print(json.dumps(_document(chosen, rates, savings)))
    else:
        _show(chosen, rates, savings, options)


Chosen = dict[str, dict[str, Choice]]
Savings = dict[tuple[str, float], Saving]


def _document(chosen: Chosen, rates: dict[str, float], savings: Savings) -> dict[str, object]:
    return {
        "choosing": {kind: {name.strip(): row._asdict() for name, row in rows.items()} for kind, rows in chosen.items()},
        "alpha": ALPHA,
        "error_rates": rates,
        "racing": [{"population": kind, "bar": bar, **saving._asdict()} for (kind, bar), saving in savings.items()],
    }


def _show(chosen: Chosen, rates: dict[str, float], savings: Savings, options: argparse.Namespace) -> None:
    print(f"Choosing one of {options.programs} programs, {options.searches} searches; in standard deviations of one evaluation\n")
    print(f"{'programs':10}{'chosen by':30}{'regret':>9}{'claim - truth':>16}{'low end - truth':>18}{'trainings':>12}")
    for kind, rows in chosen.items():
        for name, row in rows.items():
            print(f"{kind:10}{name:30}{row.regret:9.2f}{row.claim:16.2f}{row.claimed_bound:18.2f}{row.runs:12.0f}")
    print(
        f"\nPrograms exactly at the bar, stopped at any of {RACE_SEEDS} rounds; at most {ALPHA:.0%} promised, {options.races} races each\n"
    )
    for kind, rate in rates.items():
        print(f"{kind:20}{rate:8.2%}")
    print(f"\n50 populations of {options.population} programs on {TASKS} tasks x {RACE_SEEDS} seeds at the most\n")
    print(f"{'population':12}{'bar':>5}{'trainings saved':>18}{'stopped of those below':>25}{'of those not below':>21}")
    for (kind, bar), saving in savings.items():
        print(f"{kind:12}{bar:5.1f}{saving.saved:18.0%}{saving.below_stopped:25.0%}{saving.above_stopped:21.1%}")


if __name__ == "__main__":
    main()
