"""Expressions of a program as mathematics, with the author's names.

    traj.rewards, traj.actions    r_t, a_t
    traj.online.value[:-1]        value_t^θ       under the parameters being learned
    traj.behaviour.value[1:]      value_{t+1}^old as when the actions were chosen
    traj.target.value[-1]         value_T^-       under the slow copy
    x[:-1], x[1:], x[-1]          x_t, x_{t+1}, x_T
    c.clip                        clip
Operations that only change shapes or types leave no trace.
"""

from __future__ import annotations

import ast
from enum import IntEnum
from typing import Final

from synth.card.calls import CALLS, SHAPELESS
from synth.card.notation import Cases, Fence, Fraction, Maths, Name, Number, Operator, Script, Sign, apply, bracket, listed, row
from synth.proposers.edits.printing import signed_terms


class Level(IntEnum):
    """How tightly an expression holds together."""

    LOOSE = 0  # comparisons, choices
    SUM = 1
    PRODUCT = 2
    ATOM = 3


_VIEWS: Final[dict[str, Maths]] = {"online": Name("theta"), "behaviour": Operator("old"), "target": Sign("-")}
_LETTERS: Final[dict[str, Maths]] = {"rewards": Name("r"), "actions": Name("a")}
_TIMES: Final[dict[str, Maths]] = {":-1": Name("t"), "1:": row(Name("t"), Sign("+"), Number("1")), "-1": Name("T")}
_COMPARISONS: Final = {ast.Lt: "<", ast.LtE: "≤", ast.Gt: ">", ast.GtE: "≥", ast.Eq: "=", ast.NotEq: "≠"}
_LOGIC: Final = {ast.BitAnd: "∧", ast.BitOr: "∨"}
_MODULES: Final = ("torch.nn.functional.", "torch.", "F.", "rl.", "math.")
_GIVEN: Final = frozenset({"traj", "c", "state"})
_AXES: Final = frozenset({"dim", "axis", "keepdim", "reduction", "stop_gradient", "dtype"})


def maths(node: ast.expr) -> Maths:
    """An expression of any kind; what has no notation stands there as it is written."""
    return _read(node)[0]


def variable(name: str) -> Maths:
    """A local name; the underscore that avoids a keyword is not shown."""
    return Name(name.rstrip("_") or name)


def _at(node: ast.expr, level: Level) -> Maths:
    """With brackets around it where it holds together less tightly than `level`."""
    inside, own = _read(node)
    return bracket(inside) if own < level else inside


def _read(node: ast.expr) -> tuple[Maths, Level]:
    match node:
        case ast.Name(id):
            return variable(id), Level.ATOM
        case ast.Constant(value):
            return _literal(value), Level.ATOM
        case ast.Attribute():
            return _attribute(node), Level.ATOM
        case ast.Subscript():
            return _subscript(node), Level.ATOM
        case ast.Call():
            return _call(node)
        case ast.BinOp():
            return _operation(node)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return row(Sign("-"), _at(operand, Level.PRODUCT)), Level.SUM
        case ast.UnaryOp(op=ast.Invert() | ast.Not(), operand=operand):
            return row(Sign("¬"), _at(operand, Level.ATOM)), Level.PRODUCT
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARISONS:
            return row(_at(left, Level.SUM), Sign(_COMPARISONS[type(op)]), _at(right, Level.SUM)), Level.LOOSE
        case ast.IfExp(test, body, orelse):
            return Cases(maths(test), maths(body), maths(orelse)), Level.LOOSE
        case ast.Tuple(elts) | ast.List(elts):
            return bracket(listed([maths(one) for one in elts])), Level.ATOM
    return Number(ast.unparse(node)), Level.ATOM


def _literal(value: object) -> Maths:
    return Number(f"{value:g}" if isinstance(value, float) else str(value))


def _attribute(node: ast.Attribute) -> Maths:
    match node.value:
        case ast.Name("c" | "state"):
            return variable(node.attr)
        case ast.Name("traj"):
            return _LETTERS.get(node.attr, Name(node.attr)) if node.attr == "progress" else _timed(node, Name("t"))
        case ast.Attribute(value=ast.Name("traj"), attr="online" | "behaviour" | "target"):
            return _timed(node, None)
    return Number(ast.unparse(node))


