"""The same program with other constants: nothing of its text changes but the numbers."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

from sandbox.language.limits import LINE_CHARACTERS
from sandbox.language.trees import parse_module
from synth.proposers.edits.draft import Draft, expression


def with_constants(text: str, values: Mapping[str, float]) -> str:
    """The text of a valid program with these float constants set; declared bounds stay.

    Where a line would become longer than a program may have, the program is laid out anew.
    """
    lines = text.encode().splitlines(keepends=True)  # columns of the syntax tree count bytes
    for node, name in sorted(_numbers(text), key=lambda found: (found[0].lineno, found[0].col_offset), reverse=True):
        if name in values:
            _replace(lines, node, repr(float(values[name])).encode())
    changed = b"".join(lines).decode()
    return _laid_out(text, values) if max(map(len, changed.splitlines())) > LINE_CHARACTERS else changed


def _laid_out(text: str, values: Mapping[str, float]) -> str:
    draft = Draft.read(text)
    for name, value in values.items():
        entry = draft.entry("CONSTANTS", name)
        if isinstance(entry, ast.Tuple | ast.List):
            entry.elts[0] = expression(repr(float(value)))
        elif entry is not None:
            draft.declare("CONSTANTS", name, float(value))
    return draft.text()


def _numbers(text: str) -> Iterator[tuple[ast.expr, str]]:
    """Where the value of each constant stands, and its name."""
    for statement in parse_module(text).body:
        targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
        table = getattr(statement, "value", None)
        if isinstance(table, ast.Dict) and any(isinstance(target, ast.Name) and target.id == "CONSTANTS" for target in targets):
            for key, value in zip(table.keys, table.values, strict=True):
                assert isinstance(key, ast.Constant), "the contract: names in quotes"
                yield value.elts[0] if isinstance(value, ast.Tuple | ast.List) else value, str(key.value)


def _replace(lines: list[bytes], node: ast.expr, number: bytes) -> None:
    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    first, last = node.lineno - 1, node.end_lineno - 1
    lines[first : last + 1] = [lines[first][: node.col_offset] + number + lines[last][node.end_col_offset :]]
