"""The gates for one program, from its text to a verified graph. Torch-free: text is traced in isolation, graphs are judged in a worker."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import cast

from sandbox.errors import Gate, PrerequisiteMissing, ProgramFault, Refusal, UsageError
from sandbox.execution.base import Executor
from sandbox.isolation.base import Isolation
from sandbox.isolation.select import open_isolation
from sandbox.language.gates import GATE_SHAPES
from sandbox.language.program import parse
from sandbox.language.tracing import trace
from sandbox.records import (
    AgentSettings,
    DescribeJob,
    GateJob,
    GateReport,
    Limits,
    Program,
    RefusalRecord,
    Rung,
    Shape,
    TaskDescription,
    TaskSettings,
    Traced,
)
from sandbox.rules.references import reference_text
from sandbox.training.shapes import minibatch_shape

DEFAULT_TASK = TaskSettings()
TRACE_LIMITS = Limits(seconds=20.0)
GATE_LIMITS = Limits(seconds=60.0)


class Checker:
    """The gates for any number of programs, on one executor and one isolation. Safe to call from several threads.

    `isolation=None` serves callers that only ever handle trusted text: references, and our own mutations of them. Where other text may
    still come, `late` opens an isolation for it and for all that follows. The caller closes `executor` and `isolation`.
    """

    def __init__(
        self,
        executor: Executor,
        isolation: Isolation | None,
        agent: AgentSettings,
        *,
        trace_limits: Limits = TRACE_LIMITS,
        gate_limits: Limits = GATE_LIMITS,
    ) -> None:
        self.executor = executor
        self.isolation = isolation
        self.agent = agent
        self.trace_limits = trace_limits
        self.gate_limits = gate_limits
        self.late: Callable[[], Isolation] | None = None
        self._plain: Isolation | None = None
        self._tasks: dict[str, TaskDescription] = {}
        self._lock = threading.Lock()

    def close(self) -> None:
        """Ends the processes that this object itself has opened."""
        if self._plain is not None:
            self._plain.close()

    def describe(self, task: str, settings: TaskSettings = DEFAULT_TASK) -> TaskDescription:
        """What a task looks like; cached. Raises UsageError for a task there is not, or that cannot be made."""
        job = DescribeJob(task=task, task_settings=settings)
        key = job.model_dump_json()
        with self._lock:
            if key not in self._tasks:
                try:
                    self._tasks[key] = cast(TaskDescription, self.executor.submit(job, self.gate_limits, priority=-1).result())
                except ProgramFault as error:  # no program was involved: the task is the user's
                    raise UsageError(f"The task {task} cannot be made: {error.message}", error.remedy) from error
            return self._tasks[key]

    def shapes(self, program: Program, rungs: Sequence[Rung]) -> tuple[Shape, ...]:
        """The (T, B, A) at which the program's loss is called on these rungs' tasks, each once. Refusal if its minibatches are too many."""
        tasks = [self.describe(task, rung.task_settings) for rung in rungs for task in rung.tasks]
        try:
            return tuple(dict.fromkeys(minibatch_shape(program.training, self.agent, task.num_actions) for task in tasks))
        except UsageError as error:
            raise Refusal(Gate.COST, "too-many-minibatches", error.message, "Use fewer minibatches.") from error

    def gates(self, text: str, rungs: Sequence[Rung] = (), *, trusted: bool = False, priority: int = 0) -> GateReport:
        """Parse, trace in isolation, and the trusted gates in a worker. Never raises for the program's fault: that is `refusal`.

        `trusted` is for text made from our own references by our own edits: where there is no isolation it is traced in a plain child
        process. Novelty is not judged here, since that depends on the order of proposals.
        """
        try:
            program = parse(text)
            shapes = self.shapes(program, rungs)
            traced_at = tuple(dict.fromkeys((*GATE_SHAPES, *shapes)))
            reply = trace(program, traced_at, self._isolation(trusted), self.trace_limits)
            job = GateJob(program=program, trace=reply, shapes=shapes)
            return cast(GateReport, self.executor.submit(job, self.gate_limits, priority).result())
        except Refusal as refusal:
            return GateReport(refusal=refusal_record(refusal))
        except ProgramFault as fault:  # checking it took too long, too much memory, or crashed
            return GateReport(refusal=refusal_record(Refusal(Gate.COST, fault.verdict.value, fault.message, fault.remedy)))

    def _isolation(self, trusted: bool) -> Isolation:
        with self._lock:
            if self.isolation is None and not trusted and self.late is not None:
                self.isolation = self.late()
            if self.isolation is not None:
                return self.isolation
            if not trusted:
                raise PrerequisiteMissing("There is no sandbox to trace untrusted programs in.", "`lossmith doctor` says what is missing.")
            if self._plain is None:
                self._plain = open_isolation("unsafe", pool_size=1)
            return self._plain

    def reference(self, name: str, rungs: Sequence[Rung]) -> Traced:
        """A reference program, traced for these rungs. UsageError if there is none of that name or the gates refuse it."""
        report = self.gates(reference_text(name), rungs, trusted=True, priority=-1)
        if report.traced is None:
            assert report.refusal is not None, "one of the two is set"
            raise UsageError(f"The reference {name} does not pass the gates here: {report.refusal.message}", report.refusal.remedy)
        return report.traced

    def fit(self, traced: Traced, rungs: Sequence[Rung]) -> Traced:
        """The same program with a graph for every shape of these rungs: traced again where a task brings a new one. Raises Refusal."""
        if all(traced.graph_text(shape) for shape in self.shapes(traced.program, rungs)):
            return traced
        report = self.gates(traced.program.text, rungs, trusted=self.isolation is None)
        if report.traced is None:
            raise _as_refusal(cast(RefusalRecord, report.refusal))
        return traced.model_copy(update={"graphs": {**report.traced.graphs, **traced.graphs}})


def refusal_record(refusal: Refusal) -> RefusalRecord:
    """A refusal as data."""
    return RefusalRecord(
        gate=refusal.gate,
        code=refusal.code,
        line=refusal.line,
        column=refusal.column,
        message=refusal.message,
        remedy=refusal.remedy,
    )


def _as_refusal(record: RefusalRecord) -> Refusal:
    return Refusal(Gate(record.gate), record.code, record.message, record.remedy, record.line, record.column)
