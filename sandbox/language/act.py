"""ACT: how a head becomes actions. A literal dict becomes a record; contradictions are refused."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any, Final

from sandbox.language import vocabulary
from sandbox.language.declarations import Numbers, entries, is_number, value_of
from sandbox.language.source import Source, refuse
from sandbox.records import Act, Constant, Head

_KEYS: Final = ("head", "kind", "epsilon", "temperature", "reduce", "support", "transform")
_KINDS: Final = ("sample", "epsilon_greedy", "softmax")
_CHOICES: Final = {"kind": _KINDS, "reduce": ("mean", "support"), "transform": ("signed_hyperbolic",)}
_EXAMPLE: Final = 'Write ACT = {"head": "q", "kind": "epsilon_greedy", "epsilon": (1.0, 0.05, 0.1)}, or name a head "logits".'

Values = dict[str, Any]
Nodes = dict[str, ast.expr]


def default_act(heads: Sequence[Head]) -> Act:
    """Samples the softmax of `logits`. Raises Refusal if no head of that name can act."""
    logits = next((head for head in heads if head.name == "logits"), None)
    if logits is None:
        raise refuse("missing-act", "There is no ACT and no head `logits` to sample from.", _EXAMPLE)
    if not logits.per_action or logits.vector:
        raise refuse("missing-act", 'The head `logits` is not of the shape "A", so ACT must say how it acts.', _EXAMPLE)
    return Act(head="logits")


def read_act(source: Source, node: ast.expr, numbers: Numbers, heads: Sequence[Head], constants: Sequence[Constant]) -> Act:
    """ACT as a record, the names of constants replaced by their values. Raises Refusal."""
    rows = entries(source, "ACT", node)
    nodes: Nodes = {name: value for name, _, value in rows}
    for name, key, _ in rows:
        if name not in _KEYS:
            raise source.fault(key, "unknown-act", f"ACT has no key {name!r}.", vocabulary.allowed(name, _KEYS))
    known = {constant.name: constant.value for constant in constants}
    values: Values = {name: _resolved(source, name, value, numbers, known) for name, value in nodes.items()}
    head = _acting_head(source, node, nodes, values, heads)
    _check_choices(source, nodes, values)
    _check_kind(source, nodes, values)
    _check_reduction(source, node, nodes, values, head)
    if "support" in values:
        values["reduce"] = "support"
    return Act.model_validate(values)


def _resolved(source: Source, name: str, node: ast.expr, numbers: Numbers, constants: Numbers) -> Any:
    value = value_of(source, "ACT", node, numbers)
    if name in {"head", *_CHOICES}:
        return value
    return (
        tuple(_number(source, node, one, constants) for one in value)
        if isinstance(value, tuple)
        else _number(source, node, value, constants)
    )


def _number(source: Source, node: ast.expr, value: object, constants: Numbers) -> Any:
    if not isinstance(value, str):
        return value
    if value not in constants:
        raise source.fault(node, "unknown-constant", f"ACT names the constant {value!r}.", vocabulary.allowed(value, constants))
    return constants[value]


def _acting_head(source: Source, node: ast.expr, nodes: Nodes, values: Values, heads: Sequence[Head]) -> Head:
    names = [head.name for head in heads]
    if "head" not in values:
        raise source.fault(node, "missing-act", "ACT names no head.", f'Add "head": one of {", ".join(names)}.')
    name = values["head"]
    head = next((one for one in heads if one.name == name), None)
    if head is None:
        raise source.fault(
            nodes["head"], "act-head", f"ACT acts by {name!r}, which HEADS does not declare.", vocabulary.allowed(str(name), names)
        )
    if not head.per_action:
        message = f"ACT acts by {name!r}, which has no number for each action."
        raise source.fault(nodes["head"], "act-head", message, 'Act by a head of shape "A" or ("A", n).')
    return head


def _check_choices(source: Source, nodes: Nodes, values: Values) -> None:
    for name, choices in _CHOICES.items():
        if name in values and values[name] not in choices:
            message = f"ACT has {name!r} `{ast.unparse(nodes[name])}`."
            raise source.fault(nodes[name], "act-value", message, f"Allowed: {', '.join(choices)}.")


def _check_kind(source: Source, nodes: Nodes, values: Values) -> None:
    """`epsilon` belongs to epsilon_greedy, `temperature` to softmax, and both have bounds."""
    kind = values.get("kind", "sample")
    for name, owner in (("epsilon", "epsilon_greedy"), ("temperature", "softmax")):
        if name in values and kind != owner:
            message = f"ACT has {name!r}, but its kind is {kind!r}."
            raise source.fault(nodes[name], "act-contradiction", message, f'Write "kind": "{owner}" or remove {name!r}.')
    if "epsilon" in values and not _is_schedule(values["epsilon"]):
        message = f"ACT has epsilon `{ast.unparse(nodes['epsilon'])}`."
        remedy = "Write (start, end, fraction of training): both probabilities from 0 to 1, the fraction above 0 and at most 1."
        raise source.fault(nodes["epsilon"], "act-value", message, remedy)
    if "temperature" in values and not (is_number(values["temperature"]) and values["temperature"] > 0):
        message = f"ACT has temperature `{ast.unparse(nodes['temperature'])}`."
        raise source.fault(nodes["temperature"], "act-value", message, "Write a number above 0, or the name of a constant.")


def _is_schedule(value: object) -> bool:
    if not isinstance(value, tuple) or len(value) != 3 or not all(is_number(one) for one in value):
        return False
    start, end, fraction = value
    return bool(0 <= start <= 1 and 0 <= end <= 1 and 0 < fraction <= 1)


def _check_reduction(source: Source, node: ast.expr, nodes: Nodes, values: Values, head: Head) -> None:
    """A ("A", n) head is reduced to one number an action; an "A" head is not."""
    has_support = "support" in values
    if not head.vector and ("reduce" in values or has_support or "transform" in values):
        name = next(one for one in ("reduce", "support", "transform") if one in values)
        message = f"ACT has {name!r}, but {head.name!r} already has one number an action."
        raise source.fault(nodes[name], "act-contradiction", message, f"Remove {name!r}.")
    if head.vector and "reduce" not in values and not has_support:
        message = f"ACT does not say how the {head.size} numbers of {head.name!r} become one."
        raise source.fault(node, "act-reduction", message, 'Add "reduce": "mean" or "support": (low, high).')
    if (values.get("reduce") == "mean" and has_support) or (values.get("reduce") == "support" and not has_support):
        message = "ACT's `reduce` and `support` contradict each other."
        raise source.fault(nodes["reduce"], "act-contradiction", message, 'Write "support": (low, high) alone, or "reduce": "mean" alone.')
    if "transform" in values and not has_support:
        raise source.fault(nodes["transform"], "act-contradiction", "ACT has `transform` without `support`.", "Add support, or remove it.")
    if has_support and not _is_interval(values["support"]):
        message = f"ACT has support `{ast.unparse(nodes['support'])}`."
        raise source.fault(nodes["support"], "act-value", message, "Write (low, high) with low < high.")


def _is_interval(value: object) -> bool:
    if not isinstance(value, tuple) or len(value) != 2 or not all(is_number(one) for one in value):
        return False
    low, high = value
    return bool(low < high)
