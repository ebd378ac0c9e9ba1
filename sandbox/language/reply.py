"""Finds the program in what a language model wrote: fenced, bare, or as the `code` of a JSON object, outside its thinking."""

from __future__ import annotations

import ast
import html
import json
import re
import textwrap
from collections.abc import Iterator
from typing import Final

from sandbox.errors import Refusal
from sandbox.language.source import parse_python

_THINKING: Final = re.compile(r"<(think|thinking|reasoning)>.*?(</\1>|\Z)", re.DOTALL | re.IGNORECASE)
_END_OF_THINKING: Final = re.compile(r"\A.*</(?:think|thinking|reasoning)>", re.DOTALL | re.IGNORECASE)  # where a template opened it
_FENCE: Final = re.compile(r"[ \t]*(?P<mark>`{3,}|~{3,})[ \t]*(?P<language>[^`\n]*)")
_DOCSTRING_START: Final = re.compile(r"[rRuU]?(\"\"\"|''')")
_LOOKS_LIKE: Final = re.compile(r"^def loss\s*\(", re.MULTILINE)
_MOST_FENCES: Final = 60
_MOST_CUTS: Final = 20
_MOST_CHARACTERS: Final = 200_000  # longer candidates are not worth parsing


def find_program(reply: str) -> str | None:
    """Text of the last complete program in a reply, else of the last thing that looks like one, else None.

    Complete: Python that binds HEADS and defines `loss`. Something incomplete is returned as well, so that the parse gate can say what is
    wrong with it.
    """
    text = reply.replace("\r\n", "\n").replace("\r", "\n").lstrip("\ufeff")
    text = _END_OF_THINKING.sub("", _THINKING.sub("", text))
    inner = _code_of_json(text)
    if inner is not None:
        return find_program(inner)
    lines = text.split("\n")
    for candidate in (*_fenced(lines), *_bare(lines)):
        program = _complete(candidate)
        if program is not None:
            return program
    return _incomplete(lines)


def _code_of_json(text: str) -> str | None:
    """The `code` field of a reply that is a JSON object, fenced or with prose around it."""
    start, end = text.find("{"), text.rfind("}")
    if start < 0 or '"code"' not in text[start:end]:
        return None
    try:
        value = json.loads(text[start : end + 1], strict=False)
    except (ValueError, RecursionError):
        return None
    code = value.get("code") if isinstance(value, dict) else None
    return code if isinstance(code, str) else None


def _fenced(lines: list[str]) -> Iterator[str]:
    """Every stretch from a fence to a possible end of it, last fence first, nearest end first. A docstring may hold fences."""
    fences = [(index, match) for index, line in enumerate(lines) if (match := _FENCE.fullmatch(line))][-_MOST_FENCES:]
    for position in range(len(fences) - 1, -1, -1):
        start, opening = fences[position]
        for end, closing in fences[position + 1 :]:
            if closing["language"].strip() == "" and closing["mark"].startswith(opening["mark"]):
                yield _dedent(lines[start + 1 : end])
        yield _dedent(lines[start + 1 :])


def _bare(lines: list[str]) -> Iterator[str]:
    """From every line that could open a module, docstrings (last first) before others, the longest stretch that Python reads.

    What ends a stretch is prose; an indented line that Python cannot read is a mistake in a function, which the gate is to explain.
    """
    docstrings = [index for index, line in enumerate(lines) if _DOCSTRING_START.match(line)]
    others = [index for index, line in enumerate(lines) if line.startswith(("HEADS", "import "))]
    for start in (*reversed(docstrings[-_MOST_FENCES:]), *others[:_MOST_FENCES]):
        end = len(lines)
        for _ in range(_MOST_CUTS):
            text = "\n".join(lines[start:end])
            fault = _fault_line(text)
            if fault is None:
                yield text
                break
            if not 1 < fault <= end - start or lines[start + fault - 1][:1].isspace():
                break
            end = start + fault - 1


def _fault_line(text: str) -> int | None:
    """Line of the first syntax error, None if there is none."""
    try:
        parse_python(text)
    except Refusal as refusal:
        return refusal.line
    return None


def _complete(candidate: str) -> str | None:
    """The candidate as a program text if it is complete; HTML entities are undone only where that is what it takes."""
    if not _LOOKS_LIKE.search(candidate) or len(candidate) > _MOST_CHARACTERS:
        return None
    for text in (candidate, html.unescape(candidate)):
        try:
            tree = parse_python(text)
        except Refusal:
            continue
        return _tidy(text) if _has_parts(tree) else None
    return None


def _has_parts(tree: ast.Module) -> bool:
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names.update(target.id for target in targets if isinstance(target, ast.Name))
    return {"HEADS", "loss"} <= names


def _incomplete(lines: list[str]) -> str | None:
    """The last fenced text, else everything from the first line of code on, if a `loss` is defined in it."""
    for candidate in _fenced(lines):
        if _LOOKS_LIKE.search(candidate):
            return _tidy(candidate)
    for index, line in enumerate(lines):
        if _DOCSTRING_START.match(line) or line.startswith(("HEADS", "import ", "def ")):
            text = "\n".join(lines[index:])
            return _tidy(text) if _LOOKS_LIKE.search(text) else None
    return None


def _dedent(lines: list[str]) -> str:
    return textwrap.dedent("\n".join(lines))


def _tidy(text: str) -> str:
    return text.lstrip("\n").rstrip() + "\n"
