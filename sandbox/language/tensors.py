"""Where the text shows that a tensor stands in the place of a Python number, the refusal says what to write instead.

Only what is certain is refused (names assigned nothing but tensors, reads of the trajectory and of float constants); tracing finds
the rest.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from sandbox.language import vocabulary
from sandbox.language.names import is_module
from sandbox.language.scopes import Scope, role_of, scoped_nodes
from sandbox.language.source import Source

_NUMBERS_OF_TENSORS: Final = frozenset({"shape", "dtype", "device", "ndim", "size", "dim", "numel", "nelement", "is_floating_point"})
_NOT_TENSORS: Final = frozenset(
    {"numel", "broadcast_shapes", "is_tensor", "no_grad", "pi", "inf", "e", "float32", "int64", "bool", "long", "float"}
)
_PAIRS: Final = frozenset({"gae", "vtrace"})
_SEVERAL: Final = _PAIRS | frozenset(
    ("max", "min", "sort", "topk", "split", "chunk", "unbind", "aminmax", "std_mean", "var_mean", "broadcast_tensors", "meshgrid")
)
_COMPARISONS: Final = frozenset(
    ("gt", "ge", "lt", "le", "eq", "ne", "greater", "less", "greater_equal", "less_equal", "not_equal", "isclose")
)
_MASKS: Final = _COMPARISONS | frozenset(("logical_and", "logical_or", "logical_not", "logical_xor", "isfinite", "isnan", "isinf", "bool"))
_REMEDIES: Final = {
    "max": "Write torch.clamp(x, min=low), or torch.maximum(x, y) on two tensors.",
    "min": "Write torch.clamp(x, max=high), or torch.minimum(x, y) on two tensors.",
    "float": "Use the tensor itself: it takes part in arithmetic and broadcasts.",
    "int": "Use x.to(torch.int64) for an index; for a length declare the constant as an integer.",
    "bool": "Keep the comparison as a tensor and use torch.where(mask, a, b).",
    "range": "Loop over a Python integer: declare the constant as an integer, or use x.shape[0].",
    "any": "Write torch.any(x).",
    "all": "Write torch.all(x).",
    "sorted": "Write torch.sort(x).values.",
}
_BRANCH_REMEDY: Final = "Write torch.where(condition, a, b): both are computed, elementwise."


@dataclass
class _Facts:
    """Per scope, the names whose every assignment is a tensor (a comparison of tensors)."""

    constants: frozenset[str]
    tensors: dict[Scope, set[str]] = field(default_factory=dict)
    masks: dict[Scope, set[str]] = field(default_factory=dict)


def check_tensor_use(source: Source, float_constants: frozenset[str]) -> None:
    """Refuses Python numbers' functions, branches and boolean indices on what is certainly a tensor. Raises Refusal."""
    nodes = list(scoped_nodes(source.tree))
    facts = _Facts(float_constants)
    _learn(nodes, facts.tensors, lambda value, scope: _is_tensor(value, scope, facts))
    _learn(nodes, facts.masks, lambda value, scope: _is_mask(value, scope, facts))
    for node, scope in nodes:
        if isinstance(node, ast.Call):
            _check_number_function(source, node, scope, facts)
        elif isinstance(node, ast.Subscript) and _is_mask(node.slice, scope, facts):
            remedy = "Shapes are fixed: write torch.where(mask, x, 0), or x * mask.float()."
            raise source.fault(node, "boolean-index", "A tensor is indexed by a comparison.", remedy)
        elif isinstance(node, ast.expr | ast.stmt | ast.comprehension):
            _check_branch(source, node, scope, facts)


def _learn(nodes: list[tuple[ast.AST, Scope]], into: dict[Scope, set[str]], test: Callable[[ast.expr, Scope], bool]) -> None:
    """Fills `into` with names whose every assignment passes `test`, by repetition until nothing is added."""
    rows = [(scope, name, value) for node, scope in nodes for name, value in _assignments(node)]
    for _ in range(8):
        failed = {(scope, name) for scope, name, value in rows if value is None or not test(value, scope)}
        passed = {(scope, name) for scope, name, _ in rows} - failed
        if all(name in into.get(scope, ()) for scope, name in passed):
            return
        for scope, name in passed:
            into.setdefault(scope, set()).add(name)


def _assignments(node: ast.AST) -> list[tuple[str, ast.expr | None]]:
    """(name, value) of every name a node binds; None where the value cannot be told."""
    if isinstance(node, ast.Assign):
        return [pair for target in node.targets for pair in _pairs(target, node.value)]
    if isinstance(node, ast.AnnAssign) and node.value is not None:
        return _pairs(node.target, node.value)
    if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
        return [(node.target.id, ast.BinOp(ast.Name(node.target.id, ast.Load()), node.op, node.value))]
    if isinstance(node, ast.For | ast.comprehension):
        return _pairs(node.target, None)
    return []


def _pairs(target: ast.expr, value: ast.expr | None) -> list[tuple[str, ast.expr | None]]:
    if isinstance(target, ast.Name):
        return [(target.id, value)]
    if isinstance(target, ast.Starred):
        return _pairs(target.value, None)
    if not isinstance(target, ast.Tuple | ast.List):
        return []
    parts: list[ast.expr | None] = [None] * len(target.elts)
    if isinstance(value, ast.Tuple | ast.List) and len(value.elts) == len(target.elts):
        parts = list(value.elts)
    elif isinstance(value, ast.Call) and is_toolkit_pair(value):
        parts = [ast.Call(ast.Attribute(ast.Name("rl", ast.Load()), "normalize", ast.Load()), [], [])] * len(target.elts)
    return [pair for one, part in zip(target.elts, parts, strict=True) for pair in _pairs(one, part)]


