"""A program's functions as lines of mathematics: the loss, where its variables come from, the helpers, the carried state."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final, NamedTuple

from sandbox.language.trees import parse_module
from synth.card.expressions import maths, variable
from synth.card.notation import Lines, Maths, Operator, Row, Script, Sign, apply, bracket, listed, row
from synth.proposers.edits.printing import signed_terms

_LONG: Final = 90  # characters of code above which a sum is written a term a line
_GIVEN: Final = frozenset({"traj", "c", "state"})


class Formula(NamedTuple):
    """One line: mathematics, or where there is no notation for it a few words."""

    maths: Maths | None
    words: str = ""


class Function(NamedTuple):
    """A function: what it gives, and where that comes from."""

    name: str
    result: tuple[Formula, ...]
    where: tuple[Formula, ...]


def functions(text: str) -> tuple[Function, ...]:
    """The loss first, then helpers in the order of the text. `text` is a valid program."""
    found = [node for node in parse_module(text).body if isinstance(node, ast.FunctionDef) and node.name != "initial_state"]
    return tuple(_function(node) for node in sorted(found, key=lambda node: node.name != "loss"))


def _function(node: ast.FunctionDef) -> Function:
    lines = _Writer(node).lines(node.body)
    results = [formula for formula, is_result in lines if is_result]
    return Function(node.name, tuple(results), tuple(formula for formula, is_result in lines if not is_result))


class _Writer:
    """Writes the statements of one function; remembers which names have been given a value before."""

    def __init__(self, function: ast.FunctionDef) -> None:
        parameters = [one.arg for one in function.args.args]
        self._known = set(parameters)
        shown = [variable(name) for name in parameters if name not in _GIVEN]
        self._result: Maths = Operator("L") if function.name == "loss" else _head(function.name, shown)

    def lines(self, body: list[ast.stmt], cut: bool = False) -> list[tuple[Formula, bool]]:
        """Formulas, each with whether it is a result. `cut`: inside `torch.no_grad`."""
        found: list[tuple[Formula, bool]] = []
        for statement in body:
            match statement:
                case ast.Expr() | ast.Pass():
                    continue
                case ast.Return(value=ast.expr() as value):
                    found += [(formula, True) for formula in self._returned(value)]
                case ast.Assign(targets=[target]):
                    found += [(formula, False) for formula in self._assigned(target, statement.value, cut)]
                case ast.AnnAssign(target=target, value=ast.expr() as value):
                    found += [(formula, False) for formula in self._assigned(target, value, cut)]
                case ast.AugAssign(target=ast.Name(name), op=op, value=value):
                    grown = ast.BinOp(ast.Name(name), op, value)
                    found += [(formula, False) for formula in self._assigned(ast.Name(name), grown, cut)]
                case ast.With():
                    found += self.lines(statement.body, cut=True)
                case _:
                    found.append((_as_code(statement), False))
        return found

    def _returned(self, value: ast.expr) -> Iterator[Formula]:
        if isinstance(value, ast.Tuple) and len(value.elts) == 2 and self._result == Operator("L"):
            yield Formula(_equation(self._result, "=", value.elts[0]))
            if isinstance(value.elts[1], ast.Dict):
                yield from _entries(value.elts[1])
        else:
            yield Formula(_equation(self._result, "=", value))

    def _assigned(self, target: ast.expr, value: ast.expr, cut: bool) -> Iterator[Formula]:
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
            for one, other in zip(target.elts, value.elts, strict=True):
                yield from self._assigned(one, other, cut)
        elif isinstance(value, ast.Dict):
            yield from _entries(value)
        else:
            names = {node.id for node in ast.walk(target) if isinstance(node, ast.Name)}
            sign = "←" if names & self._known or not isinstance(target, ast.Name | ast.Tuple) else "="
            self._known |= names
            yield Formula(_equation(maths(target), sign, value, cut=cut))


def _head(name: str, parameters: list[Maths]) -> Maths:
    return row(Operator(name.replace("_", " ")), bracket(listed(parameters))) if parameters else Operator(name.replace("_", " "))


def _entries(node: ast.Dict) -> Iterator[Formula]:
    """A dict, such as the new state, entry by entry."""
    for key, value in zip(node.keys, node.values, strict=True):
        if isinstance(key, ast.Constant):
            yield Formula(_equation(Script(variable(str(key.value)), None, Operator("new")), "=", value))


def _equation(left: Maths, sign: str, value: ast.expr, *, cut: bool = False) -> Maths:
    """left = value; a long sum a term a line."""
    terms = signed_terms(value)
    if len(terms) < 2 or len(ast.unparse(value)) <= _LONG or cut:
        right = maths(value)
        return row(left, Sign(sign), apply("sg", right) if cut else right)
    first, *others = [_term(number, mark, term) for number, (mark, term) in enumerate(terms)]
    return Lines((row(left, Sign(sign), first), *others))


def _term(number: int, sign: int, term: ast.expr) -> Maths:
    inside = maths(term)
    if isinstance(term, ast.BinOp) and isinstance(term.op, ast.Add | ast.Sub):
        inside = bracket(inside)
    if number == 0 and sign > 0:
        return inside
    return Row((Sign("+" if sign > 0 else "-"), inside))


def _as_code(statement: ast.stmt) -> Formula:
    kinds = {ast.For: "a loop", ast.If: "a choice", ast.FunctionDef: "a function"}
    kind = kinds.get(type(statement), "a statement")
    end = statement.end_lineno or statement.lineno
    place = f"line {statement.lineno}" if end == statement.lineno else f"lines {statement.lineno}-{end}"
    return Formula(None, f"{kind}: see {place} of the code")
