"""The ladder for one program: gates → rungs → score. Torch-free: every number comes out of a worker process.

Nothing here knows the archive. What was run before is asked of a `Memory` (the archive is one), so that a killed campaign trains nothing
twice. Safe to call from several threads; a call blocks until its program is done.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, Protocol, TypeAlias, cast

from sandbox.check import GATE_LIMITS, TRACE_LIMITS, Checker
from sandbox.errors import ProgramFault, Refusal, UsageError, Verdict
from sandbox.execution.base import Executor, JobResult
from sandbox.execution.gather import gather
from sandbox.isolation.base import Isolation
from sandbox.racing import run_race
from sandbox.randomness import derive, numpy_stream
from sandbox.records import AgentSettings, Evaluation, Limits, Rule, Rung, RunResult, Traced, TrainJob
from sandbox.score import Anchor, check_anchor, score

RUN_LIMITS = Limits()
NO_BARS: Mapping[str, float] = {}

Player: TypeAlias = Rule | Literal["random"]
"""Whose agents are examined: those of a rule, or the policy that never learns."""


class Memory(Protocol):
    """What was run before. `archive.base.Archive` is one."""

    def recall(self, job: TrainJob) -> RunResult | None:
        """The result of exactly this job, if it was ever run."""
        ...

    def remember(self, job: TrainJob, result: RunResult) -> None:
        """Keeps a run's numbers."""
        ...


class ShortMemory:
    """Remembers runs for as long as it lives."""

    def __init__(self) -> None:
        self._runs: dict[str, RunResult] = {}

    def recall(self, job: TrainJob) -> RunResult | None:
        """The result of exactly this job, if it was run since."""
        return self._runs.get(job.model_dump_json())

    def remember(self, job: TrainJob, result: RunResult) -> None:
        """Keeps a run's numbers."""
        self._runs[job.model_dump_json()] = result


OnRun: TypeAlias = Callable[[RunResult], None]
"""Called in the caller's thread for every run that is done, remembered ones included, as they come."""


