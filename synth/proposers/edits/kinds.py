"""Which shape an expression has, as far as the text shows: what keeps edits from adding `[T, B]` to `[T+1, B]`.

A kind is a tuple of axes: "T", "T1" (T+1 rows), "B", "A", a number as text, "1"; `()` is a number or 0-dim tensor; None is unknown.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Final

from synth.proposers.edits.draft import Draft

Kind = tuple[str, ...] | None
STEPS: Final = ("T", "B")
ROWS: Final = ("T1", "B")
_SAME: Final = frozenset(
    {
        "exp",
        "log",
        "log1p",
        "expm1",
        "abs",
        "tanh",
        "sigmoid",
        "sqrt",
        "square",
        "sign",
        "relu",
        "softplus",
        "softmax",
        "log_softmax",
        "clamp",
    }
    | {"clip", "minimum", "maximum", "where", "pow", "zeros_like", "ones_like", "stop_gradient", "detach", "float", "normalize", "ema"}
    | {"signed_log", "signed_hyperbolic", "signed_parabolic", "smooth_l1_loss", "huber_loss", "mse_loss"}
)
_FIRST_ONLY: Final = frozenset({"softmax", "log_softmax", "clamp", "clip", "normalize", "detach", "float"})
_REDUCING: Final = frozenset({"sum", "mean", "amax", "amin", "logsumexp", "argmax", "var", "std"})
_RETURNS: Final = frozenset({"discounted_returns", "n_step_returns", "lambda_returns", "retrace"})
_PAIRS: Final = frozenset({"gae", "vtrace"})
_OVER_LAST: Final = frozenset({"log_prob", "entropy", "kl_divergence", "from_two_hot"})


def kinds_of(draft: Draft) -> dict[str, Kind]:
    """Kind of every local name of `loss` that is assigned at its top level."""
    known: dict[str, Kind] = {}
    for statement in draft.loss.body:
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            _learn(statement.targets[0], statement.value, known, draft)
        elif isinstance(statement, ast.For | ast.If | ast.With | ast.AugAssign):
            for node in ast.walk(statement):
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                    known.setdefault(node.id, None)
    return known


def _learn(target: ast.expr, value: ast.expr, known: dict[str, Kind], draft: Draft) -> None:
    if isinstance(target, ast.Name):
        known[target.id] = kind_of(value, known, draft)
    elif isinstance(target, ast.Tuple):
        pair = _call_name(value) in _PAIRS
        parts = value.elts if isinstance(value, ast.Tuple) and len(value.elts) == len(target.elts) else [None] * len(target.elts)
        for one, part in zip(target.elts, parts, strict=True):
            if isinstance(one, ast.Name):
                known[one.id] = STEPS if pair else kind_of(part, known, draft) if part is not None else None


def kind_of(node: ast.expr, known: Mapping[str, Kind], draft: Draft) -> Kind:
    """Kind of an expression, given those of the local names."""
    match node:
        case ast.Constant():
            return ()
        case ast.Name():
            return known.get(node.id)
        case ast.Attribute():
            return _attribute(node, draft)
        case ast.BinOp():
            return broadcast(kind_of(node.left, known, draft), kind_of(node.right, known, draft))
        case ast.UnaryOp():
            return kind_of(node.operand, known, draft)
        case ast.Compare(comparators=[right]):
            return broadcast(kind_of(node.left, known, draft), kind_of(right, known, draft))
        case ast.Subscript():
            return _subscript(kind_of(node.value, known, draft), ast.unparse(node.slice))
        case ast.Call():
            return _call(node, known, draft)
    return None


def broadcast(left: Kind, right: Kind) -> Kind:
    """Kind of an elementwise operation; None where the axes do not fit."""
    if left is None or right is None:
        return None
    longer, shorter = (left, right) if len(left) >= len(right) else (right, left)
    shorter = ("1",) * (len(longer) - len(shorter)) + shorter
    axes = [b if a == "1" else a for a, b in zip(longer, shorter, strict=True)]
    fits = all(a == b or "1" in (a, b) for a, b in zip(longer, shorter, strict=True))
    return tuple(axes) if fits else None


def _attribute(node: ast.Attribute, draft: Draft) -> Kind:
    root = ast.unparse(node.value)
    if root == "traj":
        return () if node.attr == "progress" else STEPS if node.attr in {"actions", "rewards", "continues", "truncated"} else None
    if root == "c":
        return ()
    if root in {"traj.online", "traj.behaviour", "traj.target"}:
        if node.attr == "log_prob":
            return STEPS
        head = draft.heads.get(node.attr)
        return (*ROWS, *head_axes(draft, node.attr)) if head is not None else None
    return None


def head_axes(draft: Draft, name: str) -> tuple[str, ...]:
    """Trailing axes of a head."""
    head = draft.heads[name]
    if head.per_action:
        return ("A", str(head.size)) if head.vector else ("A",)
    return () if head.size == 1 else (str(head.size),)


def _subscript(kind: Kind, index: str) -> Kind:
    if not kind:
        return None
    if index in {":-1", "1:"}:
        return ("T", *kind[1:]) if kind[0] == "T1" else None
    if index in {"-1", "0"}:
        return kind[1:]
    return (*kind, "1") if index == "..., None" else None


def _call_name(node: ast.expr) -> str:
    return node.func.attr if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) else ""


def _call(node: ast.Call, known: Mapping[str, Kind], draft: Draft) -> Kind:
    name = _call_name(node)
    owner = node.func.value if isinstance(node.func, ast.Attribute) else None
    is_module = isinstance(owner, ast.Name) and owner.id in {"torch", "F", "rl"}
    operands = node.args if is_module or owner is None else [owner, *node.args]
    kinds = [kind_of(one, known, draft) for one in operands]
    if name in _RETURNS:
        return STEPS
    if not kinds or not name:
        return None
    if name in _SAME:
        return kinds[0] if name in _FIRST_ONLY or not is_module else _broadcast_all(kinds)
    if name in _OVER_LAST:
        return kinds[0][:-1] if kinds[0] else None
    if name in _REDUCING:
        return _reduced(node, kinds[0], is_module)
    if name == "select" and kinds[0]:
        return kinds[0][:2] + kinds[0][3:]
    return (*kinds[0], "1") if name == "unsqueeze" and kinds[0] is not None and ast.unparse(operands[1]) == "-1" else None


def _broadcast_all(kinds: list[Kind]) -> Kind:
    total = kinds[0]
    for kind in kinds[1:]:
        total = broadcast(total, kind)
    return total


def _reduced(node: ast.Call, kind: Kind, is_module: bool) -> Kind:
    dims = [ast.unparse(one) for one in node.args[1 if is_module else 0 :]] + [
        ast.unparse(one.value) for one in node.keywords if one.arg == "dim"
    ]
    keeps = any(one.arg == "keepdim" for one in node.keywords)
    if kind is None:
        return None
    if not dims:
        return ()
    if dims[0] != "-1" or not kind:
        return None
    return (*kind[:-1], "1") if keeps else kind[:-1]
