"""The toolkit functions that a program uses, with all that they need, as the source of one class called `rl`. Loads no torch.

Sources are taken as they stand in `sandbox.language`, without the checks of shapes, which every program has passed.
"""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator
from functools import cache
from typing import Final, NamedTuple

from sandbox.language.trees import parse_module

_MODULES: Final = ("sandbox.graph.recurrence", "sandbox.language.toolkit_maths", "sandbox.language.toolkit_returns")
_RENAMED: Final = {"scan": "linear_recurrence", "_torch": "torch", "Number": "Tensor | float"}


class _Piece(NamedTuple):
    """A function or a number of the toolkit: its syntax tree and the lines of its module."""

    node: ast.FunctionDef | ast.Assign
    lines: list[str]


class _Edit(NamedTuple):
    """On one line the characters from `start` to `end` become `text`."""

    line: int
    start: int
    end: int
    text: str


def toolkit_source(names: set[str]) -> tuple[str, str]:
    """(numbers of the module, methods of the class), both as text; the methods are indented. `names` are functions of `rl`."""
    wanted = _closure(names)
    pieces = {name: piece for name, piece in _pieces().items() if name in wanted}
    functions = {name for name, piece in pieces.items() if isinstance(piece.node, ast.FunctionDef)}
    numbers = [_text(piece.node, piece.lines, []) for name, piece in pieces.items() if name not in functions]
    methods = [_method(pieces[name], functions) for name in pieces if name in functions]
    return "\n".join(numbers), "\n\n".join(methods)


def used_functions(text: str) -> set[str]:
    """The functions of `rl` that a program's text reads."""
    nodes = ast.walk(parse_module(text))
    return {node.attr for node in nodes if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "rl"}


@cache
def _pieces() -> dict[str, _Piece]:
    found: dict[str, _Piece] = {}
    for module in _MODULES:
        spec = importlib.util.find_spec(module)
        source = spec.loader.get_source(module) if spec and spec.loader else None  # type: ignore[attr-defined]
        assert source is not None, f"{module} is installed as source"
        for node in parse_module(source).body:
            if isinstance(node, ast.FunctionDef) and node.name != "linear_recurrence":  # of which `scan` is the plain form
                found[_RENAMED.get(node.name, node.name)] = _Piece(node, source.split("\n"))
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and isinstance(node.value, ast.Constant):
                found[node.targets[0].id] = _Piece(node, source.split("\n"))
    return found


def _closure(names: set[str]) -> set[str]:
    wanted: set[str] = set()
    waiting = set(names)
    while waiting:
        name = waiting.pop()
        wanted.add(name)
        waiting |= {node.id for node in _free_names(_pieces()[name].node)} & _pieces().keys() - wanted
    return wanted


def _free_names(node: ast.AST) -> Iterator[ast.Name]:
    """Names that a function reads and neither gets as an argument nor sets, in what is left of it without its checks."""
    inside = [one for one in ast.walk(node) if isinstance(one, ast.Name | ast.arg)]
    bound = {one.arg for one in inside if isinstance(one, ast.arg)}
    bound |= {one.id for one in inside if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)}
    checks = {id(part) for check in _checks(node) for part in ast.walk(check)}
    return (one for one in inside if isinstance(one, ast.Name) and one.id not in bound and id(one) not in checks)


def _checks(node: ast.AST) -> list[ast.stmt]:
    """The statements that only look at shapes and raise."""
    body = node.body if isinstance(node, ast.FunctionDef) else []
    return [one for one in body if _is_check_call(one) or (isinstance(one, ast.If) and isinstance(one.body[0], ast.Raise))]


def _is_check_call(statement: ast.stmt) -> bool:
    call = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id.startswith("check_")


def _method(piece: _Piece, functions: set[str]) -> str:
    """A function as a static method: what it calls of the toolkit it calls by `rl`."""
    node = piece.node
    assert isinstance(node, ast.FunctionDef)
    edits = [_Edit(one.lineno, one.col_offset, one.col_offset + len(one.id), _new_name(one.id, functions)) for one in _free_names(node)]
    if node.name in _RENAMED:
        edits.append(_Edit(node.lineno, len("def "), len("def ") + len(node.name), _RENAMED[node.name]))
    lines = _text(node, piece.lines, edits).split("\n")
    return "\n".join(["    @staticmethod", *(f"    {line}" if line else line for line in lines)])


def _new_name(name: str, functions: set[str]) -> str:
    return f"rl.{name}" if name in functions else _RENAMED.get(name, name)


def _text(node: ast.stmt, lines: list[str], edits: list[_Edit]) -> str:
    """The lines of a statement with the edits made and the checks left out. Code is ASCII, so columns are characters."""
    last = node.end_lineno or node.lineno
    kept = {number: lines[number - 1] for number in range(node.lineno, last + 1)}
    for edit in sorted(edits, reverse=True):
        line = kept[edit.line]
        kept[edit.line] = line[: edit.start] + edit.text + line[edit.end :]
    for check in _checks(node):
        for number in range(check.lineno, (check.end_lineno or check.lineno) + 1):
            del kept[number]
    return "\n".join(kept[number] for number in sorted(kept))
