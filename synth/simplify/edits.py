"""The changes that simplify a program's text, each a new text that says in its docstring what went."""

from __future__ import annotations

import ast
import math
import re
import textwrap
from collections.abc import Iterator
from typing import Final, NamedTuple

from synth.proposers.edits.draft import Draft, expression
from synth.proposers.edits.tidy import tidy
from synth.simplify.terms import TextTerm, drop, ordinal, text_terms

_NOTE: Final = re.compile(r"\n*^Simplified: (.*?)\.\Z", re.MULTILINE | re.DOTALL)
_WIDTH: Final = 120


class Term(NamedTuple):
    """A term of the program as it was given, numbered from 0 among `total`."""

    number: int
    total: int
    place: TextTerm

    @property
    def what(self) -> str:
        """For tables."""
        return f"without the {ordinal(self.number)} term"

    @property
    def code(self) -> str:
        """The piece of text that goes."""
        return self.place.code

    @property
    def line(self) -> int:
        """Where it stands."""
        return self.place.line


class Rounding(NamedTuple):
    """A float constant and a shorter number for it."""

    name: str
    value: float
    rounded: float

    @property
    def what(self) -> str:
        """For tables."""
        return f"{self.name} {self.value:g} as {self.rounded:g}"


def terms_of(text: str) -> tuple[Term, ...]:
    """Every term of a valid program."""
    found = text_terms(Draft.read(text))
    return tuple(Term(number, len(found), place) for number, place in enumerate(found))


def without_unused(text: str) -> str:
    """The text without assignments, functions, constants and heads that nothing reads; the same text where all are read."""
    draft = Draft.read(text)
    before = ast.dump(draft.tree)
    tidy(draft)
    if ast.dump(draft.tree) == before:
        return text
    _note(draft, "unused parts left out")
    return draft.text()


def without_term(text: str, term: Term) -> str | None:
    """The text without a term and what only that term read; None where it is the last one, or gone with another."""
    draft = Draft.read(text)
    if not drop(draft, term.place):
        return None
    tidy(draft)
    _note(draft, f"no {ordinal(term.number)} term of {term.total}")
    return draft.text()


def roundings(text: str) -> Iterator[Rounding]:
    """For each float constant with more than two digits that count a number of two, for each with more than one a number of one.

    Numbers between 0.9 and 1 are rounded by their distance to 1: there 0.99 and 0.95 are as different as 0.01 and 0.05.
    """
    for name, value in Draft.read(text).constants.items():
        if isinstance(value, float):
            shorter = dict.fromkeys(one for one in (_shortened(value, 1), _shortened(value, 2)) if one != value)
            yield from (Rounding(name, value, one) for one in shorter)


def with_rounding(text: str, rounding: Rounding) -> str | None:
    """The text with a shorter number; None where the constant is gone or its declared bounds forbid it."""
    draft = Draft.read(text)
    if draft.constants.get(rounding.name) != rounding.value:
        return None
    entry = draft.entry("CONSTANTS", rounding.name)
    if isinstance(entry, ast.Tuple):
        low, high = (float(ast.literal_eval(one)) for one in entry.elts[1:])
        if not low <= rounding.rounded <= high:
            return None
        entry.elts[0] = expression(repr(rounding.rounded))
    else:
        draft.declare("CONSTANTS", rounding.name, rounding.rounded)
    _note(draft, f"{rounding.name} rounded")
    return draft.text()


def _shortened(value: float, digits: int) -> float:
    if 0.9 < value < 1:
        return round(1 - _shortened(1 - value, digits), 12)
    return float(f"{value:.{digits}g}") if value and math.isfinite(value) else value


def _note(draft: Draft, change: str) -> None:
    """Adds a change to the line of the docstring that lists them."""
    text = (ast.get_docstring(draft.tree, clean=False) or "").rstrip()
    earlier = _NOTE.search(text)
    changes = [*(" ".join(earlier[1].split()).split("; ") if earlier else ()), change]
    note = "\n".join(textwrap.wrap(f"Simplified: {'; '.join(changes)}.", _WIDTH))
    draft.tree.body[0] = ast.Expr(ast.Constant(f"{_NOTE.sub('', text)}\n\n{note}\n"))
