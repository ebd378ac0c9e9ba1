"""Edits of the loss as a sum: a term added from a table, dropped, or weighed differently."""

from __future__ import annotations

import ast
from typing import Final

import numpy as np

from synth.proposers.edits.draft import Draft, expression, log_uniform, pick
from synth.proposers.edits.kinds import STEPS, kind_of
from synth.proposers.edits.naming import expanded_code, name_of
from synth.proposers.edits.numbers import Mates
from synth.proposers.edits.sketch import discounts, sketch
from synth.proposers.edits.term_table import FACTORS, TERMS
from synth.proposers.edits.tidy import tidy

_LONG_FACTOR: Final = 60  # characters; a longer one gets a name and a line of its own


def add_term(draft: Draft, stream: np.random.Generator, mates: Mates) -> str | None:
    """Adds a term from the table that the program's heads allow and that is not there yet."""
    if not draft.terms:
        return None
    found = sketch(draft)
    names = found.names()
    fitting = [row for row in TERMS if set(row.needs.split()) <= set(names)]
    codes = {row: _filled(row.code, draft, names) for row in fitting}
    fitting = [row for row in fitting if not _is_there(draft, codes[row])]
    if not fitting:
        return None
    row = pick(stream, fitting)
    weight = draft.add_constant(row.weight, log_uniform(stream, row.low, row.high))
    if "{discounts}" in row.code:
        discounts(draft)  # declares the constant if it is new
    draft.set_terms([*draft.terms, (row.sign, _product(f"c.{weight}", expression(codes[row])))])
    return row.phrase


def _filled(code: str, draft: Draft, names: dict[str, str]) -> str:
    step = discounts(draft.copy()) if "{discounts}" in code else ""
    return code.format(**names, discounts=step)


def _is_there(draft: Draft, code: str) -> bool:
    inlined = ast.unparse(draft.loss)
    for statement in draft.loss.body:  # a head read through a local name
        if (
            isinstance(statement, ast.Assign)
            and isinstance(statement.targets[0], ast.Name)
            and "traj.online" in ast.unparse(statement.value)
        ):
            inlined = inlined.replace(f"({statement.targets[0].id})", f"({ast.unparse(statement.value)})")
    return ast.unparse(expression(code)) in inlined


def _product(weight: str, term: ast.expr) -> ast.expr:
    """`weight * term`, brackets added where the term is a sum."""
    return ast.BinOp(expression(weight), ast.Mult(), term)


def drop_term(draft: Draft, stream: np.random.Generator, mates: Mates) -> str | None:
    """Leaves out one of several terms; not the last that trains the acting head."""
    terms = draft.terms
    if len(terms) < 2:
        return None
    index = int(stream.integers(len(terms)))
    phrase = name_of(draft, terms[index][1])
    draft.set_terms(terms[:index] + terms[index + 1 :])
    tidy(draft)
    if not _learns_from_actions(draft):
        return None
    return f"no {phrase}"


def _learns_from_actions(draft: Draft) -> bool:
    """Whether a term is left in which what was done meets a head: without one the acting head learns nothing from rewards."""
    return any("traj.actions" in expanded_code(draft, term) for _, term in draft.terms)


def scale_term(draft: Draft, stream: np.random.Generator, mates: Mates) -> str | None:
    """Multiplies one `[T, B]` term by a factor that varies with progress, trust or surprise."""
    found = sketch(draft)
    names = found.names()
    terms = draft.terms
    candidates = [index for index, (_, term) in enumerate(terms) if kind_of(term, found.kinds, draft) == STEPS]
    factors = [one for one in FACTORS if (not one[0] or one[0] in names)]
    if not candidates:
        return None
    index = pick(stream, candidates)
    _, factor, phrase = pick(stream, factors)
    code = factor.format(**names)
    sign, term = terms[index]
    if code in ast.unparse(term) or not _keeps_learning(terms, code):
        return None
    label = f"the {name_of(draft, term)}"
    if len(code) > _LONG_FACTOR:
        name = draft.fresh("trust")
        draft.insert(f"{name} = {code}")
        code = name
    terms[index] = (sign, ast.BinOp(expression(code), ast.Mult(), term))
    draft.set_terms(terms)
    return phrase.format(term=label)


def _keeps_learning(terms: list[tuple[int, ast.expr]], factor: str) -> bool:
    """A rule with one term may not start from, or end in, silence."""
    return len(terms) > 1 or "progress" not in factor


def weigh_term(draft: Draft, stream: np.random.Generator, mates: Mates) -> str | None:
    """Gives one term without a constant a weight of its own."""
    terms = draft.terms
    free = [index for index, (_, term) in enumerate(terms) if "c." not in ast.unparse(term)]
    if len(terms) < 2 or not free:
        return None
    index = pick(stream, free)
    sign, term = terms[index]
    weight = draft.add_constant("term_cost", log_uniform(stream, 0.2, 4.0))
    terms[index] = (sign, _product(f"c.{weight}", term))
    draft.set_terms(terms)
    return f"the {name_of(draft, term)} weighed anew"
