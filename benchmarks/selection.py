"""Can a score be believed? Choosing the best of many noisy programs, and racing, by simulation; nothing is trained.

    python benchmarks/selection.py [--searches 100] [--races 10000] [--programs 150] [--population 60] [--screening FILE] [--json]

Everything simulated goes through the code that a campaign uses: scores are told to an archive in memory with the intervals of
`sandbox.intervals`, whoever `synth.reevaluation.leader_due` names is evaluated on fresh seeds and told again, and who is best and what is
believed of it is what `Archive.top` says. Races are `sandbox.racing.Race`.

Choosing: a population of programs, each evaluated on 2 tasks x 3 seeds with noise of standard deviation 0.25 a run. What is claimed of the
chosen one is set against its real score, in standard deviations of one evaluation's score: the unit in which the best of 150 equal programs
looks 2.66 better than it is. `level` programs are all equal; `spread` ones have real differences (standard deviation 0.2); the others are
the populations of the races.

Racing: populations against a bar that is the goal, too, on 2 tasks x 10 seeds at the most. `literature`: what Co-Reyes et al. (2021) report
of random programs, 18 % worth full training, 40 % learn nothing, the rest something. `probes`: real scores of 58 mutated references on two
easy probes, half of which are about as good as the baseline, where little can be saved. With `--screening` also the references and their
broken variants: the runs of `screening.py --json`, a round being one screening of the program, drawn with replacement; 1 is PPO on each
probe. And programs exactly at the bar, in three kinds of noise: of those whose whole evaluation reaches it at most alpha may be stopped at
any run, and of the others as many let climb.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from archive.records import Elite, Proposal, Result
from archive.store import SqliteArchive, open_archive
from sandbox.intervals import interquartile_mean, mean_interval
from sandbox.racing import Race, score_range
from sandbox.records import Descriptor, Evaluation, Rung, Score, program_id
from synth.reevaluation import leader_due
from synth.spec import BudgetSection, CampaignSection, CampaignSpec

Array = NDArray[np.float64]

TASKS, SEEDS, NOISE = 2, 3, 0.25
RESAMPLES = 300  # of each interval; the campaign's 2000 change nothing here but the time
RACE_SEEDS, ALPHA = 10, 0.2
BAR = 0.9
SKEW = 1.4  # baselines: with a failure in three of ten runs the mean lies at the bar
BARS = (0.8, 0.9, 1.0)
POPULATIONS_A_BAR = 50
PROBES = np.array(
    [
        *(-0.12, -0.06, 0.0, 0.05, 0.1, 0.13, 0.23, 0.31, 0.36, 0.36, 0.37, 0.4, 0.42, 0.45, 0.5, 0.51, 0.53, 0.58, 0.6, 0.62),
        *(0.66, 0.71, 0.75, 0.77, 0.79, 0.82, 0.85, 0.88, 0.92, 0.93, 0.93, 0.94, 0.96, 0.96, 0.96, 0.98, 1.0, 1.0, 1.0, 1.0),
        *(1.02, 1.02, 1.02, 1.02, 1.02, 1.04, 1.04, 1.07, 1.07, 1.07, 1.07, 1.07, 1.08, 1.11, 1.11, 1.11, 1.11, 1.11),
    ]
)


SPEC = CampaignSpec(
    campaign=CampaignSection(name="simulated", references=()),
    budget=BudgetSection(evaluations=1),
    rung=(Rung(name="simulated", tasks=tuple(f"probe:{task}" for task in range(TASKS)), steps=1, seeds=SEEDS),),
)
DESCRIPTOR = Descriptor(family="policy", nodes=1, free_predictions=False, carried_state=False)


# ---------------------------------------------------------------------------------------------------------- choosing
class Claim(NamedTuple):
    """Who is chosen, and what is said of it."""

    number: int
    score: float
    low: float


class Choice(NamedTuple):
    """What one way of choosing gave, averaged over searches; in standard deviations of one evaluation's score."""

    regret: float  # the best program's real score minus the chosen one's
    claim: float  # minus truth
    low: float  # lower end minus truth
    above: float  # share of the searches in which the lower end was above the truth
    runs: float  # trainings a search took


