"""Bounds on a program's text. All are checked before anything of it runs."""

from __future__ import annotations

from typing import Final

TEXT_BYTES: Final = 20_000  # UTF-8
LINES: Final = 200
LINE_CHARACTERS: Final = 160
NESTING: Final = 40  # open brackets plus levels of indentation
SYNTAX_NODES: Final = 3_000
SYNTAX_DEPTH: Final = 120  # of the syntax tree; a sum of n terms is n deep
HEADS: Final = 8
HEAD_SIZE: Final = 1_024
LITERAL: Final = 1e9  # magnitude of any number in the declarations
INTEGER: Final = 2**63 - 1  # magnitude of any integer in the code
TENSOR_LITERAL: Final = 1_024  # numbers in one `torch.tensor([…])`
