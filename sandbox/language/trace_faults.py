"""What went wrong with a program while it was traced: a code, a place and a name, never a message.

Runs inside the sandbox. The text of an exception could carry anything the program has seen, so it is only looked at here, to choose a code.
"""

from __future__ import annotations

import ast
import re
import traceback
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType, FrameType, TracebackType
from typing import NamedTuple

from sandbox.language.trees import parse_module

FILENAME = "<program>"
"""The program's text is compiled under this name; frames of this file are the program's."""


class Place(NamedTuple):
    """Where in the text, 1-based lines and columns, both ends included as Python counts them. Line 0: nowhere in particular."""

    line: int = 0
    column: int = 0
    end_line: int = 0
    end_column: int = 0


NOWHERE = Place()


@dataclass(frozen=True)
class Fault:
    """All that crosses the wall about a program's error. `name` is one of our own table or stands in the program's text."""

    code: str
    line: int = 0
    column: int = 0
    name: str = ""


class TraceError(Exception):
    """Raised by our own tracing code for the program's fault. Without a place, the innermost program frame is meant."""

    def __init__(self, code: str, name: str = "", place: Place | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.name = name
        self.place = place


_DTYPE = re.compile(
    r"dtype|data ?type|scalar type|can't be cast|Promotion of|must be (long|int|bool)|floating[- ]point|integral", re.IGNORECASE
)
_SHAPE = re.compile(
    r"must match|broadcast|invalid for input of size|[Ss]izes? of tensor|size mismatch|same (size|shape|reduction dim|number of dim)"
    r"|cannot be multiplied|expected size|expects each tensor|out of (range|bounds)|dimension|too many indices|output with shape"
    r"|incompatible with input|split_with_sizes|non-empty list|stack expects|shape",
    re.IGNORECASE,
)
_MEMORY = re.compile(r"can't allocate memory|not enough memory|std::bad_alloc|Storage size calculation overflowed", re.IGNORECASE)
_NUMBER_WANTED = re.compile(
    r"FakeTensor|integer tensors of a single element|Boolean value of Tensor|Tensor object cannot be interpreted|data-dependent"
)
_NOT_A_LITERAL = re.compile(r"data is not allocated yet")
_ARGUMENTS = re.compile(
    r"invalid combination of arguments|argument '\w+'|must be Tensor|unexpected keyword|positional argument|got an unexpected"
)
_PYTHON_ERRORS = frozenset(
    {"TypeError", "ValueError", "IndexError", "KeyError", "ZeroDivisionError", "NameError", "UnboundLocalError", "AttributeError"}
    | {"OverflowError", "ImportError", "SyntaxError", "AssertionError", "StopIteration", "FloatingPointError"}
)


def find_fault(error: BaseException, text: str, constants: Collection[str] = ()) -> Fault:
    """The code, place and name for an exception that left the program. `constants` are those that are tensors."""
    if isinstance(error, SyntaxError) and error.filename == FILENAME:
        return Fault("python-error:SyntaxError", error.lineno or 0, error.offset or 0)
    code, name = (error.code, error.name) if isinstance(error, TraceError) else _classify(error)
    place = error.place if isinstance(error, TraceError) and error.place else error_place(error)
    if not isinstance(error, TraceError | MemoryError) and not place.line:
        code, name = "untraceable", ""  # it was our machinery that stumbled over the program
    if not place.line:
        place = result_place(text, "initial_state" if code == "initial-state" else "loss")
    if code == "data-dependent" and not name:
        constant = _constant_in(text, place, constants)
        code, name = ("constant-as-number", constant) if constant else (code, name)
    return Fault(code, place.line, place.column, name or called_name(text, place))


def _classify(error: BaseException) -> tuple[str, str]:
    message = str(error)
    if isinstance(error, RecursionError):
        return "recursion", ""
    if isinstance(error, MemoryError) or _MEMORY.search(message):
        return "memory", ""
    function = getattr(error, "function", None)
    if isinstance(error, ValueError) and type(error).__name__ == "ToolkitError" and isinstance(function, str):
        return "toolkit-shape", f"rl.{function}"
    if isinstance(error, TypeError) and _ARGUMENTS.search(message):
        return "wrong-argument", ""
    if isinstance(error, RuntimeError) and _NOT_A_LITERAL.search(message):
        return "tensor-of-tensors", ""
    if isinstance(error, TypeError | RuntimeError) and _NUMBER_WANTED.search(message):
        return "data-dependent", ""
    return _classify_by_origin(error, message), ""


def _constant_in(text: str, place: Place, constants: Collection[str]) -> str:
    """The first `c.NAME` in the expression at `place` that is a tensor."""
    lines = text.splitlines()
    if not 1 <= place.line <= len(lines):
        return ""
    end = place.end_column - 1 if place.end_line == place.line else None
    found = re.findall(r"\bc\.(\w+)", lines[place.line - 1][place.column - 1 : end])
    return next((name for name in found if name in constants), "")


def _classify_by_origin(error: BaseException, message: str) -> str:
    """Torch raises the same few types for everything, so its messages have to be told apart; Python's own errors are known by type."""
    kind = next((cls.__name__ for cls in type(error).__mro__ if cls.__name__ in _PYTHON_ERRORS), None)
    in_program = _raised_in_program(error)
    if isinstance(error, RuntimeError | IndexError | ValueError) and (
        not in_program or isinstance(error, RuntimeError) or "tensor" in message
    ):
        if _DTYPE.search(message):
            return "dtype"
        if _SHAPE.search(message) and kind in {None, "IndexError", "ValueError"}:
            return "shape-mismatch"
    return f"python-error:{kind}" if kind else "torch-error"


def _raised_in_program(error: BaseException) -> bool:
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return bool(frames) and frames[-1].f_code.co_filename == FILENAME


# ------------------------------------------------------------------------------------------------------- places
def error_place(error: BaseException) -> Place:
    """Where the innermost frame of the program stood when `error` left it."""
    found = NOWHERE
    entry: TracebackType | None = error.__traceback__
    while entry is not None:
        if entry.tb_frame.f_code.co_filename == FILENAME:
            found = frame_place(entry.tb_frame, entry.tb_lasti)
        entry = entry.tb_next
    return found


def running_place(frame: FrameType | None) -> Place:
    """Where the innermost frame of the program stands, at or outside `frame`."""
    while frame is not None:
        if frame.f_code.co_filename == FILENAME:
            return frame_place(frame, frame.f_lasti)
        frame = frame.f_back
    return NOWHERE


def frame_place(frame: FrameType, instruction: int) -> Place:
    """The text of the instruction at byte offset `instruction`."""
    positions = _positions(frame.f_code)
    line, end_line, column, end_column = positions[instruction // 2] if 0 <= instruction < 2 * len(positions) else (None,) * 4
    if line is None:
        return NOWHERE
    return Place(line, 1 + (column or 0), end_line or line, 1 + (end_column or 0))


def result_place(text: str, function: str) -> Place:
    """The last `return` of a top-level function, or the function itself."""
    for node in _tree(text).body:
        if isinstance(node, ast.FunctionDef) and node.name == function:
            found = next((one for one in reversed(node.body) if isinstance(one, ast.Return)), node)
            return Place(found.lineno, found.col_offset + 1)
    return NOWHERE


def called_name(text: str, place: Place) -> str:
    """The function's own name where `place` is a call such as `torch.nonzero(x)`: `nonzero`. Empty for anything else."""
    for node in ast.walk(_tree(text)):
        if isinstance(node, ast.Call) and _covers(node, place):
            function = node.func
            return function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""
    return ""


def _tree(text: str) -> ast.Module:
    try:
        return parse_module(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ast.Module(body=[], type_ignores=[])


@lru_cache(maxsize=256)
def _positions(code: CodeType) -> tuple[tuple[int | None, int | None, int | None, int | None], ...]:
    return tuple(code.co_positions())


def _covers(node: ast.Call, place: Place) -> bool:
    return (node.lineno, node.col_offset + 1, node.end_lineno, (node.end_col_offset or 0) + 1) == place
