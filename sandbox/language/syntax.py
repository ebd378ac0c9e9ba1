"""Which constructs of Python a program may use: an allow-list of syntax nodes, each refusal with what to write instead."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from sandbox.language import limits, vocabulary
from sandbox.language.source import Source

_STATEMENTS: Final = (ast.Module, ast.FunctionDef, ast.Return, ast.Assign, ast.AugAssign, ast.AnnAssign, ast.For, ast.If, ast.With)
_SMALL_STATEMENTS: Final = (ast.Expr, ast.Pass, ast.Break, ast.Continue, ast.Import, ast.ImportFrom)
_EXPRESSIONS: Final = (ast.BoolOp, ast.BinOp, ast.UnaryOp, ast.Lambda, ast.IfExp, ast.Dict, ast.ListComp, ast.DictComp, ast.GeneratorExp)
_ATOMS: Final = (ast.Compare, ast.Call, ast.Constant, ast.Attribute, ast.Subscript, ast.Starred, ast.Name, ast.List, ast.Tuple, ast.Slice)
_TEXT: Final = (ast.JoinedStr, ast.FormattedValue)
_HELPERS: Final = (ast.arguments, ast.arg, ast.keyword, ast.alias, ast.withitem, ast.comprehension, ast.expr_context)
_OPERATORS: Final = (ast.boolop, ast.operator, ast.unaryop, ast.cmpop)
ALLOWED_NODES: Final = (*_STATEMENTS, *_SMALL_STATEMENTS, *_EXPRESSIONS, *_ATOMS, *_TEXT, *_HELPERS, *_OPERATORS)

_HINTS: Final[Mapping[str, tuple[str, str]]] = {
    "While": ("`while`", "Loop over a range: `for t in range(n):`."),
    "Try": ("`try`", "A loss raises nothing: clamp inputs with torch.clamp instead."),
    "TryStar": ("`try`", "A loss raises nothing: clamp inputs with torch.clamp instead."),
    "Match": ("`match`", "Use `if` on Python values, or torch.where on tensors."),
    "ClassDef": ("`class`", "Write functions and pass values as arguments."),
    "Global": ("`global`", "Carry values in `initial_state` and `loss(traj, c, state)`."),
    "Nonlocal": ("`nonlocal`", "Return the value from the function."),
    "Delete": ("`del`", "Leave the name unused."),
    "Yield": ("`yield`", "Return a list."),
    "YieldFrom": ("`yield`", "Return a list."),
    "AsyncFunctionDef": ("`async`", "Write a plain function."),
    "AsyncFor": ("`async`", "Write a plain loop."),
    "AsyncWith": ("`async`", "Write a plain function."),
    "Await": ("`await`", "Write a plain function."),
    "NamedExpr": ("`:=`", "Assign in a statement of its own."),
    "Assert": ("`assert`", "Remove it: shapes are checked when the program is traced."),
    "Raise": ("`raise`", "A loss raises nothing: remove it."),
    "Set": ("a set", "Use a tuple or a list: their order is fixed."),
    "SetComp": ("a set comprehension", "Use a list comprehension: its order is fixed."),
}
IMPORTS: Final = ("import torch", "import torch.nn.functional as F", "import math")
INPUTS: Final = frozenset({"traj", "c", "state"})
"""What `loss` is given."""
_IMPORT_REMEDY: Final = "torch, F, math and rl are already there: remove the import."


def check_syntax(source: Source) -> None:
    """Refuses every construct outside the language. Raises Refusal at the first in the order of the walk."""
    annotations = {id(node) for owner in ast.walk(source.tree) for node in _annotations(owner)}
    pending: list[ast.AST] = [source.tree]
    while pending:
        node = pending.pop()
        if id(node) in annotations:
            _check_annotation(source, node)
            continue
        _check_node(source, node)
        pending.extend(reversed(list(ast.iter_child_nodes(node))))


def _check_node(source: Source, node: ast.AST) -> None:
    if not isinstance(node, ALLOWED_NODES):
        what, remedy = _HINTS.get(type(node).__name__, (f"`{type(node).__name__}`", "Use assignments, `if`, `for` and functions."))
        raise source.fault(node, "forbidden-syntax", f"A program may not use {what}.", remedy)
    rule = _RULES.get(type(node))
    if rule is not None:
        rule(source, node)


def _annotations(node: ast.AST) -> list[ast.AST]:
    found = [getattr(node, "annotation", None), getattr(node, "returns", None)]
    return [annotation for annotation in found if annotation is not None]


def _check_annotation(source: Source, annotation: ast.AST) -> None:
    """Annotations are stripped, never executed; still, only names and shapes of types are let through."""
    legal = (ast.Name, ast.Attribute, ast.Subscript, ast.Constant, ast.Tuple, ast.List, ast.BinOp, ast.BitOr, ast.expr_context)
    for node in ast.walk(annotation):
        if not isinstance(node, legal):
            place = node if hasattr(node, "lineno") else annotation
            raise source.fault(place, "annotation", "An annotation holds more than a type.", "Leave annotations out: they are not needed.")


def _check_function(source: Source, node: Any) -> None:
    if node.decorator_list:
        remedy = "Call the function you need inside; for no_grad write rl.stop_gradient(x)."
        raise source.fault(node.decorator_list[0], "decorator", "A function may not be decorated.", remedy)
    if getattr(node, "type_params", None):
        raise source.fault(node, "forbidden-syntax", "A function may not have type parameters.", "Remove them.")
    _check_lambda(source, node)


def _check_lambda(source: Source, node: Any) -> None:
    if node.args.kwarg is not None:
        raise source.fault(node.args.kwarg, "double-star", "`**` may not collect arguments.", "Name the parameters.")
    mutable = (ast.List, ast.Dict, ast.ListComp, ast.DictComp)
    for default in (*node.args.defaults, *node.args.kw_defaults):
        if isinstance(default, mutable):
            remedy = "Create it inside the function: a default is shared between calls."
            raise source.fault(default, "mutable-default", "A default value may not be a list or dict.", remedy)


def _check_with(source: Source, node: Any) -> None:
    for item in node.items:
        call = item.context_expr
        is_no_grad = isinstance(call, ast.Call) and not call.args and not call.keywords and ast.unparse(call.func) == "torch.no_grad"
        if not is_no_grad or item.optional_vars is not None:
            raise source.fault(call, "forbidden-with", "The only `with` is `with torch.no_grad():`.", "Use it, or rl.stop_gradient(x).")


def _check_import(source: Source, node: Any) -> None:
    lines = [ast.unparse(node)] if isinstance(node, ast.ImportFrom) else [ast.unparse(ast.Import([alias])) for alias in node.names]
    if not set(lines) <= set(IMPORTS):
        message = f"`{ast.unparse(node)}` is not allowed."
        raise source.fault(node, "forbidden-import", message, _import_remedy(node))


def _import_remedy(node: ast.Import | ast.ImportFrom) -> str:
    module = node.module or "" if isinstance(node, ast.ImportFrom) else node.names[0].name
    if module.split(".")[0] in {"numpy", "jax"}:
        return "Use torch: torch.exp, torch.where, …."
    if module in {"typing", "__future__", "collections.abc"}:
        return "Remove it: annotations are stripped anyway."
    return f"{_IMPORT_REMEDY} Accepted by habit: {'; '.join(f'`{one}`' for one in IMPORTS)}."


def _check_call(source: Source, node: Any) -> None:
    for keyword in node.keywords:
        if keyword.arg is None:
            raise source.fault(keyword, "double-star", "`**` may not pass arguments.", "Write the keyword arguments out.")
        remedy = vocabulary.FORBIDDEN_KEYWORDS.get(keyword.arg)
        if remedy is not None:
            raise source.fault(keyword, "forbidden-keyword", f"The argument `{keyword.arg}=` is not allowed.", remedy)
        if keyword.arg == "device" and isinstance(keyword.value, ast.Constant):
            raise source.fault(keyword, "device", "A program may not name a device.", "Leave it out: the trainer chooses the device.")


def _check_constant(source: Source, node: Any) -> None:
    value = node.value
    if value is None or isinstance(value, bool | str | type(...)):
        return
    if isinstance(value, int) and abs(value) <= limits.INTEGER:
        return
    if isinstance(value, float) and math.isfinite(value):
        return
    fault = _literal_fault(value)
    raise source.fault(node, "bad-literal", *fault)


def _literal_fault(value: object) -> tuple[str, str]:
    if isinstance(value, bytes):
        return "Byte strings are not allowed.", "Write numbers."
    if isinstance(value, complex):
        return "Complex numbers are not allowed.", "Compute with real tensors."
    return "The number is too large.", "Integers are below 2**63, floats finite; write math.inf where infinity is meant."


def _check_text(source: Source, node: Any) -> None:
    """An f-string may put numbers into the name of a dict key; a format could read any attribute of an object."""
    plain = (ast.Name, ast.Constant, ast.BinOp, ast.operator, ast.expr_context)
    for part in node.values:
        if isinstance(part, ast.Constant):
            continue
        if part.conversion != -1 or part.format_spec is not None or not all(isinstance(one, plain) for one in ast.walk(part.value)):
            raise source.fault(node, "f-string", "An f-string may only hold names and numbers.", 'Write plain text: {"mean_0": …}.')


def _check_store(source: Source, node: Any) -> None:
    """Only names may be assigned, and items of what the program made itself."""
    if not isinstance(node.ctx, ast.Store):
        return
    if root_name(node) in INPUTS:
        remedy = "Copy into a name of your own, such as `rewards = traj.rewards * 2`; new state is returned beside the loss."
        raise source.fault(node, "write-to-input", f"`{ast.unparse(node)}` is given and may not be written.", remedy)
    if isinstance(node, ast.Attribute):
        raise source.fault(node, "attribute-write", "Attributes may not be assigned.", "Assign to a name of your own.")


def root_name(node: ast.expr) -> str | None:
    """The name that a chain of attributes and subscripts starts from: `traj` of `traj.online.value[0]`."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


_RULES: Final[Mapping[type[ast.AST], Callable[[Source, Any], None]]] = {
    ast.FunctionDef: _check_function,
    ast.Lambda: _check_lambda,
    ast.With: _check_with,
    ast.Import: _check_import,
    ast.ImportFrom: _check_import,
    ast.Call: _check_call,
    ast.Constant: _check_constant,
    ast.JoinedStr: _check_text,
    ast.Attribute: _check_store,
    ast.Subscript: _check_store,
}
