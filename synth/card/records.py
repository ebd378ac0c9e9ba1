"""A card as a frozen record: everything that stands on the page, before it is laid out. Needs no torch."""

from __future__ import annotations

from sandbox.records import Record, Score
from synth.simplify.records import Simplification


class Line(Record):
    """One line of mathematics in both notations, or a few words where there is none."""

    latex: str = ""
    mathml: str = ""
    words: str = ""


class FunctionCard(Record):
    """A function of the program: what it gives, and where that comes from."""

    name: str
    result: tuple[Line, ...]
    where: tuple[Line, ...]


class Neighbour(Record):
    """A known algorithm and its distance, from 0 (the same) to 1 (nothing in common); the mean of the two parts."""

    name: str
    title: str
    distance: float
    teaching: float
    wording: float


class RungCard(Record):
    """The score on one rung of the ladder."""

    rung: str
    tasks: tuple[str, ...]
    score: Score | None
    fault: str


class SkillCard(Record):
    """One probe: the skill it needs, and how the program did. `score` is None where nothing is known to normalise by."""

    task: str
    skill: str
    returns: tuple[float, ...]  # a number a seed
    score: Score | None  # 0 is random play, 1 the baseline


class AncestorCard(Record):
    """A program in the lineage; `depth` 0 is the card's own."""

    depth: int
    id: str
    title: str
    operator: str
    score: Score | None


class Card(Record):
    """One page on one program."""

    id: str
    title: str
    idea: tuple[str, ...]  # paragraphs
    text: str
    origin: str
    heads: dict[str, str]
    constants: dict[str, str]
    training: dict[str, float | None]
    act: str
    functions: tuple[FunctionCard, ...]
    simplification: Simplification | None
    neighbours: tuple[Neighbour, ...]
    rungs: tuple[RungCard, ...]
    baseline: str
    skills: tuple[SkillCard, ...]
    lineage: tuple[AncestorCard, ...]
    command: str
    command_note: str = ""
