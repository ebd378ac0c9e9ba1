"""What tuning is asked for and what it found out, as frozen records. Needs no torch."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from sandbox.records import AgentSettings, Record, Rung, Score
from synth.claims import Comparison


class Method(StrEnum):
    """How constants are moved. `auto`: by meta-gradients first, then what had none, or no steady one, by CMA-ES."""

    AUTO = "auto"
    META_GRADIENT = "meta-gradient"
    CMAES = "cmaes"


class How(StrEnum):
    """What moved a constant, or made a trial."""

    GIVEN = "given"  # as it was
    META_GRADIENT = "meta-gradient"
    CMAES = "cmaes"


class Request(Record):
    """What is to be tuned, and at what price.

    `budget` is counted in trainings: `rung.steps` agent steps on every task. A lifetime under meta-gradients is one, too. The test on fresh
    seeds is apart.
    """

    method: Method = Method.AUTO
    budget: int = Field(18, ge=4, le=10_000)
    constants: tuple[str, ...] = ()  # those that may be moved; all where none is named
    lifetimes: int = Field(2, ge=1, le=100)


class Trial(Record):
    """One set of constants that agents were trained with. `scores[k]` is of the k-th tuning seed, a mean over tasks; none after a fault."""

    how: How
    constants: dict[str, float]
    scores: tuple[float, ...] = ()
    trained: int = 0  # seeds paid for; 0 where the gates refused it
    fault: str = ""

    @property
    def mean(self) -> float:
        """Over its seeds; what failed is worse than anything."""
        return sum(self.scores) / len(self.scores) if self.scores else float("-inf")


class TunedConstant(Record):
    """What became of one constant. `has_gradient` is read off the graph: without it there is no meta-gradient whatever the data.
    `signal` is the sum of the meta-gradients over the root of the sum of their squares: beyond 2 either way they are hardly noise."""

    name: str
    before: float
    after: float
    how: How
    has_gradient: bool
    signal: float | None = None


class Tuning(Record):
    """One program, what was tried, and how the tuned one compares with it on fresh seeds."""

    program: str
    title: str
    rung: Rung  # of the test; tuning has other seeds
    seed: int
    agent: AgentSettings
    baseline: str  # whose score is 1
    request: Request
    spent: float  # trainings
    steps: int  # agent steps, all of tuning together
    constants: tuple[TunedConstant, ...]
    trials: tuple[Trial, ...]
    text: str  # of the tuned program; the one that was given where nothing better was found
    result: str  # its id
    before: Score  # on the fresh seeds
    after: Score
    comparison: Comparison | None = None  # of the tuned program with the given one; None where they are the same

    @property
    def changed(self) -> bool:
        """Whether anything better was found while tuning."""
        return self.comparison is not None
