"""Trains every rule on the same tasks and seeds, and says how they compare.

A task on which the baseline is not clearly above random play normalises nothing: its returns are reported, and it is left out of scores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from archive.statistics import optimality_gap
from sandbox.errors import UsageError, Verdict
from sandbox.evaluate import Evaluator, Memory, OnRun, Player
from sandbox.randomness import numpy_stream
from sandbox.records import Evaluation, Rung, RunResult
from sandbox.score import Anchor, clearly_above, normalise_runs, score
from sandbox.tasks.human import human_normalised
from synth.benchmark.records import Aggregate, BenchmarkReport, Cell, Entrant, RuleSummary, TaskSummary
from synth.claims import compare
from synth.curves import mean_curve

RANDOM = "random"


def benchmark(
    evaluator: Evaluator, entrants: Sequence[Entrant], rungs: Sequence[Rung], baseline: Entrant, memory: Memory, on_run: OnRun | None = None
) -> BenchmarkReport:
    """`rungs` differ in their tasks and steps alone. Raises UsageError where random play or the baseline fails."""
    players: dict[str, Player] = {RANDOM: "random", baseline.rule.id: baseline.rule}
    players |= {entrant.rule.id: entrant.rule for entrant in entrants}
    results = _train(evaluator, players, rungs, memory, on_run)
    for key, who in ((RANDOM, "Random play"), (baseline.rule.id, f"The baseline {baseline.name}")):
        if results[key].verdict != Verdict.OK:
            raise UsageError(f"{who} failed: {results[key].fault}", "Choose other tasks or a larger budget.")
    judge = _Judge(results, rungs, baseline, entrants)
    return BenchmarkReport(
        baseline=baseline.name,
        tasks=judge.tasks(),
        rules=tuple(judge.rule(entrant) for entrant in entrants),
        seeds=evaluator.seeds(rungs[0]),
        evaluation_episodes=rungs[0].evaluation_episodes,
        task_settings=rungs[0].task_settings,
        agent=evaluator.agent,
    )


def trainings(entrants: Sequence[Entrant], rungs: Sequence[Rung], baseline: Entrant) -> int:
    """How many runs there are in all, remembered ones and random play's included."""
    rules = {entrant.rule.id for entrant in (*entrants, baseline)}
    return (len(rules) + 1) * sum(len(rung.tasks) * rung.seeds for rung in rungs)


def _train(
    evaluator: Evaluator, players: Mapping[str, Player], rungs: Sequence[Rung], memory: Memory, on_run: OnRun | None
) -> dict[str, Evaluation]:
    """Everybody on every rung at once, as the executor has room; one evaluation over all rungs for each."""
    calls = [(key, player, rung) for key, player in players.items() for rung in rungs]
    with ThreadPoolExecutor(max_workers=len(calls), thread_name_prefix="entrant") as threads:
        futures = [
            threads.submit(evaluator.run_rung, player, rung, evaluator.seeds(rung), memory, priority=place, on_run=on_run)
            for place, (_, player, rung) in enumerate(calls)
        ]
        done = [future.result() for future in futures]
    return {key: _joined([evaluation for (other, _, _), evaluation in zip(calls, done, strict=True) if other == key]) for key in players}


def _joined(evaluations: Sequence[Evaluation]) -> Evaluation:
    """Of several rungs; the first failure is the whole's."""
    first = next((evaluation for evaluation in evaluations if evaluation.verdict != Verdict.OK), evaluations[0])
    runs = tuple(run for evaluation in evaluations for run in evaluation.runs)
    return first.model_copy(update={"runs": runs, "device_seconds": sum(run.device_seconds for run in runs)})


class _Judge:
    """Turns trainings into scores and comparisons."""

    def __init__(self, results: Mapping[str, Evaluation], rungs: Sequence[Rung], baseline: Entrant, entrants: Sequence[Entrant]) -> None:
        self._results = results
        self._baseline = baseline
        self._among = max(1, sum(entrant.rule.id != baseline.rule.id for entrant in entrants))
        self._steps = {task: rung.steps for rung in rungs for task in rung.tasks}
        self._searched = {task for entrant in entrants for task in entrant.searched}
        self._anchors = {task: self._anchor(task) for task in self._steps}
        self._counting = [task for task, anchor in self._anchors.items() if clearly_above(anchor)]

    def tasks(self) -> tuple[TaskSummary, ...]:
        """In the order in which they were named."""
        return tuple(
            TaskSummary(
                task=task,
                steps=self._steps[task],
                random=float(np.mean(anchor.random)),
                baseline=float(np.mean(anchor.baseline)),
                counts=task in self._counting,
                searched=task in self._searched,
            )
            for task, anchor in self._anchors.items()
        )

    def rule(self, entrant: Entrant) -> RuleSummary:
        """All that is said of one rule."""
        result = self._results[entrant.rule.id]
        sound = result.verdict == Verdict.OK
        unseen = [task for task in self._counting if task not in self._searched]
        return RuleSummary(
            name=entrant.name,
            id=entrant.rule.id,
            title=entrant.rule.title,
            verdict=result.verdict,
            fault=result.fault,
            cells=tuple(self._cell(entrant, task) for task in self._steps) if sound else (),
            over_all=self._aggregate(entrant, self._counting) if sound and self._counting else None,
            over_unseen=self._aggregate(entrant, unseen) if sound and 0 < len(unseen) < len(self._counting) else None,
            steps=sum(run.steps for run in result.runs),
            device_seconds=result.device_seconds,
        )

    def _cell(self, entrant: Entrant, task: str) -> Cell:
        runs = self._runs(entrant.rule.id, task)
        returns = [run.final_return for run in runs]
        counts = task in self._counting
        return Cell(
            task=task,
            returns=tuple(returns),
            scores=tuple(self._scores(entrant, task).tolist()) if counts else (),
            score=score({task: returns}, self._anchors, numpy_stream(0, "score", task)) if counts else None,
            human_normalised=human_normalised(task, float(np.mean(returns))),
            curve=mean_curve(runs),
        )

    def _aggregate(self, entrant: Entrant, tasks: Sequence[str]) -> Aggregate:
        ours = [self._scores(entrant, task) for task in tasks]
        theirs = [self._scores(self._baseline, task) for task in tasks]
        stream = numpy_stream(0, "benchmark", entrant.rule.id)
        same = entrant.rule.id == self._baseline.rule.id
        returns = {task: [run.final_return for run in self._runs(entrant.rule.id, task)] for task in tasks}
        return Aggregate(
            tasks=len(tasks),
            score=score(returns, self._anchors, numpy_stream(0, "score")),
            optimality_gap=optimality_gap(ours),
            against=None if same else compare(self._baseline.name, ours, theirs, stream, self._among),
        )

    def _scores(self, entrant: Entrant, task: str) -> NDArray[np.float64]:
        return normalise_runs([run.final_return for run in self._runs(entrant.rule.id, task)], self._anchors[task])

    def _anchor(self, task: str) -> Anchor:
        random, baseline = (
            tuple(episode for run in self._runs(key, task) for episode in run.episode_returns) for key in (RANDOM, self._baseline.rule.id)
        )
        return Anchor(task=task, random=random, baseline=baseline)

    def _runs(self, key: str, task: str) -> list[RunResult]:
        return [run for run in self._results[key].runs if run.task == task]
