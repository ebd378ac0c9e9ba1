"""Edits with two parents: a term of the other one is taken over, with everything it is computed from."""

from __future__ import annotations

import ast
import copy

import numpy as np

from sandbox.language import limits
from sandbox.records import Head
from synth.proposers.edits.draft import Draft, expression, log_uniform, names_read, names_stored, pick
from synth.proposers.edits.naming import name_of
from synth.proposers.edits.numbers import Mates
from synth.proposers.edits.tidy import tidy


def take_term(draft: Draft, stream: np.random.Generator, mates: Mates) -> str | None:
    """Adds a term of another parent; or puts it in the place of the own term that trains the same heads."""
    others = [mate for mate in mates if mate.function("initial_state") is None and mate.terms]
    if not others or not draft.terms:
        return None
    mate = pick(stream, others).copy()
    sign, term = pick(stream, mate.terms)
    phrase = f"the {name_of(mate, term)} of {short_title(mate.program.title)}"
    needed = _needed(mate, term)
    if needed is None or not _merge_heads(draft, mate, needed, term):
        return None
    renaming = _Rename(_merge_constants(draft, mate, needed, term))
    _merge_helpers(draft, mate, needed, term, renaming)
    kept = _merge_statements(draft, needed, renaming)
    term = renaming.visit(copy.deepcopy(term))
    position = len(draft.loss.body) - 1
    draft.loss.body[position:position] = kept
    terms = draft.terms
    rival = _rival(draft, terms, term)
    if rival is not None and stream.random() < 0.5:
        terms[rival] = (sign, term)
    else:
        weight = draft.add_constant("graft_cost", log_uniform(stream, 0.1, 1.0))
        terms.append((sign, ast.BinOp(expression(f"c.{weight}"), ast.Mult(), term)))
    draft.set_terms(terms)
    tidy(draft)
    return phrase


def short_title(title: str) -> str:
    """The name of an algorithm: its title up to the first colon or comma."""
    for mark in (": ", ", ", ". "):
        title = title.partition(mark)[0]
    return title.rstrip(".")[:50]


class _Rename(ast.NodeTransformer):
    """Renames constants and heads (as attributes) and local names."""

    def __init__(self, constants: dict[str, str]) -> None:
        self.constants = constants
        self.names: dict[str, str] = {}

    def visit_Name(self, node: ast.Name) -> ast.Name:
        return ast.Name(self.names.get(node.id, node.id), node.ctx)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if isinstance(node.value, ast.Name) and node.value.id == "c":
            return ast.Attribute(node.value, self.constants.get(node.attr, node.attr), node.ctx)
        return self.generic_visit(node)


def _needed(mate: Draft, term: ast.expr) -> list[ast.Assign] | None:
    """The statements of the mate's `loss` that a term is computed from, in order; None where one is no plain assignment."""
    wanted = names_read(term)
    found: list[ast.Assign] = []
    for statement in reversed(mate.loss.body[:-1]):
        if not names_stored(statement) & wanted:
            continue
        if not isinstance(statement, ast.Assign) or names_read(statement) & {"state"}:
            return None
        found.append(statement)
        wanted |= names_read(statement)
    return found[::-1]


def _attributes(nodes: list[ast.AST], names: dict[str, object]) -> list[str]:
    read = {one.attr for node in nodes for one in ast.walk(node) if isinstance(one, ast.Attribute)}
    return [name for name in names if name in read]


def _used(mate: Draft, needed: list[ast.Assign], term: ast.expr) -> list[ast.AST]:
    """Everything taken over: the term, its statements and the helpers these call."""
    nodes: list[ast.AST] = [term, *needed]
    helpers = {one.name: one for one in mate.tree.body if isinstance(one, ast.FunctionDef) and one.name != "loss"}
    for node in nodes:  # grows while it is walked: helpers call helpers
        nodes.extend(helpers[name] for name in sorted(names_read(node)) if name in helpers and helpers[name] not in nodes)
    return nodes


