"""What an exported file needs to know of a program's text."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator
from typing import NamedTuple

from sandbox.errors import UsageError
from sandbox.language.trees import parse_module

TAKEN = frozenset({"gym", "np", "nn"})
"""Names of the exported file that a program might give to a function of its own; all others are CamelCase or reserved in the language."""


KNOWN = frozenset(dir(builtins)) | {"Tensor", "torch", "F", "math"}
"""What an annotation may name in the exported file."""


class Parts(NamedTuple):
    """A program's text in two parts, and what it reads."""

    docstring: str  # as it is written, quotes included
    code: str  # everything else but imports
    declared: frozenset[str]  # of HEADS, CONSTANTS, TRAINING and ACT
    settings: frozenset[str]  # the keys of TRAINING
    modules: frozenset[str]  # of F and math, those that are read
    reads_behaviour: bool  # a head as it was when the actions were chosen
    reads_target: bool
    annotated: bool
    lint: tuple[str, ...]  # codes of the linter's rules that the program's own text does not keep


def split(text: str) -> Parts:
    """Takes a valid program's text apart. UsageError where one of its functions has a name that the file itself needs."""
    tree = parse_module(text)
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    if functions & TAKEN:
        name = min(functions & TAKEN)
        raise UsageError(f"The program has a function called `{name}`, a name that the exported file needs.", "Rename it in the program.")
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    declared = dict(_assigned(tree))
    training = declared.get("TRAINING")
    keys = training.keys if isinstance(training, ast.Dict) else []
    return Parts(
        docstring=_docstring(text, tree),
        code=_code(text, tree),
        declared=frozenset(declared),
        settings=frozenset(str(key.value) for key in keys if isinstance(key, ast.Constant)),
        modules=frozenset(names & {"F", "math"}),
        reads_behaviour=_reads_behaviour(tree),
        reads_target=any(isinstance(node, ast.Attribute) and node.attr == "target" for node in ast.walk(tree)),
        annotated=bool(_annotations(tree)),
        lint=_lint(tree),
    )


def _assigned(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """The declarations and numbers of the module."""
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(name)], value=value) | ast.AnnAssign(target=ast.Name(name), value=ast.expr() as value):
                yield name, value


def _annotations(tree: ast.Module) -> list[ast.expr]:
    """Every annotation: the language strips them, so their names may mean nothing."""
    found = [node.annotation for node in ast.walk(tree) if isinstance(node, ast.arg | ast.AnnAssign)]
    found += [node.returns for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    return [one for one in found if one is not None]


def _lint(tree: ast.Module) -> tuple[str, ...]:
    """What a linter would say of the program's text, which is kept as it was written."""
    nodes = list(ast.walk(tree))
    names = [node for node in nodes if isinstance(node, ast.Name)]
    read = {node.id for node in names if isinstance(node.ctx, ast.Load)}
    lines = [target for node in nodes if isinstance(node, ast.FunctionDef) for target in _plain_targets(node)]
    hinted = {name.id for one in _annotations(tree) for name in ast.walk(one) if isinstance(name, ast.Name)}
    faults = {"F821": bool(hinted - KNOWN), "F841": any(name not in read for name in lines)}
    return tuple(code for code, found in faults.items() if found)


def _plain_targets(function: ast.FunctionDef) -> Iterator[str]:
    """Names that a function assigns alone; those unpacked from a tuple may stay unread."""
    for node in ast.walk(function):
        match node:
            case ast.Assign(targets=[ast.Name(name)]) | ast.AnnAssign(target=ast.Name(name)):
                yield name


def _docstring(text: str, tree: ast.Module) -> str:
    found = ast.get_source_segment(text, tree.body[0])
    assert found is not None, "the contract: a docstring comes first"
    return found


def _code(text: str, tree: ast.Module) -> str:
    """All lines but those of the docstring and of imports, which stand at the top of the file."""
    lines: list[str | None] = list(text.split("\n"))
    for node in tree.body[:1] + [one for one in tree.body if isinstance(one, ast.Import | ast.ImportFrom)]:
        for number in range(node.lineno, (node.end_lineno or node.lineno) + 1):
            lines[number - 1] = None
    return "\n".join(line for line in lines if line is not None).strip("\n")


def _reads_behaviour(tree: ast.Module) -> bool:
    """Whether anything but the actions' log-probability is read; what is handed on to a function counts as read."""
    nodes = list(ast.walk(tree))
    views = {id(node) for node in nodes if isinstance(node, ast.Attribute) and node.attr == "behaviour"}
    plain = {id(node.value) for node in nodes if isinstance(node, ast.Attribute) and node.attr == "log_prob"}
    return bool(views - plain)