class Search:
    """One population and its noisy evaluations, in an archive of its own."""

    def __init__(self, truths: Array, stream: np.random.Generator) -> None:
        self.truths = truths
        self.archive: SqliteArchive = open_archive(None)
        self.archive.create_campaign(SPEC.campaign.name, SPEC.model_dump_json())
        self._stream = stream
        self._runs = [self._fresh(number) for number in range(truths.size)]
        self.first = [self._told(number, number) for number in range(truths.size)]

    def _fresh(self, number: int) -> Array:
        return self.truths[number] + NOISE * self._stream.normal(size=(TASKS, SEEDS))

    def score(self, runs: Array) -> Score:
        """As the evaluator scores."""
        low, high = mean_interval(list(runs), self._stream, resamples=RESAMPLES)
        return Score(mean=float(interquartile_mean(runs.ravel())), low=low, high=high, n=runs.size)

    def _told(self, place: int, number: int) -> Score:
        """Proposes under `place` and tells the score of all runs that program `number` has had."""
        name, text, again = SPEC.campaign.name, f"program {number}", None if place == number else number
        score = self.score(self._runs[number])
        evaluation = Evaluation(rung=SPEC.rung[0].name, score=score)
        self.archive.propose(Proposal(campaign=name, number=place, text=text, proposer="simulated", operator="", again=again))
        self.archive.tell(
            Result(campaign=name, number=place, program_id=program_id(text), descriptor=DESCRIPTOR, evaluations=(evaluation,), again=again)
        )
        return score

    def settle(self) -> Elite:
        """Re-evaluates as a campaign does until nobody is due; the best by then."""
        place = self.truths.size
        while (due := leader_due(self.archive, SPEC)) is not None:
            self._runs[due.number] = np.concatenate([self._runs[due.number], self._fresh(due.number)], axis=1)
            self._told(place, due.number)
            place += 1
        return self.best()

    def best(self) -> Elite:
        """Who the archive says is best."""
        return self.archive.top(SPEC.campaign.name, 1)[0]

    def holdout(self, number: int) -> Score:
        """On seeds that took no part in choosing, as many as one evaluation has."""
        return self.score(self._fresh(number))

    @property
    def trained(self) -> int:
        """Trainings so far."""
        return sum(runs.size for runs in self._runs)


def ways(search: Search) -> dict[str, tuple[Claim, int]]:
    """Claims by way of choosing, with the trainings that each took; all of them see the same first scores."""
    first = search.first
    by_mean, by_bound = (int(np.argmax([getattr(score, end) for score in first])) for end in ("mean", "low"))
    early, once = search.best(), search.trained
    settled = search.settle()
    fresh = search.holdout(settled.number)
    return {
        "highest mean score": (Claim(by_mean, first[by_mean].mean, first[by_mean].low), once),
        "highest lower bound": (Claim(by_bound, first[by_bound].mean, first[by_bound].low), once),
        "believed": (_believed(early), once),
        "believed, re-evaluated": (_believed(settled), search.trained),
        "  its score, of all seeds": (_scored(settled), search.trained),
        "  claimed on the hold-out": (Claim(settled.number, fresh.mean, fresh.low), search.trained + fresh.n),
    }


def _believed(elite: Elite) -> Claim:
    assert elite.believed is not None
    return Claim(elite.number, elite.believed.mean, elite.believed.low)


def _scored(elite: Elite) -> Claim:
    assert elite.score is not None
    return Claim(elite.number, elite.score.mean, elite.score.low)


def choosing(searches: int, programs: int, draw: Callable[[int, np.random.Generator], Array], seed: int) -> dict[str, Choice]:
    """Averages over `searches` populations."""
    unit = _unit(seed)
    found: dict[str, list[Choice]] = {}
    for number in range(searches):
        truths = draw(programs, np.random.default_rng([seed, number]))
        search = Search(truths, np.random.default_rng([seed, number, 1]))
        for name, (claim, trained) in ways(search).items():
            truth = truths[claim.number]
            row = Choice(
                (truths.max() - truth) / unit, (claim.score - truth) / unit, (claim.low - truth) / unit, float(claim.low > truth), trained
            )
            found.setdefault(name, []).append(row)
        search.archive.close()
    return {name: Choice(*map(float, np.mean(rows, axis=0))) for name, rows in found.items()}


def _unit(seed: int) -> float:
    """Standard deviation of one evaluation's score."""
    draws = NOISE * np.random.default_rng([seed, 7]).normal(size=(20_000, TASKS * SEEDS))
    return float(np.std(interquartile_mean(draws)))


# ------------------------------------------------------------------------------------------------------------ racing
class Ending(NamedTuple):
    """How one race went, and whether the score of the whole evaluation, which it foretells, reaches the bar."""

    runs: int
    lost: bool
    won: bool
    reaches: bool


