"""The search for better constants: meta-gradients, then CMA-ES, then a test on fresh seeds.

The same program, request and seed give the same result: every training is decided by its job, every lifetime by its state and seed, and
what is done is kept as it ends (trainings by the memory, lifetimes in the folder), so that a search that was killed goes on where it was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TYPE_CHECKING, Final

from archive.tuning.scales import Scale, scale_of
from sandbox.errors import UsageError
from sandbox.evaluate import returns_by_task
from sandbox.randomness import numpy_stream
from sandbox.records import Evaluation, Program, program_id
from sandbox.score import normalise_runs
from synth.claims import Comparison, compare
from synth.tune.bench import Bench, scores
from synth.tune.evolution import FEWEST, evolve
from synth.tune.journal import OnSteps, lifetime
from synth.tune.records import How, Method, Request, Trial, TunedConstant, Tuning
from synth.tune.text import with_constants

if TYPE_CHECKING:
    from archive.tuning.lifetimes import Lifetime, Lives

STEADY: Final = 2.0
"""Signal beyond which meta-gradients are believed: where no constant has it, they have nothing to say here."""

HOPEFUL: Final = 1.5
"""Signal that at least one constant must have for another lifetime."""

GAIN: Final = 0.05
"""By so much of the baseline's score must meta-gradients have made the program better for CMA-ES to leave their work alone."""

SEEDS: Final = 2
"""Tuning seeds of what may become the result; what CMA-ES asks for gets the first one alone."""

SHORTLIST: Final = 2
"""So many of what CMA-ES asked for get the other tuning seeds."""


def tune(bench: Bench, text: str, request: Request, on_steps: OnSteps | None = None) -> Tuning:
    """Everything in order. UsageError where the program is refused, has no such constant, or its tasks can measure nothing."""
    search = Search(bench, text, request)
    bench.anchors()
    (given,) = search.attempt([{}], How.GIVEN, SEEDS)
    if given.fault:
        raise UsageError(f"The program itself fails: {given.fault}", "Choose other tasks or a larger budget.")
    if request.method != Method.CMAES:
        search.by_meta_gradients(on_steps)
    if request.method != Method.META_GRADIENT:
        search.by_evolution()
    return search.report()


