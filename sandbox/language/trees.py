"""Syntax trees, one at a time.

CPython 3.11 counts the depth of a tree's construction in one place for all threads: two that parse at the same time may end in a
`SystemError: AST constructor recursion depth mismatch` (github.com/python/cpython/issues/106905). Proposals are written and judged in
many threads.
"""

from __future__ import annotations

import ast
import threading

_ONE_AT_A_TIME = threading.Lock()


def parse_module(text: str) -> ast.Module:
    """`ast.parse` of a whole text. Raises what that raises."""
    with _ONE_AT_A_TIME:
        return ast.parse(text)


def parse_expression(text: str) -> ast.expr:
    """`ast.parse` of one expression. Raises what that raises."""
    with _ONE_AT_A_TIME:
        return ast.parse(text, mode="eval").body
