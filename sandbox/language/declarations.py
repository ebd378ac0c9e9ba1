"""Literal declarations of a program: HEADS, CONSTANTS, TRAINING and numbers of the module become records here. ACT has its own module."""

from __future__ import annotations

import ast
import keyword
import math
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeGuard

from annotated_types import Ge, Le

from sandbox.language import limits, vocabulary
from sandbox.language.source import Source
from sandbox.records import Constant, Head, Training

Numbers = Mapping[str, int | float]
"""The module's own literal numbers, by name."""

NAME: Final = re.compile(r"[a-z][a-z0-9_]*")
MODULE_NAME: Final = re.compile(r"[A-Z][A-Z0-9_]*")
_HEAD_REMEDY: Final = 'A head is "A" (one number an action), n (n numbers) or ("A", n) (n numbers for every action), 1 <= n <= 1024.'
_CONSTANT_REMEDY: Final = "Write `name: value` or `name: (value, low, high)` with finite numbers and low <= value <= high."
_ARITHMETIC: Final[Mapping[type[ast.operator], Callable[[Any, Any], Any]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
}


class NotLiteral(Exception):
    """An expression is no literal; `node` is the part that is not."""

    def __init__(self, node: ast.AST) -> None:
        super().__init__()
        self.node = node


def literal(node: ast.expr, numbers: Numbers) -> Any:
    """Value of a literal: numbers (arithmetic on them included), strings, and tuples and lists of them. Raises NotLiteral."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float | str):
        return node.value
    if isinstance(node, ast.Tuple | ast.List):
        return tuple(literal(one, numbers) for one in node.elts)
    number = _number(node, numbers)
    if number is None:
        raise NotLiteral(node)
    return number


def _number(node: ast.expr, numbers: Numbers) -> int | float | None:
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, int | float) and is_number(node.value) else None
    if isinstance(node, ast.Name):
        return numbers.get(node.id)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        value = _number(node.operand, numbers)
        return None if value is None else -value if isinstance(node.op, ast.USub) else value
    if isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
        left, right = _number(node.left, numbers), _number(node.right, numbers)
        if left is None or right is None or (right == 0 and isinstance(node.op, ast.Div | ast.FloorDiv)):
            return None
        value = _ARITHMETIC[type(node.op)](left, right)
        return value if is_number(value) else None
    return None


def is_number(value: object) -> TypeGuard[int | float]:
    """True for an int or a finite float within bounds; a bool is no number here."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and abs(value) <= limits.LITERAL


def entries(source: Source, part: str, node: ast.expr) -> list[tuple[str, ast.expr, ast.expr]]:
    """(key, its node, value's node) of a literal dict, each key once. Raises Refusal."""
    if not isinstance(node, ast.Dict):
        raise source.fault(node, "not-a-dict", f"{part} is not a literal dict.", f'Write `{part} = {{"name": …}}`.')
    found: dict[str, tuple[str, ast.expr, ast.expr]] = {}
    for key, value in zip(node.keys, node.values, strict=True):
        if not isinstance(key, ast.Constant) or not isinstance(key.value, str):
            raise source.fault(key or value, "not-a-name", f"A key of {part} is not a string.", 'Write names in quotes: {"value": 1}.')
        if key.value in found:
            raise source.fault(key, "duplicate-name", f"{part} names {key.value!r} twice.", "Keep one of them.")
        found[key.value] = (key.value, key, value)
    return list(found.values())


def value_of(source: Source, part: str, node: ast.expr, numbers: Numbers) -> Any:
    """The literal value of an entry. Raises Refusal where it is computed."""
    try:
        return literal(node, numbers)
    except NotLiteral as error:
        message = f"{part} holds `{ast.unparse(error.node)}`, which is not a literal."
        raise source.fault(error.node, "not-literal", message, "Write numbers, names in quotes and tuples of them.") from None


def check_name(source: Source, part: str, node: ast.expr, name: str) -> None:
    """Names of heads and constants match `[a-z][a-z0-9_]*` and are no keywords. Raises Refusal."""
    if not NAME.fullmatch(name) or keyword.iskeyword(name) or keyword.issoftkeyword(name):
        remedy = "Names are lower case, such as `gae_lambda`; where Python has the word, add an underscore: `lambda_`."
        raise source.fault(node, "bad-name", f"{part}: {name!r} cannot be a name.", remedy)


def read_heads(source: Source, node: ast.expr, numbers: Numbers) -> tuple[Head, ...]:
    """HEADS as records, in the order of the text. Raises Refusal."""
    rows = entries(source, "HEADS", node)
    if not rows:
        raise source.fault(node, "no-heads", "HEADS is empty.", 'The network must predict something: {"logits": "A", "value": 1}.')
    if len(rows) > limits.HEADS:
        raise source.fault(rows[limits.HEADS][1], "too-many-heads", f"HEADS names {len(rows)} heads.", f"At most {limits.HEADS}.")
    return tuple(_read_head(source, row, numbers) for row in rows)


def _read_head(source: Source, row: tuple[str, ast.expr, ast.expr], numbers: Numbers) -> Head:
    name, key, node = row
    if name == "log_prob":
        message = "A head may not be called `log_prob`: traj.behaviour.log_prob is the log-probability of the action taken."
        raise source.fault(key, "reserved-head", message, "Choose another name.")
    check_name(source, "HEADS", key, name)
    value = value_of(source, "HEADS", node, numbers)
    if value == "A":
        return Head(name=name, per_action=True, size=1)
    if _is_size(value):
        return Head(name=name, per_action=False, size=value)
    if isinstance(value, tuple) and len(value) == 2 and value[0] == "A" and _is_size(value[1]):
        return Head(name=name, per_action=True, size=value[1], vector=True)
    raise source.fault(node, "bad-head", f"Head {name!r} is `{ast.unparse(node)}`.", _HEAD_REMEDY)


def _is_size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= limits.HEAD_SIZE


def read_constants(source: Source, node: ast.expr, numbers: Numbers) -> tuple[Constant, ...]:
    """CONSTANTS as records, in the order of the text. Raises Refusal."""
    return tuple(_read_constant(source, row, numbers) for row in entries(source, "CONSTANTS", node))


def _read_constant(source: Source, row: tuple[str, ast.expr, ast.expr], numbers: Numbers) -> Constant:
    name, key, node = row
    check_name(source, "CONSTANTS", key, name)
    given = value_of(source, "CONSTANTS", node, numbers)
    value, *bounds = given if isinstance(given, tuple) else (given,)
    if not all(is_number(one) for one in (value, *bounds)) or len(bounds) not in {0, 2}:
        raise source.fault(node, "bad-constant", f"Constant {name!r} is `{ast.unparse(node)}`.", _CONSTANT_REMEDY)
    if not bounds:
        return Constant(name=name, value=value)
    low, high = bounds
    if not low <= value <= high or low == high:
        raise source.fault(node, "constant-bounds", f"Constant {name!r} has value {value} and bounds {low} to {high}.", _CONSTANT_REMEDY)
    return Constant(name=name, value=value, low=low, high=high)


def read_training(source: Source, node: ast.expr, numbers: Numbers) -> Training:
    """TRAINING as a record. Raises Refusal."""
    fields = Training.model_fields
    values: dict[str, int | float] = {}
    for name, key, value_node in entries(source, "TRAINING", node):
        if name not in fields:
            remedy = vocabulary.allowed(name, fields)
            raise source.fault(key, "unknown-setting", f"TRAINING has no setting {name!r}.", remedy)
        value = value_of(source, "TRAINING", value_node, numbers)
        low, high = training_bounds(name)
        whole = fields[name].annotation is int
        if not is_number(value) or not low <= value <= high or (whole and not isinstance(value, int)):
            kind = "an integer" if whole else "a number"
            message = f"TRAINING {name!r} is `{ast.unparse(value_node)}`."
            raise source.fault(value_node, "training-bounds", message, f"It is {kind} from {low:g} to {high:g}.")
        values[name] = value
    return Training.model_validate(values)


def training_bounds(name: str) -> tuple[float, float]:
    """Lowest and highest legal value of a TRAINING setting, as the record declares them."""
    metadata = Training.model_fields[name].metadata
    low = next(one.ge for one in metadata if isinstance(one, Ge))
    high = next(one.le for one in metadata if isinstance(one, Le))
    return float(low), float(high)  # type: ignore[arg-type]
