"""Prints a changed program: untouched statements as they were written, changed ones by `ast.unparse` with readable line breaks."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

_WIDTH: Final = 120
_INDENT: Final = "    "


def remember_text(text: str, tree: ast.Module) -> None:
    """Notes on every statement of the module and of its functions how it was written, comments and blank lines before it included."""
    lines = text.split("\n")
    _remember(lines, tree.body, 1)


def _remember(lines: list[str], body: list[ast.stmt], first: int) -> None:
    shared = {one.lineno for one, other in pairwise(body) if (one.end_lineno or 0) >= other.lineno}
    for statement in body:
        end = statement.end_lineno or statement.lineno
        if shared & set(range(first, end + 1)):  # several on one line are printed anew
            continue
        statement.lossmith_before = lines[first - 1 : statement.lineno - 1]  # type: ignore[attr-defined]
        statement.lossmith_lines = lines[statement.lineno - 1 : end]  # type: ignore[attr-defined]
        statement.lossmith_dump = ast.dump(statement)  # type: ignore[attr-defined]
        if isinstance(statement, ast.FunctionDef) and statement.body[0].lineno > statement.lineno:
            _remember(lines, statement.body, statement.body[0].lineno)
        first = end + 1


def print_program(tree: ast.Module) -> str:
    """The whole text."""
    chunks = [line for statement in tree.body for line in _statement(statement, "", top=True)]
    text = "\n".join(line.rstrip() for line in chunks).strip("\n")
    return _squeeze(text) + "\n"


def _squeeze(text: str) -> str:
    while "\n\n\n\n" in text:
        text = text.replace("\n\n\n\n", "\n\n\n")
    return text


def _statement(statement: ast.stmt, indent: str, top: bool = False) -> Iterator[str]:
    before = getattr(statement, "lossmith_before", None)
    is_function = isinstance(statement, ast.FunctionDef)
    yield from before if before is not None else (["", ""] if is_function and top else [])
    if getattr(statement, "lossmith_dump", None) == ast.dump(statement):
        yield from statement.lossmith_lines  # type: ignore[attr-defined]
    elif isinstance(statement, ast.FunctionDef):
        yield f"{indent}def {statement.name}({ast.unparse(statement.args)}):"
        for inner in statement.body:
            yield from _statement(inner, indent + _INDENT)
    else:
        for line in _layout(statement, len(indent)).split("\n"):
            yield indent + line


def _layout(statement: ast.stmt, indent: int) -> str:
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant) and isinstance(statement.value.value, str):
        return _docstring(statement.value.value)
    flat = _double_quotes(ast.unparse(statement))
    if len(flat) + indent <= _WIDTH or "\n" in flat:
        return flat
    if isinstance(statement, ast.Assign):
        return f"{' = '.join(ast.unparse(one).strip('()') for one in statement.targets)} = {_break(statement.value)}"
    if isinstance(statement, ast.Return) and statement.value is not None:
        return f"return {_break(statement.value)}"
    return flat


def _docstring(text: str) -> str:
    quoted = text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    return f'"""{quoted}"""'


def _break(value: ast.expr) -> str:
    """A long expression on several lines: a dict by entries, a sum by terms, a call by arguments, a pair by its two parts."""
    if isinstance(value, ast.Dict):
        rows = [f"{_flat(key) if key else '**'}: {_flat(entry)}," for key, entry in zip(value.keys, value.values, strict=True)]
        return _lines("{", rows, "}")
    terms = signed_terms(value)
    if len(terms) > 1:
        return _lines("(", [f"{_mark(number, sign)}{_operand(term)}" for number, (sign, term) in enumerate(terms)], ")")
    if isinstance(value, ast.Call):
        arguments = [*map(_flat, value.args), *(_double_quotes(ast.unparse(one)) for one in value.keywords)]
        return _lines(f"{ast.unparse(value.func)}(", [f"{one}," for one in arguments], ")")
    if isinstance(value, ast.Tuple):
        return _lines("(", [f"{_fit(one)}," for one in value.elts], ")")
    return _flat(value)


def _mark(number: int, sign: int) -> str:
    """What stands before a term: nothing or a minus before the first, `+ ` or `- ` before the others."""
    if number == 0:
        return "" if sign > 0 else "-"
    return "+ " if sign > 0 else "- "


def _fit(value: ast.expr) -> str:
    flat = _flat(value)
    return flat if len(flat) <= _WIDTH - 12 else _break(value)


def _lines(opening: str, rows: list[str], closing: str) -> str:
    inner = [_INDENT + line for row in rows for line in row.split("\n")]
    return "\n".join([opening, *inner, closing])


def _operand(term: ast.expr) -> str:
    flat = _flat(term)
    is_sum = isinstance(term, ast.BinOp) and isinstance(term.op, ast.Add | ast.Sub)
    loose = is_sum or isinstance(term, ast.IfExp | ast.Lambda | ast.Compare)
    return f"({flat})" if loose else flat


def _flat(node: ast.expr) -> str:
    return _double_quotes(ast.unparse(node))


def _double_quotes(code: str) -> str:
    """`ast.unparse` writes 'name'; programs write "name". Texts that hold quotes stay as they are."""
    return code if '"' in code or "\\" in code else code.replace("'", '"')


def signed_terms(expression: ast.expr) -> list[tuple[int, ast.expr]]:
    """The terms of a sum in order, each with its sign; a minus before a whole product belongs to the sign."""
    if isinstance(expression, ast.BinOp) and isinstance(expression.op, ast.Add | ast.Sub):
        sign = 1 if isinstance(expression.op, ast.Add) else -1
        right = [(sign * one, term) for one, term in signed_terms(expression.right)]
        return signed_terms(expression.left) + right
    if isinstance(expression, ast.UnaryOp) and isinstance(expression.op, ast.USub):
        return [(-one, term) for one, term in signed_terms(expression.operand)]
    if isinstance(expression, ast.BinOp) and isinstance(expression.op, ast.Mult | ast.Div):
        sign, left = _leading_sign(expression.left)
        if sign < 0:
            return [(-1, ast.BinOp(left, expression.op, expression.right))]
    return [(1, expression)]


def _leading_sign(expression: ast.expr) -> tuple[int, ast.expr]:
    if isinstance(expression, ast.UnaryOp) and isinstance(expression.op, ast.USub):
        return -1, expression.operand
    if isinstance(expression, ast.BinOp) and isinstance(expression.op, ast.Mult | ast.Div):
        sign, left = _leading_sign(expression.left)
        return sign, ast.BinOp(left, expression.op, expression.right)
    return 1, expression


def sum_of(terms: list[tuple[int, ast.expr]]) -> ast.expr:
    """The sum of signed terms as one expression; at least one."""
    sign, total = terms[0]
    if sign < 0:
        total = ast.UnaryOp(ast.USub(), total)
    for sign, term in terms[1:]:
        total = ast.BinOp(total, ast.Add() if sign > 0 else ast.Sub(), term)
    return total