def _merge_heads(draft: Draft, mate: Draft, needed: list[ast.Assign], term: ast.expr) -> bool:
    """Declares the heads that are missing; False where one of the same name differs, or there is no room."""
    names = _attributes(_used(mate, needed, term), dict(mate.heads))
    missing = [name for name in names if name not in draft.heads]
    if any(name in draft.heads and draft.heads[name] != mate.heads[name] for name in names):
        return False
    if len(draft.heads) + len(missing) > limits.HEADS:
        return False
    for name in missing:
        head = mate.heads[name]
        draft.add_head(name, _size(head))
    return True


def _size(head: Head) -> str | int | tuple[str, int]:
    return ("A", head.size) if head.vector else "A" if head.per_action else head.size


def _merge_constants(draft: Draft, mate: Draft, needed: list[ast.Assign], term: ast.expr) -> dict[str, str]:
    """New names of the mate's constants: equal ones are shared, others are declared."""
    renamed: dict[str, str] = {}
    for name in _attributes(_used(mate, needed, term), dict(mate.constants)):
        value = mate.constants[name]
        same = draft.constants.get(name)
        shared = same == value and type(same) is type(value)
        renamed[name] = name if shared else draft.add_constant(name, value)
    return renamed


def _merge_helpers(draft: Draft, mate: Draft, needed: list[ast.Assign], term: ast.expr, renaming: _Rename) -> None:
    """Takes over helper functions and numbers of the module, under new names where theirs are taken by something else."""
    nodes = _used(mate, needed, term)
    read = {name for node in nodes for name in names_read(node)}
    for statement in mate.tree.body:
        name = _top_name(statement)
        if name not in read or name is None:
            continue
        if any(ast.dump(one) == ast.dump(statement) for one in draft.tree.body):
            continue
        if any(_top_name(one) == name for one in draft.tree.body):
            renaming.names[name] = draft.fresh(name)
    _copy_helpers(draft, mate, read, renaming)


def _copy_helpers(draft: Draft, mate: Draft, read: set[str], renaming: _Rename) -> None:
    for statement in mate.tree.body:
        name = _top_name(statement)
        if name is None or name not in read or any(ast.dump(one) == ast.dump(statement) for one in draft.tree.body):
            continue
        clone = renaming.visit(copy.deepcopy(statement))
        if isinstance(clone, ast.FunctionDef):
            clone.name = renaming.names.get(name, name)
        draft.tree.body.insert(draft.tree.body.index(draft.loss), clone)


def _top_name(statement: ast.stmt) -> str | None:
    if isinstance(statement, ast.FunctionDef):
        return statement.name if statement.name not in {"loss", "initial_state"} else None
    target = statement.targets[0] if isinstance(statement, ast.Assign) else None
    return target.id if isinstance(target, ast.Name) and target.id not in {"HEADS", "CONSTANTS", "TRAINING", "ACT"} else None


def _merge_statements(draft: Draft, needed: list[ast.Assign], renaming: _Rename) -> list[ast.Assign]:
    """The statements to insert: those the draft has already are shared, taken names are changed."""
    kept: list[ast.Assign] = []
    own = {ast.unparse(one) for one in draft.loss.body}
    for statement in needed:
        clone = renaming.visit(copy.deepcopy(statement))
        if ast.unparse(clone) in own and not any(draft_assigns_twice(draft, name) for name in names_stored(clone)):
            continue
        for name in sorted(names_stored(statement)):
            if name not in renaming.names:
                renaming.names[name] = draft.fresh(name)
        kept.append(renaming.visit(copy.deepcopy(statement)))
    return kept


def draft_assigns_twice(draft: Draft, name: str) -> bool:
    """Whether `loss` gives a name more than one meaning."""
    return sum(name in names_stored(statement) for statement in draft.loss.body) > 1


def _rival(draft: Draft, terms: list[tuple[int, ast.expr]], term: ast.expr) -> int | None:
    """Index of the own term with the same short name, that the new one could replace."""
    name = name_of(draft, term)
    return next((index for index, (_, one) in enumerate(terms) if name != "one term" and name_of(draft, one) == name), None)
