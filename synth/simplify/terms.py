"""The additive terms of a loss in its text: which there are, and the text without one of them.

A term is a summand of the returned expression; a name that is assigned once and read once stands for its own summands.
"""

from __future__ import annotations

import ast
from typing import NamedTuple

from synth.proposers.edits.draft import Draft
from synth.proposers.edits.printing import signed_terms, sum_of

_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")


class TextTerm(NamedTuple):
    """One summand. `code` and `twin` (how many equal ones stand before it) find it again after other terms have gone."""

    code: str
    twin: int
    line: int


class _Place(NamedTuple):
    """Where a summand stands: which of the `signed_terms` of the expression that `holder` holds."""

    holder: ast.Return | ast.Assign
    number: int
    term: ast.expr


def ordinal(number: int) -> str:
    """`second` for 1, `11th` for 10."""
    return _ORDINALS[number] if number < len(_ORDINALS) else f"{number + 1}th"


def text_terms(draft: Draft) -> tuple[TextTerm, ...]:
    """The terms in the order of the text as it is read from the return; empty where they cannot be told apart."""
    found: list[TextTerm] = []
    for place in _places(draft):
        code = ast.unparse(place.term)
        found.append(TextTerm(code, sum(one.code == code for one in found), getattr(place.term, "lineno", 0)))
    return tuple(found)


def drop(draft: Draft, term: TextTerm) -> bool:
    """Takes one term out of `draft`; False, and nothing changed, where it is the last or not there."""
    places = _places(draft)
    alike = [place for place in places if ast.unparse(place.term) == term.code]
    if not alike or len(places) < 2:
        return False
    place = alike[min(term.twin, len(alike) - 1)]
    left = [one for number, one in enumerate(signed_terms(_held(place.holder))) if number != place.number]
    _hold(place.holder, sum_of(left))
    if isinstance(place.holder, ast.Assign) and len(left) == 1:
        _inline(draft, place.holder)
    return True


def _places(draft: Draft) -> list[_Place]:
    return [] if draft.result is None else _places_in(draft, draft.result)


def _places_in(draft: Draft, holder: ast.Return | ast.Assign) -> list[_Place]:
    found: list[_Place] = []
    for number, (_, term) in enumerate(signed_terms(_held(holder))):
        inner = _simple_variable(draft, term)
        found += [_Place(holder, number, term)] if inner is None else _places_in(draft, inner)
    return found


def _simple_variable(draft: Draft, term: ast.expr) -> ast.Assign | None:
    """The assignment behind a name that is a sum, assigned once in the body of `loss` and read once."""
    if not isinstance(term, ast.Name):
        return None
    names = [node for node in ast.walk(draft.loss) if isinstance(node, ast.Name) and node.id == term.id]
    if len(names) != 2:
        return None
    for statement in draft.loss.body:
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1 and statement.targets[0] in names:
            return statement if len(signed_terms(statement.value)) > 1 else None
    return None


def _inline(draft: Draft, assignment: ast.Assign) -> None:
    """A name that no longer stands for a sum gives way to what it stands for, so that the last term is found again by its code."""
    (target,) = assignment.targets
    names = [node for node in ast.walk(draft.loss) if isinstance(node, ast.Name) and node.id == ast.unparse(target) and node is not target]
    draft.loss.body.remove(assignment)
    for name in names:
        draft.replace(name, assignment.value)


def _held(holder: ast.Return | ast.Assign) -> ast.expr:
    value = holder.value
    assert value is not None, "the contract: loss returns something"
    return value.elts[0] if isinstance(holder, ast.Return) and isinstance(value, ast.Tuple) else value


def _hold(holder: ast.Return | ast.Assign, value: ast.expr) -> None:
    if isinstance(holder, ast.Return) and isinstance(holder.value, ast.Tuple):
        holder.value.elts[0] = value
    else:
        holder.value = value
