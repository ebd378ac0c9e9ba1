"""Arguments of graph JSON: decoded from data nobody trusts, then bound to the operation's schema."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from sandbox.graph.graph import Argument, DTypeName, Ref
from sandbox.graph.overloads import REQUIRED, Parameter, parameters_of
from sandbox.graph.refusals import refuse

_DTYPES = ("float32", "int64", "bool")
_DEEPEST = 8
_INT64 = 1 << 63
_EQUATION = re.compile(r"[a-zA-Z,.\-> ]{1,64}")
_WORDS = {
    "mode": {"constant"},
    "approximate": {"none", "tanh"},
    "indexing": {"ij", "xy"},
    "interpolation": {"linear", "lower", "higher", "midpoint", "nearest"},
    "rounding_mode": {"floor", "trunc"},
}
_NEVER_GIVEN = ("Layout", "Device", "MemoryFormat")


def decode(value: Any, longest: int, line: int, depth: int = 0) -> Argument:
    """One JSON value as an argument. Refuses what is nested, long or out of range beyond reason, NaN, and unknown objects."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return _whole(value, line)
    if isinstance(value, float):
        return _finite(value, line)
    if isinstance(value, dict):
        return _tagged(value, line)
    if len(value) > longest or depth >= _DEEPEST:
        raise refuse("argument", f"A list in the trace is longer than {longest:,} entries or nested deeper than {_DEEPEST}.", line)
    return tuple(decode(item, longest, line, depth + 1) for item in value)


def _whole(value: int, line: int) -> int:
    if not -_INT64 <= value < _INT64:
        raise refuse("not-finite", "An integer does not fit 64 bits.", line)
    return value


def _finite(value: float, line: int) -> float:
    if not math.isfinite(value):
        raise refuse("not-finite", "A number is not finite.", line)
    return value


def _tagged(value: Mapping[str, Any], line: int) -> Argument:
    """`{"n": i}`, `{"n": i, "o": k}`, `{"dtype": name}` or `{"float": "inf"}`."""
    keys = set(value)
    if keys in ({"n"}, {"n", "o"}) and all(type(index) is int and index >= 0 for index in value.values()):
        return Ref(value["n"], value.get("o"))
    if keys == {"dtype"}:
        return dtype(value["dtype"], line)
    if keys == {"float"} and value["float"] in ("inf", "-inf"):
        return float(value["float"])
    if keys == {"float"}:
        raise refuse("not-finite", "A number is not a number.", line)
    raise refuse("malformed", "An argument of the trace is of no known form.", line)


def dtype(name: Any, line: int) -> DTypeName:
    """A type by its name."""
    if name not in _DTYPES:
        raise refuse("dtype", "A type other than float32, int64 and bool is asked for.", line)
    return DTypeName(name)


def bind(
    key: str, args: tuple[Argument, ...], kwargs: Mapping[str, Argument], line: int
) -> tuple[tuple[Argument, ...], tuple[tuple[str, Argument], ...]]:
    """Arguments in the schema's order, defaults left out, each of its parameter's type; refuses what does not fit."""
    parameters = parameters_of(key)
    positional = [parameter for parameter in parameters if not parameter.keyword_only]
    unknown = set(kwargs) - {parameter.name for parameter in parameters}
    twice = {parameter.name for parameter in positional[: len(args)]} & set(kwargs)
    if len(args) > len(positional) or unknown or twice:
        raise refuse("argument", f"{key} is called with arguments it does not have.", line)
    given: dict[str, Argument] = {parameter.name: value for parameter, value in zip(positional, args, strict=False)} | dict(kwargs)
    bound = {parameter.name: _bound(key, parameter, given, line) for parameter in parameters}
    values = [bound[parameter.name] for parameter in positional]
    while values and values[-1] is REQUIRED:
        values.pop()
    defaults = {parameter.name: parameter.default for parameter in positional}
    filled = tuple(defaults[p.name] if v is REQUIRED else v for p, v in zip(positional, values, strict=False))
    named = {p.name: bound[p.name] for p in parameters if p.keyword_only and bound[p.name] is not REQUIRED}
    return tuple(map(_as_tuple, filled)), tuple(sorted(named.items()))


def _bound(key: str, parameter: Parameter, given: Mapping[str, Argument], line: int) -> Any:
    """The checked value, or REQUIRED where the default holds."""
    if parameter.name not in given:
        if parameter.default is REQUIRED:
            raise refuse("argument", f"{key} lacks its argument `{parameter.name}`.", line)
        return REQUIRED
    value = given[parameter.name]
    if parameter.kind in _NEVER_GIVEN or parameter.name == "pin_memory":
        if value in (None, False):
            return REQUIRED
        raise refuse("device", f"{key} names a device, layout or memory format.", line)
    if value is None and parameter.optional:
        return REQUIRED if parameter.default is None else None
    fitted = _fit(parameter, value)
    if fitted is REQUIRED:
        raise refuse("argument", f"{key} does not take such a value for `{parameter.name}`.", line)
    return REQUIRED if _same(fitted, parameter.default) else fitted


def _same(value: Any, default: Any) -> bool:
    return type(value) is type(_as_tuple(default)) and bool(value == _as_tuple(default))


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _fit(parameter: Parameter, value: Argument) -> Any:
    """The value as the parameter's type wants it, or REQUIRED if it does not fit."""
    kind = parameter.kind
    if kind.startswith("List["):
        return _fit_list(kind[5:-1], value)
    if kind == "Tensor" and parameter.name in ("other", "value") and _is_number(value):
        return value  # tracing leaves Python numbers where the schema says Tensor
    if kind == "str":
        return value if isinstance(value, str) and _word_allowed(parameter.name, value) else REQUIRED
    if kind == "int" and parameter.name == "reduction" and value not in (0, 1, 2):
        return REQUIRED
    return value if _is_a(kind, value) else REQUIRED


def _fit_list(kind: str, value: Argument) -> Any:
    if kind == "int" and _is_a("int", value):
        return (value,)
    if not isinstance(value, tuple) or isinstance(value, (Ref, DTypeName)):
        return REQUIRED
    if kind == "Optional[Tensor]":
        return value if all(item is None or isinstance(item, Ref) for item in value) else REQUIRED
    return value if all(_is_a(kind, item) for item in value) else REQUIRED


def _is_a(kind: str, value: Argument) -> bool:
    if kind == "Tensor":
        return isinstance(value, Ref)
    if kind == "ScalarType":
        return isinstance(value, DTypeName)
    if kind == "bool":
        return isinstance(value, bool)
    if kind == "int":
        return isinstance(value, int) and not isinstance(value, bool)
    return kind in ("float", "number") and _is_number(value)


def _is_number(value: Argument) -> bool:
    return isinstance(value, (bool, int, float))


def _word_allowed(parameter: str, word: str) -> bool:
    return bool(_EQUATION.fullmatch(word)) if parameter == "equation" else word in _WORDS.get(parameter, ())