def _timed(node: ast.expr, time: Maths | None) -> Maths:
    """A name at a time; heads carry whose they are. Local names keep theirs."""
    match node:
        case ast.Attribute(value=ast.Name("traj"), attr=attr):
            return Script(_LETTERS.get(attr, Name(attr)), time)
        case ast.Attribute(value=ast.Attribute(value=ast.Name("traj"), attr="behaviour"), attr="log_prob"):
            return row(Operator("log"), Sign(" "), Name("mu"), bracket(Script(Name("a"), time or Name("t"))))
        case ast.Attribute(value=ast.Attribute(value=ast.Name("traj"), attr=view), attr=attr):
            return Script(variable(attr), time, _VIEWS.get(view))
    return Script(_at(node, Level.ATOM), time)


def _subscript(node: ast.Subscript) -> Maths:
    index = ast.unparse(node.slice)
    if index in _TIMES:
        return _timed(node.value, _TIMES[index])
    if index in ("..., None", ":, :, None"):
        return maths(node.value)
    return Script(_at(node.value, Level.ATOM), Fence("[", Number(index), "]"))


def _operation(node: ast.BinOp) -> tuple[Maths, Level]:
    ((mark, product), *others) = signed_terms(node)
    if mark < 0 and not others:  # -a * b is the product that is negative
        return row(Sign("-"), _at(product, Level.PRODUCT)), Level.SUM
    match node.op:
        case ast.Add() | ast.Sub():
            sign = Sign("+" if isinstance(node.op, ast.Add) else "-")
            tight = Level.SUM if isinstance(node.op, ast.Add) else Level.PRODUCT
            return row(_at(node.left, Level.SUM), sign, _at(node.right, _right(node.right, tight))), Level.SUM
        case ast.Mult():
            numbers = isinstance(node.right, ast.Constant)
            return row(_at(node.left, Level.PRODUCT), Sign("×" if numbers else "·"), _at(node.right, Level.PRODUCT)), Level.PRODUCT
        case ast.Div():
            return Fraction(maths(node.left), maths(node.right)), Level.PRODUCT
        case ast.Pow():
            return Script(_base(node.left), None, maths(node.right)), Level.PRODUCT
        case ast.BitAnd() | ast.BitOr():
            return row(_at(node.left, Level.ATOM), Sign(_LOGIC[type(node.op)]), _at(node.right, Level.ATOM)), Level.LOOSE
    return Number(ast.unparse(node)), Level.LOOSE


def _right(node: ast.expr, tight: Level) -> Level:
    """A minus never follows a sign without brackets."""
    return Level.PRODUCT if isinstance(node, ast.UnaryOp) else tight


def _base(node: ast.expr) -> Maths:
    base = _at(node, Level.ATOM)
    return bracket(base) if isinstance(base, Script) and base.above is not None else base


def _call(node: ast.Call) -> tuple[Maths, Level]:
    name, arguments = _named(node)
    if name in SHAPELESS and arguments:
        return _read(arguments[0])
    options = {one.arg: one.value for one in node.keywords if one.arg}
    if name in CALLS:
        tight = CALLS[name](lambda one: maths(one), lambda one: _at(one, Level.ATOM), arguments, options)
        if tight is not None:
            return tight, Level.PRODUCT if isinstance(tight, Fraction | Script) else Level.ATOM
    shown = [one for one in arguments if not (isinstance(one, ast.Name) and one.id in _GIVEN)]
    shown += [value for key, value in options.items() if key not in _AXES]
    words = name.replace("_", " ")
    return apply(words, *map(maths, shown)) if shown else Operator(words), Level.ATOM


def _named(node: ast.Call) -> tuple[str, list[ast.expr]]:
    """The function's bare name, and its arguments; a tensor's method is a function of the tensor."""
    text = ast.unparse(node.func)
    for module in _MODULES:
        if text.startswith(module):
            return text.removeprefix(module), node.args
    if isinstance(node.func, ast.Attribute):
        return node.func.attr, [node.func.value, *node.args]
    return text, node.args