def ending(scores: Array, bar: float, stream: np.random.Generator, alpha: float = ALPHA) -> Ending:
    """A race against the bar and towards the same goal, in an order drawn from `stream`; `scores` is `[seeds, tasks]`."""
    reaches = bool(interquartile_mean(scores.ravel()) >= bar)
    race = Race(bar, alpha, scores.size, goal=bar)
    for number, score in enumerate(stream.permutation(scores.ravel())[:-1].tolist(), start=1):
        race.tell(score)
        if race.lost or race.won:
            return Ending(number, race.lost, race.won, reaches)
    return Ending(scores.size, False, False, reaches)


def level_programs(kind: str, races: int, stream: np.random.Generator) -> Array:
    """Scores of programs whose mean is exactly the bar, clipped as a race clips but for the first kind: `[races, seeds, tasks]`."""
    shape = (races, RACE_SEEDS, TASKS)
    low, high = score_range(BAR)
    if kind == "all or nothing":
        return np.where(stream.random(shape) < 0.5, low, high)
    if kind == "skewed":
        gains = np.minimum(stream.exponential(SKEW, shape), high - low)
        expected = 0.7 * SKEW * (1 - np.exp(-(high - low) / SKEW))
        return low + np.where(stream.random(shape) < 0.3, 0.0, gains) + (BAR - low - expected)
    return BAR + 0.35 * stream.normal(size=shape)


class Rates(NamedTuple):
    """Of programs at the bar."""

    stopped: float  # share of those whose whole evaluation reaches it
    climbed: float  # share of those whose whole evaluation does not


def error_rates(races: int, seed: int) -> dict[str, Rates]:
    """By kind of noise; each is promised to be at most alpha."""
    rates = {}
    for number, kind in enumerate(("normal, unclipped", "skewed", "all or nothing")):
        stream = np.random.default_rng([seed, number])
        endings = [ending(each, BAR, stream) for each in level_programs(kind, races, stream)]
        rates[kind] = Rates(_share([e.lost for e in endings if e.reaches]), _share([e.won for e in endings if not e.reaches]))
    return rates


class Saving(NamedTuple):
    """Racing populations, averaged. `above` and `below` are those whose whole evaluation reaches the bar, and the others."""

    saved: float  # share of the trainings of full evaluation
    above_stopped: float
    below_stopped: float
    below_climbed: float


def racing(draw: Callable[[int, np.random.Generator], Array], programs: int, bar: float, seed: int) -> Saving:
    """Populations against one bar."""
    endings = []
    for number in range(POPULATIONS_A_BAR):
        stream = np.random.default_rng([seed, number, 5])
        for truth in draw(programs, stream):
            endings.append(ending(truth + NOISE * stream.normal(size=(RACE_SEEDS, TASKS)), bar, stream))
    return _saving(endings, RACE_SEEDS * TASKS)


def _saving(endings: list[Ending], runs: int) -> Saving:
    above, below = ([one for one in endings if one.reaches == reaches] for reaches in (True, False))
    saved = 1 - float(np.mean([one.runs for one in endings])) / runs
    return Saving(saved, _share([one.lost for one in above]), _share([one.lost for one in below]), _share([one.won for one in below]))


def _share(which: list[bool]) -> float:
    return float(np.mean(which)) if which else 0.0


def known_programs(path: Path) -> dict[str, Array]:
    """Scores `[screenings, probes]` of all programs that `screening.py --json` trained; 1 is PPO's mean on a probe, 0 a failed training."""
    programs = json.loads(path.read_text(encoding="utf-8"))["programs"]
    found = {}
    for one in programs:
        if not one["refusal"]:
            table = np.array([[0.0 if score is None else score for score in scores] for scores in one["by_probe"].values()]).T
            found[f"{one['reference']}, {one['variant']}"] = table
    return {name: table / found["ppo, sound"].mean(axis=0) for name, table in found.items()}


def known_racing(programs: dict[str, Array], bar: float, seed: int) -> Saving:
    """Every known program against one bar, in `POPULATIONS_A_BAR` draws of its screenings."""
    stream = np.random.default_rng([seed, 9])
    draws = [table[stream.integers(len(table), size=RACE_SEEDS)] for table in programs.values() for _ in range(POPULATIONS_A_BAR)]
    return _saving([ending(each, bar, stream) for each in draws], draws[0].size)


