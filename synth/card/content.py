"""Gathers a card: from the program's text, and from the archive where it stands in one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from archive.base import Archive
from archive.records import Elite
from sandbox.language.program import parse
from sandbox.records import Act, Head
from synth.card.archived import ancestor_cards, reproduce, rung_cards, skill_cards
from synth.card.formulas import Formula, Function, functions
from synth.card.latex import latex
from synth.card.mathml import mathml
from synth.card.records import Card, FunctionCard, Line, Neighbour
from synth.simplify.keeping import read_simplification
from synth.spec import CampaignSpec


def text_card(text: str, name: str, neighbours: Iterable[Neighbour]) -> Card:
    """The card of a program of which only the text is known: `name` is a file or a reference. Raises Refusal for a text that is none."""
    program = parse(text)
    return Card(
        id=program.id,
        title=program.title,
        idea=_paragraphs(program.description),
        text=text,
        origin=name,
        heads={head.name: _head(head) for head in program.heads},
        constants={constant.name: _constant(constant.value, constant.low, constant.high) for constant in program.constants},
        training=program.training.model_dump(),
        act=_act(program.act),
        functions=tuple(map(_function, functions(text))),
        simplification=None,
        neighbours=tuple(neighbours),
        rungs=(),
        baseline="",
        skills=(),
        lineage=(),
        command=f"lossmith evaluate {name} --tasks probe:catch --steps 20000 --seeds 5",
    )


def archive_card(archive: Archive, elite: Elite, path: Path, neighbours: Iterable[Neighbour]) -> Card:
    """The card of a program of the archive, which lies at `path`."""
    spec = CampaignSpec.model_validate_json(archive.campaign_spec(elite.campaign))
    result = archive.result(elite)
    command, note = reproduce(elite, result, spec, path)
    return text_card(elite.text, elite.id, neighbours).model_copy(
        update={
            "origin": f"campaign {elite.campaign}, proposal {elite.number}, {elite.proposer}: {elite.operator}",
            "simplification": read_simplification(archive, elite),
            "rungs": rung_cards(result, spec),
            "baseline": spec.baseline,
            "skills": skill_cards(result, spec),
            "lineage": ancestor_cards(archive, elite),
            "command": command,
            "command_note": note,
        }
    )


def _paragraphs(text: str) -> tuple[str, ...]:
    """Blank lines divide; line breaks within are the author's editor's."""
    return tuple(" ".join(part.split()) for part in re.split(r"\n\s*\n", text) if part.strip())


def _function(function: Function) -> FunctionCard:
    return FunctionCard(name=function.name, result=tuple(map(_line, function.result)), where=tuple(map(_line, function.where)))


def _line(formula: Formula) -> Line:
    if formula.maths is None:
        return Line(words=formula.words)
    return Line(latex=latex(formula.maths), mathml=mathml(formula.maths))


def _head(head: Head) -> str:
    if head.vector:
        return f"{head.size} numbers for every action"
    if head.per_action:
        return "a number for every action"
    return "a number" if head.size == 1 else f"{head.size} numbers"


def _constant(value: float, low: float | None, high: float | None) -> str:
    return f"{value:g}" if low is None or high is None else f"{value:g} (from {low:g} to {high:g})"


def _act(act: Act) -> str:
    if act.kind == "epsilon_greedy":
        start, end, fraction = act.epsilon
        return f"greedy in {act.head}, with epsilon from {start:g} to {end:g} over {100 * fraction:g} % of training"
    return f"drawn from the softmax of {act.head}" + (f" at temperature {act.temperature:g}" if act.kind == "softmax" else "")
