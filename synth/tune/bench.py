"""Where tuned programs are tried: on seeds for tuning, and in the end on others that tuning never saw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sandbox.errors import UsageError, Verdict
from sandbox.evaluate import Evaluator, Memory, OnRun, returns_by_task
from sandbox.records import Evaluation, GateReport, Rule, Rung, Traced
from sandbox.score import Anchor, check_anchor, normalise_runs


@dataclass(frozen=True)
class Bench:
    """All programs get the same tasks, seeds and agent. `rung` is that of the test: its seeds are the fresh ones."""

    evaluator: Evaluator
    rung: Rung
    baseline: Rule
    baseline_name: str  # whose return is a score of 1
    memory: Memory
    folder: Path  # where lifetimes are kept as they end
    trusted: bool  # whether the text may be traced without a sandbox
    on_run: OnRun | None = None

    @property
    def tuning(self) -> Rung:
        """The rung that tuning looks at: its name makes its seeds others."""
        return self.rung.model_copy(update={"name": f"{self.rung.name}-search"})

    def gates(self, text: str) -> GateReport:
        """What the gates say."""
        return self.evaluator.gates(text, [self.rung], trusted=self.trusted)

    def passed(self, text: str) -> Traced:
        """The program with graphs for all tasks. UsageError if it is refused."""
        report = self.gates(text)
        if report.traced is None:
            assert report.refusal is not None, "one of the two is set"
            raise UsageError(f"The program does not pass the gates: {report.refusal.message}", report.refusal.remedy)
        return report.traced

    def anchors(self) -> dict[str, Anchor]:
        """What 0 and 1 mean on each task. UsageError for a task that can measure nothing."""
        anchors = self.evaluator.anchors(self.rung, self.baseline, self.memory, on_run=self.on_run)
        for anchor in anchors.values():
            check_anchor(anchor)
        return anchors

    def train(self, traced: Traced, seeds: int) -> Evaluation:
        """On the first tuning seeds, always the same ones."""
        chosen = self.evaluator.seeds(self.tuning, count=seeds)
        return self.evaluator.run_rung(traced, self.tuning, chosen, self.memory, on_run=self.on_run)

    def test(self, traced: Traced) -> Evaluation:
        """On the fresh seeds, with its score. UsageError where it fails."""
        evaluation = self.evaluator.evaluate(traced, self.rung, self.baseline, self.memory, on_run=self.on_run)
        if evaluation.verdict != Verdict.OK:
            raise UsageError(f"On fresh seeds {traced.id} fails: {evaluation.fault}", "Choose other tasks, or a larger budget.")
        return evaluation


def scores(evaluation: Evaluation, anchors: Mapping[str, Anchor]) -> tuple[float, ...]:
    """One number a seed: the mean over tasks of the normalised returns. Empty where a training failed."""
    if evaluation.verdict != Verdict.OK:
        return ()
    rows = [normalise_runs(returns, anchors[task]) for task, returns in returns_by_task(evaluation).items()]
    return tuple(float(value) for value in np.mean(rows, axis=0))