class Search:
    """What was tried so far. A trial is known by the constants that it changes."""

    def __init__(self, bench: Bench, text: str, request: Request) -> None:
        self.bench, self.text, self.request = bench, text, request
        self.given = bench.passed(text)
        constants = {constant.name: constant for constant in self.given.program.tunable}
        check_constants(self.given.program, request.constants)
        self.declared = {name: float(constant.value) for name, constant in constants.items()}
        self.scales: dict[str, Scale] = {name: scale_of(constants[name]) for name in request.constants or constants}
        self.trials: dict[str, Trial] = {}
        self.lifetimes: tuple[Lifetime, ...] = ()
        self.moved: dict[str, float] = {}  # places that meta-gradients found, where they made the program better
        self.evolved: tuple[str, ...] = ()  # the constants that CMA-ES moved
        self.steps = 0

    @property
    def unit(self) -> int:
        """Agent steps of one training on every task: whole rollouts."""
        agent, rung = self.bench.evaluator.agent, self.bench.rung
        rollout = agent.rollout_length * agent.num_envs
        return -(-rung.steps // rollout) * rollout * len(rung.tasks)

    @property
    def left(self) -> int:
        """Whole trainings that may still be spent."""
        return (self.request.budget * self.unit - self.steps) // self.unit

    # ------------------------------------------------------------------------------------------------------- trials
    def attempt(self, candidates: Sequence[Mapping[str, float]], how: How, seeds: int) -> list[Trial]:
        """Trains each set of changed constants on the first tuning seeds, several at a time."""
        with ThreadPoolExecutor(max_workers=max(1, len(candidates)), thread_name_prefix="trial") as threads:
            trials = list(threads.map(lambda constants: self._try(constants, how, seeds), candidates))
        for trial in trials:
            before = self.trials.get(_key(trial.constants))
            self.steps += self.unit * max(0, trial.trained - (before.trained if before else 0))
            self.trials[_key(trial.constants)] = trial
        return trials

    def _try(self, constants: Mapping[str, float], how: How, seeds: int) -> Trial:
        report = self.bench.gates(with_constants(self.text, constants))
        if report.traced is None:
            assert report.refusal is not None, "one of the two is set"
            return Trial(how=how, constants=dict(constants), fault=report.refusal.message)
        evaluation = self.bench.train(report.traced, seeds)
        found = scores(evaluation, self.bench.anchors())
        return Trial(how=how, constants=dict(constants), scores=found, trained=seeds, fault=evaluation.fault)

    @property
    def best(self) -> Trial:
        """The best on all tuning seeds; the program as it was given where nothing beats it."""
        complete = [trial for trial in self.trials.values() if len(trial.scores) >= SEEDS]
        return max(complete, key=lambda trial: trial.mean, default=self.trials[_key({})])

    # ------------------------------------------------------------------------------------------------ meta-gradients
    @cached_property
    def lives(self) -> Lives:
        """Agents under the program, one a task."""
        from archive.tuning.lifetimes import Lives  # loads torch

        evaluator, tuning = self.bench.evaluator, self.bench.tuning
        fitted = evaluator.fit(self.given, [tuning])
        return Lives(evaluator.jobs(fitted, tuning, evaluator.seeds(tuning, count=1)), self.scales)

    def by_meta_gradients(self, on_steps: OnSteps | None = None) -> None:
        """Lives under moving constants, and tries where they ended. Lifetimes that the folder holds are not lived again."""
        count = min(self.request.lifetimes, self.left - SEEDS)
        if not self.lives.scales or count < 1:
            return
        for _ in range(count):
            lived = lifetime(self.lives, self.bench.folder, self.bench.evaluator.seed, self.lifetimes, on_steps)
            self.lifetimes = (*self.lifetimes, lived)
            self.steps += lived.steps
            if not self._steady(HOPEFUL):
                break
        if not self._steady(STEADY):
            return
        places = self.lifetimes[-1].found
        (trial,) = self.attempt([self._constants(places)], How.META_GRADIENT, SEEDS)
        if trial.mean > self.trials[_key({})].mean + GAIN:
            self.moved = dict(places)

    def _steady(self, signal: float) -> set[str]:
        """The constants whose meta-gradients were that steady."""
        return {name for name, found in self.signals.items() if abs(found) >= signal}

    @property
    def signals(self) -> dict[str, float]:
        """How steady each constant's meta-gradients were."""
        if not self.lifetimes:
            return {}
        from archive.tuning.lifetimes import signals  # loads torch

        return signals(self.lifetimes)

    # -------------------------------------------------------------------------------------------------------- CMA-ES
    def by_evolution(self) -> None:
        """Moves what meta-gradients did not, from where they left it: constants that have none, or no steady one, or all if they failed."""
        steady = self._steady(STEADY) if self.moved else set()
        names = tuple(name for name in self.scales if name not in steady)
        trials = self.left - SHORTLIST * (SEEDS - 1)
        if not names or trials < FEWEST:
            return
        self.evolved = names
        base = {name: self.moved.get(name, scale.start) for name, scale in self.scales.items()}
        kept = {name: place for name, place in base.items() if name in self.moved}

        def rate(points: Sequence[Mapping[str, float]]) -> list[float]:
            return [trial.mean for trial in self.attempt([self._constants({**kept, **point}) for point in points], How.CMAES, 1)]

        evolve({name: base[name] for name in names}, trials, self.bench.evaluator.seed, rate)
        found = sorted((trial for trial in self.trials.values() if trial.how == How.CMAES), key=lambda trial: -trial.mean)
        self.attempt([trial.constants for trial in found[:SHORTLIST] if trial.scores], How.CMAES, SEEDS)

    def _constants(self, places: Mapping[str, float]) -> dict[str, float]:
        return {name: self.scales[name].rounded(place) for name, place in places.items()}

    # -------------------------------------------------------------------------------------------------------- result
    def report(self) -> Tuning:
        """Tests the best against the program as it was given, on the fresh seeds."""
        bench, best = self.bench, self.best
        text = with_constants(self.text, best.constants)
        before = bench.test(self.given)
        after = bench.test(bench.passed(text)) if best.constants else before
        assert before.score is not None, "a test has a score"
        assert after.score is not None, "a test has a score"
        return Tuning(
            program=self.given.id,
            title=self.given.title,
            rung=bench.rung,
            seed=bench.evaluator.seed,
            agent=bench.evaluator.agent,
            baseline=bench.baseline_name,
            request=self.request,
            spent=self.steps / self.unit,
            steps=self.steps,
            constants=tuple(self._tuned(name, best) for name in self.scales),
            trials=tuple(self.trials.values()),
            text=text,
            result=program_id(text),
            before=before.score,
            after=after.score,
            comparison=self._compare(before, after) if best.constants else None,
        )

    def _tuned(self, name: str, best: Trial) -> TunedConstant:
        by = best.how if best.how != How.CMAES or name in self.evolved else How.META_GRADIENT
        return TunedConstant(
            name=name,
            before=self.declared[name],
            after=best.constants.get(name, self.declared[name]),
            how=by if name in best.constants else How.GIVEN,
            has_gradient=name in self.lives.tunable,
            signal=self.signals.get(name),
        )

    def _compare(self, before: Evaluation, after: Evaluation) -> Comparison:
        anchors = self.bench.anchors()
        x, y = ([normalise_runs(runs, anchors[task]) for task, runs in returns_by_task(one).items()] for one in (after, before))
        return compare(self.given.id, x, y, numpy_stream(0, "tune", self.bench.rung.name))


def _key(constants: Mapping[str, float]) -> str:
    return repr(sorted(constants.items()))


def check_constants(program: Program, asked: Sequence[str]) -> None:
    """UsageError where there is nothing to tune, or no constant of such a name."""
    known = [constant.name for constant in program.tunable]
    if not known:
        raise UsageError("The program has no float constant, so there is nothing to tune.", "Write numbers in CONSTANTS as floats.")
    for name in asked:
        if name not in known:
            raise UsageError(f"The program has no float constant {name!r}.", f"It has: {', '.join(known)}.")