def as_in_literature(programs: int, stream: np.random.Generator) -> Array:
    """Real scores: 40 % play like random, 42 % learn something, 18 % play about as the baseline does."""
    kinds = stream.choice(3, size=programs, p=[0.40, 0.42, 0.18])
    draws = (0.05 * stream.normal(size=programs), stream.random(programs) * 0.8, 0.95 + 0.1 * stream.normal(size=programs))
    return np.choose(kinds, draws)


def as_on_probes(programs: int, stream: np.random.Generator) -> Array:
    """Real scores drawn from those of two campaigns of mutation on probe:catch and probe:delayed-credit."""
    return stream.choice(PROBES, size=programs)


POPULATIONS = {"literature": as_in_literature, "probes": as_on_probes}
CHOOSING: dict[str, Callable[[int, np.random.Generator], Array]] = {
    "level": lambda programs, _: np.full(programs, 0.8),
    "spread": lambda programs, stream: 0.8 + 0.2 * stream.normal(size=programs),
    **POPULATIONS,
}


# ------------------------------------------------------------------------------------------------------------ report
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--searches", type=int, default=100, help="populations of each kind that are chosen from")
    parser.add_argument("--programs", type=int, default=150, help="programs in each")
    parser.add_argument("--races", type=int, default=10_000, help="races of programs at the bar, for each kind of noise")
    parser.add_argument("--population", type=int, default=60, help="programs in each population that races")
    parser.add_argument("--screening", type=Path, help="what `screening.py --json` printed: races of the known programs")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of tables")
    options = parser.parse_args()
    chosen = {name: choosing(options.searches, options.programs, draw, options.seed) for name, draw in CHOOSING.items()}
    rates = error_rates(options.races, options.seed)
    savings = {(name, bar): racing(draw, options.population, bar, options.seed) for name, draw in POPULATIONS.items() for bar in BARS}
    if options.screening:
        known = known_programs(options.screening)
        savings |= {(f"{len(known)} known", bar): known_racing(known, bar, options.seed) for bar in BARS}
    if options.json:
        print(json.dumps(_document(chosen, rates, savings)))
    else:
        _show(chosen, rates, savings, options)


Chosen = dict[str, dict[str, Choice]]
Savings = dict[tuple[str, float], Saving]


def _document(chosen: Chosen, rates: dict[str, Rates], savings: Savings) -> dict[str, object]:
    return {
        "choosing": {kind: {name.strip(): row._asdict() for name, row in rows.items()} for kind, rows in chosen.items()},
        "alpha": ALPHA,
        "error_rates": {kind: each._asdict() for kind, each in rates.items()},
        "racing": [{"population": kind, "bar": bar, **saving._asdict()} for (kind, bar), saving in savings.items()],
    }


def _show(chosen: Chosen, rates: dict[str, Rates], savings: Savings, options: argparse.Namespace) -> None:
    print(f"Choosing one of {options.programs} programs, {options.searches} searches; in standard deviations of one evaluation\n")
    print(f"{'programs':12}{'chosen by':28}{'regret':>8}{'claim - truth':>15}{'low end - truth':>17}{'low > truth':>13}{'trainings':>11}")
    for kind, rows in chosen.items():
        for name, row in rows.items():
            print(f"{kind:12}{name:28}{row.regret:8.2f}{row.claim:15.2f}{row.low:17.2f}{row.above:13.0%}{row.runs:11.0f}")
    print(
        f"\nPrograms at the bar, stopped though their whole evaluation reaches it, or let climb though it does not "
        f"({options.races} races, {RACE_SEEDS * TASKS} runs at the most); promised {ALPHA:.0%}\n"
    )
    print(f"{'noise':20}{'stopped':>9}{'climbed':>9}")
    for kind, (lost, won) in rates.items():
        print(f"{kind:20}{lost:9.2%}{won:9.2%}")
    print(f"\n{POPULATIONS_A_BAR} populations of {options.population} programs on {TASKS} tasks x {RACE_SEEDS} seeds at the most\n")
    print(f"{'population':12}{'bar':>5}{'trainings saved':>18}{'below: stopped':>17}{'climbed':>10}{'not below: stopped':>21}")
    for (kind, bar), saving in savings.items():
        shares = f"{saving.below_stopped:17.0%}{saving.below_climbed:10.1%}{saving.above_stopped:21.1%}"
        print(f"{kind:12}{bar:5.1f}{saving.saved:18.0%}{shares}")


if __name__ == "__main__":
    main()