class Evaluator(Checker):
    """Gates and rungs for any number of programs.

    `seed` is the campaign's: every training seed derives from it, so that all programs share them.
    """

    def __init__(
        self,
        executor: Executor,
        isolation: Isolation | None,
        agent: AgentSettings,
        *,
        seed: int = 0,
        trace_limits: Limits = TRACE_LIMITS,
        gate_limits: Limits = GATE_LIMITS,
        run_limits: Limits = RUN_LIMITS,
    ) -> None:
        super().__init__(executor, isolation, agent, trace_limits=trace_limits, gate_limits=gate_limits)
        self.seed = seed
        self.run_limits = run_limits
        self._anchors: dict[str, dict[str, Anchor]] = {}
        self._anchoring = threading.Lock()

    def seeds(self, rung: Rung, first: int = 0, count: int | None = None) -> tuple[int, ...]:
        """`count` (default `rung.seeds`) seeds, from index `first` on: the same for every program of a campaign (paired comparisons).

        Fresh seeds for re-evaluating an elite are those after the ones it has had.
        """
        return tuple(derive(self.seed, "train", rung.name, index) for index in range(first, first + (count or rung.seeds)))

    def jobs(self, rule: Player, rung: Rung, seeds: Sequence[int]) -> list[TrainJob]:
        """Tasks × seeds, in that order. One seed gives every task a stream of its own, so that runs are independent given the program."""
        return [
            TrainJob(
                rule=rule,
                task=task,
                task_settings=rung.task_settings,
                agent=self.agent,
                steps=rung.steps,
                seed=derive(seed, "task", task),
                evaluation_episodes=rung.evaluation_episodes,
            )
            for task in rung.tasks
            for seed in seeds
        ]

    def run_rung(
        self, rule: Player, rung: Rung, seeds: Sequence[int], memory: Memory, *, priority: int = 0, on_run: OnRun | None = None
    ) -> Evaluation:
        """Trains on tasks × seeds, without a score. `runs` is in that order; `verdict` and `fault` tell of the first failure in it.

        A failure cancels the runs after it, and `runs` then holds those before it. Faults of ours propagate.
        """
        try:
            jobs = self.jobs(self.fit(rule, [rung]) if isinstance(rule, Traced) else rule, rung, seeds)
        except Refusal as refusal:
            return Evaluation(rung=rung.name, score=None, verdict=refusal.verdict, fault=refusal.message)
        results = [memory.recall(job) for job in jobs]
        missing = [index for index, result in enumerate(results) if result is None]
        for result in results:
            if result is not None and on_run is not None:
                on_run(result)

        def keep(which: int, result: JobResult) -> None:
            run = cast(RunResult, result)
            results[missing[which]] = run
            memory.remember(jobs[missing[which]], run)
            if on_run is not None:
                on_run(run)

        fault = gather([self.executor.submit(jobs[index], self.run_limits, priority) for index in missing], keep)
        return _evaluation(rung, results if fault is None else results[: missing[fault[0]]], fault and fault[1])

    def anchors(self, rung: Rung, baseline: Rule, memory: Memory, *, priority: int = 0, on_run: OnRun | None = None) -> dict[str, Anchor]:
        """Episode returns of random play and of the baseline by task, on the rung's first seeds; cached. Raises UsageError if one fails."""
        key = f"{rung.model_dump_json()}|{baseline.id}"
        with self._anchoring:  # whoever else needs them would only train the same again
            if key not in self._anchors:
                seeds = self.seeds(rung)
                random = self.run_rung("random", rung, seeds, memory, priority=priority, on_run=on_run)
                learned = self.run_rung(baseline, rung, seeds, memory, priority=priority, on_run=on_run)
                for who, evaluation in (("Random play", random), ("The baseline", learned)):
                    if evaluation.verdict != Verdict.OK:
                        raise UsageError(f"{who} failed on rung {rung.name}: {evaluation.fault}", "Choose other tasks or a larger budget.")
                self._anchors[key] = {
                    task: Anchor(task=task, random=_episodes(random, task), baseline=_episodes(learned, task)) for task in rung.tasks
                }
            return self._anchors[key]

    def evaluate(
        self,
        rule: Rule,
        rung: Rung,
        baseline: Rule,
        memory: Memory,
        *,
        count: int | None = None,
        bar: float | None = None,
        priority: int = 0,
        on_run: OnRun | None = None,
    ) -> Evaluation:
        """One rule on one rung, scored against `baseline` where no run failed, on the rung's first `count` seeds.

        Where the rung races and `count` is not given, the runs end early once the program is clearly below the lower of `rung.promote`
        and `bar`, the score at which the archive would keep it (None: it keeps any). Raises UsageError where a task's baseline fails or
        is not clearly above random: before the program itself is trained.
        """
        anchors = self.anchors(rung, baseline, memory, priority=priority)
        for anchor in anchors.values():
            check_anchor(anchor)

        def run(part: Rung, seeds: Sequence[int]) -> Evaluation:
            return self.run_rung(rule, part, seeds, memory, priority=priority, on_run=on_run)

        bars = [each for each in (rung.promote, bar) if each is not None]
        if rung.race and count is None and bars:
            stream = numpy_stream(self.seed, "race", rung.name, rule.id)
            evaluation = run_race(rung, min(bars), self.seeds(rung), lambda task, seed: run(_alone(rung, task), (seed,)), anchors, stream)
        else:
            evaluation = run(rung, self.seeds(rung, count=count))
        if evaluation.verdict != Verdict.OK:
            return evaluation
        return evaluation.model_copy(update={"score": score(returns_by_task(evaluation), anchors, numpy_stream(0, "score", rung.name))})

    def climb(
        self,
        rule: Traced,
        rungs: Sequence[Rung],
        baseline: Rule,
        memory: Memory,
        *,
        bars: Mapping[str, float] = NO_BARS,
        floors: Mapping[str, float] = NO_BARS,
        priority: int = 0,
        on_run: OnRun | None = None,
    ) -> tuple[Evaluation, ...]:
        """The ladder: the next rung while a program is `promoted`. One evaluation a rung reached.

        `bars` are the archive's, by rung, for races; `floors` what a score's lower end must reach to climb beyond a rung.
        """
        reached: list[Evaluation] = []
        for rung in rungs:
            reached.append(self.evaluate(rule, rung, baseline, memory, bar=bars.get(rung.name), priority=priority, on_run=on_run))
            if not promoted(reached[-1], rung, floors.get(rung.name)):
                break
        return tuple(reached)


def promoted(evaluation: Evaluation, rung: Rung, floor: float | None = None) -> bool:
    """Whether a program may be good enough for the next rung: the optimistic end decides, since a rung's few seeds are noisy.

    Where a dear rung takes a share only, its lower end has to reach `floor`, too: the bar that the others of this rung have set.
    A race that ended early has decided it already, by a rule that holds whenever one stops; an interval of few runs would not.
    """
    if rung.promote is None or evaluation.score is None:
        return False
    if evaluation.saved or evaluation.won:
        return evaluation.won
    return evaluation.score.high >= rung.promote and (floor is None or evaluation.score.low >= floor)


def returns_by_task(evaluation: Evaluation) -> dict[str, list[float]]:
    """Final mean return of every run by task, seeds in order."""
    returns: dict[str, list[float]] = {}
    for run in evaluation.runs:
        returns.setdefault(run.task, []).append(run.final_return)
    return returns


def _alone(rung: Rung, task: str) -> Rung:
    """The rung with one of its tasks: the same trainings there."""
    return rung.model_copy(update={"tasks": (task,)})


def _episodes(evaluation: Evaluation, task: str) -> tuple[float, ...]:
    return tuple(episode for run in evaluation.runs if run.task == task for episode in run.episode_returns)


def _evaluation(rung: Rung, results: Sequence[RunResult | None], fault: ProgramFault | None) -> Evaluation:
    runs = tuple(result for result in results if result is not None)
    seconds = sum(run.device_seconds for run in runs)
    if fault is None:
        return Evaluation(rung=rung.name, score=None, runs=runs, device_seconds=seconds)
    return Evaluation(
        rung=rung.name,
        score=None,
        runs=runs,
        verdict=fault.verdict,
        fault=f"{fault.message} {fault.remedy}".strip(),
        device_seconds=seconds,
    )
