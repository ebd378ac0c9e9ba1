"""What simplifying found out, as frozen records. Needs no torch."""

from __future__ import annotations

from enum import StrEnum

from sandbox.records import AgentSettings, Record, Rung, Score


class Ground(StrEnum):
    """Why a trial ended as it did."""

    UNUSED = "unused"  # nothing reads it
    IDLE = "idle"  # proved on the graph: no gradient and no state depends on it
    PAIRED = "paired"  # trainings on the same tasks and seeds
    REFUSED = "refused"  # without it the program does not pass the gates
    FAULT = "fault"  # without it a training failed


class Trial(Record):
    """One change that was tried.

    `difference` is the paired difference of scores, changed minus unchanged program, in units of the unchanged program's distance from
    random play: -0.4 loses 40 % of what it had learned. None where nothing was trained.
    """

    what: str  # such as "without the second term"
    code: str  # the piece of text that it is about
    term: int | None = None  # its number from 0, where it is about a term
    line: int = 0  # of the program that was given; 0 unknown
    ground: Ground
    taken: bool = False
    difference: Score | None = None
    detail: str = ""


class Simplification(Record):
    """One program, what each of its terms does alone, and what was left out in the end.

    `ablations` each leave out one term of the program as it was given; `steps` are what was tried one after the other, and what was taken
    stays for all later ones. Every test is against the program as it was given, so that small losses cannot add up unseen.
    """

    program: str
    title: str
    rung: Rung
    seed: int
    agent: AgentSettings
    tolerance: float
    ablations: tuple[Trial, ...]
    steps: tuple[Trial, ...]
    text: str  # of the simplest program; the one that was given where nothing could go
    result: str  # its id
    returns: dict[str, tuple[float, ...]]  # final mean returns of the program that was given, by task, a number a seed
    simple_returns: dict[str, tuple[float, ...]]  # and of the simplest
    difference: Score | None = None  # of the simplest program; None where it is the one that was given, or was not trained

    @property
    def changed(self) -> bool:
        """Whether anything could go."""
        return any(step.taken for step in self.steps)


def percent(score: Score | None) -> str:
    """`−41 % [−60, −20]`, or a dash."""
    if score is None:
        return "-"
    middle, low, high = (
        f"{round(100 * value) + 0:+d}".replace("-", "−").replace("+0", "0") for value in (score.mean, score.low, score.high)
    )
    return f"{middle} % [{low}, {high}]"