def is_toolkit_pair(node: ast.Call) -> bool:
    """True for `rl.gae(…)` and `rl.vtrace(…)`, which give two tensors."""
    return isinstance(node.func, ast.Attribute) and is_module(node.func.value) == "rl" and node.func.attr in _PAIRS


def _is_tensor(node: ast.expr, scope: Scope, facts: _Facts) -> bool:
    match node:
        case ast.Name():
            owner = scope.owner(node.id)
            return owner is not None and node.id not in owner.parameters and node.id in facts.tensors.get(owner, ())
        case ast.Attribute():
            return _is_tensor_attribute(node, scope, facts)
        case ast.Call():
            return _gives_tensor(node, scope, facts)
        case ast.BinOp():
            return _is_tensor(node.left, scope, facts) or _is_tensor(node.right, scope, facts)
        case ast.UnaryOp():
            return not isinstance(node.op, ast.Not) and _is_tensor(node.operand, scope, facts)
        case ast.Subscript():
            return _is_tensor(node.value, scope, facts)
        case ast.Compare():
            return _is_mask(node, scope, facts)
        case ast.IfExp():
            return _is_tensor(node.body, scope, facts) and _is_tensor(node.orelse, scope, facts)
    return False


def _is_tensor_attribute(node: ast.Attribute, scope: Scope, facts: _Facts) -> bool:
    found = role_of(node.value, scope)
    if found is not None:
        role, certain = found
        if role == "c":
            return node.attr in facts.constants and not _is_initial_state(scope)
        return node.attr in vocabulary.TRAJECTORY_TENSORS if role == "traj" else certain and node.attr not in vocabulary.CONTAINER_METHODS
    value = node.value
    if isinstance(value, ast.Attribute) and value.attr in vocabulary.VIEWS and role_of(value.value, scope) is not None:
        return True
    return node.attr in {"T", "mT"} and _is_tensor(value, scope, facts)


def _is_initial_state(scope: Scope) -> bool:
    """Constants are plain numbers in `initial_state`."""
    while scope.parent is not None and not scope.is_part:
        scope = scope.parent
    return isinstance(scope.node, ast.FunctionDef) and scope.node.name == "initial_state"


def _gives_tensor(node: ast.Call, scope: Scope, facts: _Facts) -> bool:
    function = node.func
    if not isinstance(function, ast.Attribute):
        return False
    module = is_module(function.value)
    if module is not None:
        return module != "math" and function.attr not in _NOT_TENSORS | _SEVERAL
    if function.attr in _NUMBERS_OF_TENSORS | _SEVERAL or function.attr not in vocabulary.METHODS:
        return False
    return _is_tensor(function.value, scope, facts)


def _is_mask(node: ast.expr, scope: Scope, facts: _Facts) -> bool:
    match node:
        case ast.Name():
            owner = scope.owner(node.id)
            return owner is not None and node.id not in owner.parameters and node.id in facts.masks.get(owner, ())
        case ast.Compare():
            plain = all(not isinstance(op, ast.In | ast.NotIn | ast.Is | ast.IsNot) for op in node.ops)
            return plain and any(_is_tensor(one, scope, facts) for one in (node.left, *node.comparators))
        case ast.UnaryOp():
            return isinstance(node.op, ast.Invert) and _is_mask(node.operand, scope, facts)
        case ast.BinOp():
            bitwise = isinstance(node.op, ast.BitAnd | ast.BitOr | ast.BitXor)
            return bitwise and (_is_mask(node.left, scope, facts) or _is_mask(node.right, scope, facts))
        case ast.Call():
            return isinstance(node.func, ast.Attribute) and node.func.attr in _MASKS and _gives_tensor(node, scope, facts)
    return False


def _check_number_function(source: Source, node: ast.Call, scope: Scope, facts: _Facts) -> None:
    if isinstance(node.func, ast.Attribute):
        if is_module(node.func.value) == "math" and any(_is_tensor(one, scope, facts) for one in node.args):
            name = node.func.attr
            remedy = f"Write torch.{name}(x)." if name in vocabulary.TORCH_FUNCTIONS else "Use torch's functions on tensors."
            raise source.fault(node, "number-function", f"math.{name} takes numbers, and this is a tensor.", remedy)
        return
    name = node.func.id if isinstance(node.func, ast.Name) else ""
    if name not in _REMEDIES or scope.owner(name) is not None:
        return
    if any(_is_tensor(one, scope, facts) for one in node.args):
        raise source.fault(node, "number-function", f"`{name}` takes numbers, and this is a tensor.", _REMEDIES[name])


def _check_branch(source: Source, node: ast.AST, scope: Scope, facts: _Facts) -> None:
    for test in _conditions(node):
        if _is_tensor(test, scope, facts):
            raise source.fault(test, "branch-on-tensor", "A decision depends on a tensor's value.", _BRANCH_REMEDY)
    if isinstance(node, ast.BoolOp) and any(_is_tensor(one, scope, facts) for one in node.values):
        remedy = "Combine comparisons elementwise: (a > 0) & (b > 0), |, ~."
        raise source.fault(node, "branch-on-tensor", "`and` and `or` cannot combine tensors.", remedy)
    if isinstance(node, ast.Compare) and len(node.ops) > 1 and _is_mask(node, scope, facts):
        raise source.fault(node, "branch-on-tensor", "A chained comparison of tensors.", "Write (low < x) & (x < high).")


def _conditions(node: ast.AST) -> list[ast.expr]:
    if isinstance(node, ast.If | ast.IfExp):
        return [node.test]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return [node.operand]
    return list(node.ifs) if isinstance(node, ast.comprehension) else []
