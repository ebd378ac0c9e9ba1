"""Removes what an edit has left unused: statements, helper functions, constants, numbers and heads."""

from __future__ import annotations

import ast

from synth.proposers.edits.draft import Draft, names_read, names_stored


def tidy(draft: Draft) -> None:
    """Repeats until nothing more falls away. The acting head always stays."""
    while _drop_statements(draft) or _drop_definitions(draft):
        continue
    _drop_constants(draft)
    _drop_heads(draft)


def _drop_statements(draft: Draft) -> bool:
    """Assignments of plain names that nothing after them reads."""
    body = draft.loss.body
    for index, statement in enumerate(body):
        if not isinstance(statement, ast.Assign) or any(not _is_name(target) for target in statement.targets):
            continue
        later = {name for one in body[index + 1 :] for name in names_read(one)}
        if not names_stored(statement) & later:
            del body[index]
            return True
    return False


def _is_name(target: ast.expr) -> bool:
    return isinstance(target, ast.Name) or (isinstance(target, ast.Tuple) and all(map(_is_name, target.elts)))


def _drop_definitions(draft: Draft) -> bool:
    for statement in draft.tree.body:
        name = _defined(statement)
        if name is None:
            continue
        elsewhere = {one for other in draft.tree.body if other is not statement for one in names_read(other)}
        if name not in elsewhere:
            draft.tree.body.remove(statement)
            return True
    return False


def _defined(statement: ast.stmt) -> str | None:
    """The name of a helper or a number of the module; None for the parts of the contract."""
    if isinstance(statement, ast.FunctionDef):
        return None if statement.name in {"loss", "initial_state"} else statement.name
    target = statement.targets[0] if isinstance(statement, ast.Assign) else None
    if isinstance(target, ast.Name) and target.id not in {"HEADS", "CONSTANTS", "TRAINING", "ACT"}:
        return target.id
    return None


def _drop_constants(draft: Draft) -> None:
    read = {node.attr for node in ast.walk(draft.tree) if isinstance(node, ast.Attribute)}
    act = draft.declared("ACT")
    read |= {node.value for node in ast.walk(act) if isinstance(node, ast.Constant) and isinstance(node.value, str)} if act else set()
    for name in [name for name in draft.constants if name not in read]:
        del draft.constants[name]
        draft.undeclare("CONSTANTS", name)


def _drop_heads(draft: Draft) -> None:
    read = {node.attr for node in ast.walk(draft.tree) if isinstance(node, ast.Attribute)}
    for name in [name for name in draft.heads if name not in read and name != draft.act.head]:
        del draft.heads[name]
        draft.undeclare("HEADS", name)
