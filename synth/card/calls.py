"""How calls of functions look in mathematics. What is not here is written as a function's name and its arguments in brackets."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from synth.card.notation import Cases, Fence, Fraction, Maths, Name, Number, Operator, Root, Script, Sign, apply, bracket, listed, row

Write: TypeAlias = Callable[[ast.expr], Maths]
Options: TypeAlias = Mapping[str, ast.expr]
Call: TypeAlias = Callable[[Write, Write, list[ast.expr], Options], Maths | None]
"""(an argument as it is, an argument that holds together, arguments, options by keyword) to mathematics; None: no special form fits."""

SHAPELESS: Final = frozenset(
    {"float", "to", "type_as", "unsqueeze", "squeeze", "expand", "expand_as", "reshape", "view", "flatten", "contiguous", "clone"}
    | {"unflatten", "broadcast_to"}
)
"""Functions and methods that change only shape or type of their first argument."""


def _log_prob(plain: Write, tight: Write, args: list[ast.expr], options: Options) -> Maths | None:
    if len(args) != 2:
        return None
    return row(Operator("log"), Sign(" "), Name("pi"), bracket(row(plain(args[1]), Sign("∣"), plain(args[0]))))


def _entropy(plain: Write, tight: Write, args: list[ast.expr], options: Options) -> Maths | None:
    return row(Operator("H"), Fence("[", plain(args[0]), "]")) if len(args) == 1 else None


def _kl(plain: Write, tight: Write, args: list[ast.expr], options: Options) -> Maths | None:
    return row(Operator("KL"), bracket(row(plain(args[0]), Sign("∥"), plain(args[1])))) if len(args) == 2 else None


def _select(plain: Write, tight: Write, args: list[ast.expr], options: Options) -> Maths | None:
    return row(tight(args[0]), bracket(plain(args[1]))) if len(args) == 2 else None


def _clip(plain: Write, tight: Write, args: list[ast.expr], options: Options) -> Maths | None:
    """With one bound only it is a maximum or a minimum."""
    low = args[1] if len(args) > 1 else options.get("min")
    high = args[2] if len(args) > 2 else options.get("max")
    if low is not None and high is not None:
        return apply("clip", plain(args[0]), plain(low), plain(high))
    bound, name = (high, "min") if low is None else (low, "max")
    return None if bound is None else apply(name, plain(args[0]), plain(bound))


def _where(plain: Write, tight: Write, args: list[ast.expr], options: Options) -> Maths | None:
    return Cases(plain(args[0]), plain(args[1]), plain(args[2])) if len(args) == 3 else None


def _square_of(plain: Write, tight: Write, args: list[ast.expr], options: Options) -> Maths | None:
    return Script(bracket(plain(args[0])), None, Number("2")) if len(args) == 1 else None


def _root(plain: Write, tight: Write, args: list[ast.expr], options: Options) -> Maths | None:
    return Root(plain(args[0]))


def _inverse_root(plain: Write, tight: Write, args: list[ast.expr], options: Options) -> Maths | None:
    return Fraction(Number("1"), Root(plain(args[0])))


def _absolute(plain: Write, tight: Write, args: list[ast.expr], options: Options) -> Maths | None:
    return Fence("|", plain(args[0]), "|")


def _constant(text: str) -> Call:
    return lambda plain, tight, args, options: Number(text)


def _error(shape: str) -> Call:
    """A loss of the difference of two things, left element by element."""

    def write(plain: Write, tight: Write, args: list[ast.expr], options: Options) -> Maths | None:
        if len(args) != 2 or ast.unparse(options.get("reduction", ast.Constant("mean"))) != "'none'":
            return None
        difference = row(tight(args[0]), Sign("-"), tight(args[1]))
        if shape == "square":
            return Script(bracket(difference), None, Number("2"))
        return Fence("|", difference, "|") if shape == "absolute" else apply(shape, difference)

    return write


def _named(name: str) -> Call:
    """Another name; an axis at the end is not shown."""

    def write(plain: Write, tight: Write, args: list[ast.expr], options: Options) -> Maths | None:
        return apply(name, *(plain(one) for one in args if not _is_axis(one, args)))

    return write


def _over(name: str) -> Call:
    """A reduction: over everything, or over the axis that stands below it."""

    def write(plain: Write, tight: Write, args: list[ast.expr], options: Options) -> Maths | None:
        axis = options.get("dim") or options.get("axis") or (args[1] if len(args) > 1 else None)
        if axis is None:
            return apply(name, plain(args[0]))
        if not _is_axis(axis, args):
            return apply(name, *map(plain, args))
        below = Operator("last axis") if ast.unparse(axis) == "-1" else Number(f"axis {ast.unparse(axis)}")
        return row(Script(Operator(name), below), bracket(listed([plain(args[0])])))

    return write


def _is_axis(node: ast.expr, args: list[ast.expr]) -> bool:
    return node is not args[0] and ast.unparse(node).strip("()-, ").isdigit()


CALLS: Final[Mapping[str, Call]] = {
    "log_prob": _log_prob,
    "entropy": _entropy,
    "kl_divergence": _kl,
    "select": _select,
    **dict.fromkeys(("clamp", "clip"), _clip),
    "where": _where,
    "square": _square_of,
    "sqrt": _root,
    "rsqrt": _inverse_root,
    **dict.fromkeys(("abs", "absolute"), _absolute),
    **dict.fromkeys(("zeros_like", "zeros"), _constant("0")),
    **dict.fromkeys(("ones_like", "ones"), _constant("1")),
    "mse_loss": _error("square"),
    "l1_loss": _error("absolute"),
    **dict.fromkeys(("smooth_l1_loss", "huber_loss"), _error("huber")),
    **dict.fromkeys(("stop_gradient", "detach"), _named("sg")),
    **dict.fromkeys(("minimum", "fmin"), _named("min")),
    **dict.fromkeys(("maximum", "fmax"), _named("max")),
    **{name: _named(name.replace("_", " ")) for name in ("softmax", "log_softmax", "sigmoid", "tanh", "exp", "log", "normalize")},
    **{name: _over(name) for name in ("sum", "mean", "std", "var", "median", "logsumexp")},
    **dict.fromkeys(("amax", "max"), _over("max")),
    **dict.fromkeys(("amin", "min"), _over("min")),
    "argmax": _over("arg max"),
    "gae": _named("GAE"),
    "vtrace": _named("V-trace"),
    "retrace": _named("Retrace"),
}
