"""The search for a simpler program that is no worse: proofs first, then paired trainings, one change after the other.

The same program, rung and seed give the same result: every training is decided by its job, and trials are made in a fixed order.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from sandbox.errors import Refusal, UsageError, Verdict
from sandbox.evaluate import Evaluator, Memory, OnRun, returns_by_task
from sandbox.records import Evaluation, GateReport, Rung, Score, Traced, program_id
from sandbox.score import Anchor, check_anchor
from synth.simplify.edits import Rounding, Term, roundings, terms_of, with_rounding, without_term, without_unused
from synth.simplify.paired import no_worse, paired_difference
from synth.simplify.records import Ground, Simplification, Trial

TIMES = (1, 2, 4)
"""How many times the rung's seeds a trial gets, at most, one after the other until it is decided."""


@dataclass(frozen=True)
class Bench:
    """Where programs are tried: all with the same tasks, seeds and agent."""

    evaluator: Evaluator
    rung: Rung
    memory: Memory
    trusted: bool  # whether the text may be traced without a sandbox
    on_run: OnRun | None = None

    def gates(self, text: str) -> GateReport:
        """What the gates say."""
        return self.evaluator.gates(text, [self.rung], trusted=self.trusted)

    def train(self, traced: Traced, times: int = 1, priority: int = 0) -> Evaluation:
        """Every task and seed, and `times` as many seeds; the first ones are always the same."""
        seeds = self.evaluator.seeds(self.rung.model_copy(update={"seeds": times * self.rung.seeds}))
        return self.evaluator.run_rung(traced, self.rung, seeds, self.memory, priority=priority, on_run=self.on_run)


@dataclass
class Standard:
    """The program as it was given: what every change is compared with."""

    bench: Bench
    traced: Traced
    evaluation: Evaluation
    anchors: dict[str, Anchor]
    lock: threading.Lock = field(default_factory=threading.Lock)

    def compare(self, other: Traced, tolerance: float, priority: int) -> tuple[Evaluation, Score | None]:
        """The paired difference of another program, which gets more seeds while it is undecided; None where a training failed.

        Undecided: it may cost more than `tolerance`, but more likely does not.
        """
        for times in TIMES:
            evaluation = self.bench.train(other, times, priority)
            if evaluation.verdict != Verdict.OK:
                return evaluation, None
            with self.lock:  # several trials may need the same new seeds
                own = self.bench.train(self.traced, times, priority)
            difference = paired_difference(own, evaluation, self.anchors)
            if no_worse(difference, tolerance) or difference.mean < -tolerance:
                break
        return evaluation, difference


@dataclass
class Search:
    """A program that gets shorter. `text` is the simplest so far, `steps` what was tried."""

    bench: Bench
    standard: Standard
    tolerance: float
    text: str
    steps: list[Trial] = field(default_factory=list)
    evaluation: Evaluation | None = None  # of `text`, once trained
    difference: Score | None = None

    def leave_out_unused(self) -> None:
        """Assignments, functions, constants and heads that nothing reads: no training, since nothing that is computed changes."""
        text = without_unused(self.text)
        if text != self.text:
            taken = self._teaches_the_same(self.bench.gates(text))
            self.steps.append(Trial(what="without what nothing reads", code="", ground=Ground.UNUSED, taken=taken))
            self.text = text if taken else self.text

    def leave_out_idle(self, terms: Iterable[Term], idle: Iterable[bool]) -> list[Term]:
        """Terms that are proved idle go without training; gives back the others."""
        left = []
        for term, is_idle in zip(terms, idle, strict=True):
            text = without_term(self.text, term) if is_idle else None
            if text is not None and self._teaches_the_same(self.bench.gates(text)):
                self.text = text
                self.steps.append(_trial(term, Ground.IDLE, taken=True, detail="No gradient depends on it."))
            else:
                left.append(term)
        return left

    def ablate(self, terms: list[Term]) -> list[Trial]:
        """Each term left out alone, several at a time; nothing is taken yet."""
        with ThreadPoolExecutor(max_workers=max(1, len(terms)), thread_name_prefix="ablation") as threads:
            futures = [threads.submit(self._try, term, without_term(self.text, term), place) for place, term in enumerate(terms)]
            return [future.result()[0] for future in futures]

    def leave_out(self, terms: list[Term], ablations: list[Trial]) -> None:
        """Terms that alone cost least first; each on top of what has gone already."""
        harmless = [(trial, term) for trial, term in zip(ablations, terms, strict=True) if self._harmless(trial)]
        for _, term in sorted(harmless, key=lambda pair: (-_low(pair[0]), pair[1].number)):
            self._step(term, without_term(self.text, term))

    def round_constants(self) -> None:
        """The shortest number that is no worse, constant by constant."""
        rounded: set[str] = set()
        for rounding in list(roundings(self.text)):
            if rounding.name not in rounded and self._step(rounding, with_rounding(self.text, rounding)):
                rounded.add(rounding.name)

    def _step(self, change: Term | Rounding, text: str | None) -> bool:
        if text is None:
            return False
        trial, evaluation = self._try(change, text)
        taken = self._harmless(trial)
        self.steps.append(trial.model_copy(update={"taken": taken}))
        if taken:
            self.text, self.evaluation, self.difference = text, evaluation, trial.difference
        return taken

    def _harmless(self, trial: Trial) -> bool:
        return trial.difference is not None and no_worse(trial.difference, self.tolerance)

    def _try(self, change: Term | Rounding, text: str | None, priority: int = 0) -> tuple[Trial, Evaluation | None]:
        """Gates and trainings of a changed text."""
        if text is None:
            return _trial(change, Ground.REFUSED, detail="It is the only term."), None
        report = self.bench.gates(text)
        if report.traced is None:
            assert report.refusal is not None, "one of the two is set"
            return _trial(change, Ground.REFUSED, detail=report.refusal.message), None
        evaluation, difference = self.standard.compare(report.traced, self.tolerance, priority)
        if difference is None:
            return _trial(change, Ground.FAULT, detail=evaluation.fault), None
        return _trial(change, Ground.PAIRED, difference=difference), evaluation

    def _teaches_the_same(self, report: GateReport) -> bool:
        from synth.simplify.idle import teaches_the_same  # loads torch

        return report.traced is not None and teaches_the_same(self.standard.traced, report.traced)


