"""The ladder for one program: gates → rungs → score. Torch-free: every number comes out of a worker process.

Nothing here knows the archive. What was run before is asked of a `Memory` (the archive is one), so that a killed campaign trains nothing
twice. Safe to call from several threads; a call blocks until its program is done.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from typing import Protocol, cast

from sandbox.errors import Gate, OurFault, PrerequisiteMissing, ProgramFault, Refusal, RunFault, UsageError
from sandbox.execution.base import Executor
from sandbox.isolation.base import Isolation
from sandbox.randomness import derive, numpy_stream
from sandbox.records import (
    AgentSettings,
    DescribeJob,
    Evaluation,
    GateJob,
    GateReport,
    Limits,
    Program,
    RefusalRecord,
    Rung,
    RunResult,
    Shape,
    TaskDescription,
    TaskSettings,
    Traced,
    TrainJob,
)
from sandbox.score import Anchor, check_anchor, score
from sandbox.training.shapes import minibatch_shape

TRACE_LIMITS = Limits(seconds=20.0, memory_bytes=4 << 30, output_bytes=16 << 20)
GATE_LIMITS = Limits(seconds=60.0, memory_bytes=4 << 30, output_bytes=16 << 20)


class Memory(Protocol):
    """What was run before. `archive.base.Archive` is one."""

    def recall(self, job: TrainJob) -> RunResult | None:
        """The result of exactly this job, if it was ever run."""
        ...

    def remember(self, job: TrainJob, result: RunResult) -> None:
        """Keeps a run's numbers."""
        ...


class NoMemory:
    """Remembers nothing."""

    def recall(self, job: TrainJob) -> RunResult | None:
        """Always None."""
        return None

    def remember(self, job: TrainJob, result: RunResult) -> None:
        """Does nothing."""


OnRun = Callable[[RunResult], None]
"""Called in the caller's thread for every run that is done, remembered ones included, in no particular order."""


class Evaluator:
    """Gates and rungs for any number of programs, on one executor and one isolation.

    `isolation=None` serves callers that only ever handle trusted text (references, our own mutations); `seed` is the campaign's, from
    which every training seed derives, so that all programs share them. The caller closes `executor` and `isolation`.
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
        run_limits: Limits = Limits(),
    ) -> None: ...

    def close(self) -> None:
        """Ends the processes the evaluator itself has opened."""

    def describe(self, task: str, settings: TaskSettings = TaskSettings()) -> TaskDescription:
        """What a task looks like; cached. Raises UsageError for a task there is not, or that cannot be made."""
        raise NotImplementedError

    def shapes(self, program: Program, rungs: Sequence[Rung]) -> tuple[Shape, ...]:
        """The (T, B, A) at which the program's loss is called on these rungs' tasks, each once."""
        raise NotImplementedError

    def gates(self, text: str, rungs: Sequence[Rung] = (), *, trusted: bool = False, priority: int = 0) -> GateReport:
        """Parse, trace in isolation, and the trusted gates in a worker. Never raises for the program's fault: that is `refusal`.

        `trusted` is for text made from our own references by our own edits: it is traced in a plain child process. Novelty is not
        judged here, since that depends on the order of proposals.
        """
        raise NotImplementedError

    def reference(self, name: str, rungs: Sequence[Rung]) -> Traced:
        """A reference program, traced for these rungs. UsageError if there is none of that name or the gates refuse it."""
        raise NotImplementedError

    def seeds(self, rung: Rung, first: int = 0) -> tuple[int, ...]:
        """`rung.seeds` training seeds, from index `first` on: the same for every program of a campaign (paired comparisons).

        Fresh seeds for re-evaluating an elite begin at `first = rung.seeds`, twice as far the next time, and so on.
        """
        raise NotImplementedError

    def run_rung(
        self, rule: Traced, rung: Rung, seeds: Sequence[int], memory: Memory, *, priority: int = 0, on_run: OnRun | None = None
    ) -> Evaluation:
        """Trains on tasks × seeds, without a score. `runs` is in that order; `verdict` and `fault` tell of the first failure in it.

        A failure cancels the runs after it. Faults of ours propagate.
        """
        raise NotImplementedError

    def anchors(self, rung: Rung, baseline: Traced, memory: Memory, *, priority: int = 0, on_run: OnRun | None = None) -> dict[str, Anchor]:
        """Episode returns of random play and of the baseline by task, on the rung's first seeds; cached.

        Raises UsageError where the baseline fails or is not clearly above random.
        """
        raise NotImplementedError

    def evaluate(
        self, rule: Traced, rung: Rung, baseline: Traced, memory: Memory, *, first_seed: int = 0, priority: int = 0, on_run: OnRun | None = None
    ) -> Evaluation:
        """One program on one rung, scored against `baseline` where no run failed."""
        raise NotImplementedError

    def climb(
        self,
        rule: Traced,
        rungs: Sequence[Rung],
        baseline: Traced,
        memory: Memory,
        *,
        priority: int = 0,
        on_run: OnRun | None = None,
    ) -> tuple[Evaluation, ...]:
        """The ladder: the next rung while the upper end of the score's interval reaches `promote`. One evaluation a rung reached."""
        raise NotImplementedError