def simplify(bench: Bench, text: str, traced: Traced | None, tolerance: float) -> Simplification:
    """Everything in order. Raises UsageError where the program is refused, fails, or learns nothing on a task."""
    standard = measure(bench, text, traced)
    search = Search(bench, standard, tolerance, text)
    terms = list(terms_of(text))
    search.leave_out_unused()
    left = search.leave_out_idle(terms, _idle(standard.traced, len(terms)))
    trials = search.ablate(left) if len(terms) > 1 else []
    search.leave_out(left, trials)
    search.round_constants()
    idle = [step for step in search.steps if step.ground == Ground.IDLE]
    return _report(search, [*idle, *trials])


def measure(bench: Bench, text: str, traced: Traced | None) -> Standard:
    """Trains the program as it is; it is the unit of all differences, so it must be clearly better than random play on every task."""
    if traced is None:
        report = bench.gates(text)
        if report.traced is None:
            assert report.refusal is not None, "one of the two is set"
            raise UsageError(f"The program does not pass the gates: {report.refusal.message}", report.refusal.remedy)
        traced = report.traced
    try:
        traced = bench.evaluator.fit(traced, [bench.rung])
    except Refusal as refusal:
        raise UsageError(f"The program does not pass the gates here: {refusal.message}", refusal.remedy) from refusal
    evaluation = bench.train(traced)
    if evaluation.verdict != Verdict.OK:
        raise UsageError(f"The program itself fails: {evaluation.fault}", "Choose other tasks or a larger budget.")
    anchors = bench.evaluator.anchors(bench.rung, traced, bench.memory)
    for anchor in anchors.values():
        _check_learns(anchor)
    return Standard(bench, traced, evaluation, anchors)


def _check_learns(anchor: Anchor) -> None:
    try:
        check_anchor(anchor)
    except UsageError as error:
        raise UsageError(
            f"On {anchor.task} the program is not clearly better than random play, so nothing can be said of its parts there.",
            "Give it more --steps, or choose another task.",
        ) from error


def _idle(traced: Traced, count: int) -> tuple[bool, ...]:
    """Which terms of the text are idle; none where the graph counts other terms than the text."""
    from synth.simplify.idle import idle_terms  # loads torch

    idle = idle_terms(traced)
    return idle if len(idle) == count else (False,) * count


def _trial(change: Term | Rounding, ground: Ground, *, taken: bool = False, difference: Score | None = None, detail: str = "") -> Trial:
    code, term, line = (change.code, change.number, change.line) if isinstance(change, Term) else (change.name, None, 0)
    return Trial(what=change.what, code=code, term=term, line=line, ground=ground, taken=taken, difference=difference, detail=detail)


def _low(trial: Trial) -> float:
    return float("-inf") if trial.difference is None else trial.difference.low


def _report(search: Search, ablations: list[Trial]) -> Simplification:
    bench, standard = search.bench, search.standard
    simplest = search.evaluation or standard.evaluation
    return Simplification(
        program=standard.traced.program.id,
        title=standard.traced.program.title,
        rung=bench.rung,
        seed=bench.evaluator.seed,
        agent=bench.evaluator.agent,
        tolerance=search.tolerance,
        ablations=tuple(sorted(ablations, key=lambda trial: trial.term or 0)),
        steps=tuple(search.steps),
        text=search.text,
        result=program_id(search.text),
        returns=_returns(standard.evaluation),
        simple_returns=_returns(simplest),
        difference=search.difference,
    )


def _returns(evaluation: Evaluation) -> dict[str, tuple[float, ...]]:
    return {task: tuple(runs) for task, runs in returns_by_task(evaluation).items()}
