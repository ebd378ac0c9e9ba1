"""Which function a name belongs to: a walk over the syntax tree that knows, at every node, what its names are bound to.

Annotations are never executed, so the walk leaves them out.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

Function = ast.FunctionDef | ast.Lambda
Comprehension = ast.ListComp | ast.DictComp | ast.GeneratorExp | ast.SetComp
Role = Literal["traj", "c", "state"]


@dataclass(eq=False)
class Scope:
    """A module, function or comprehension, and the names bound in it. `node` is None for the module."""

    node: Function | Comprehension | None
    parent: Scope | None
    parameters: frozenset[str] = frozenset()
    assigned: set[str] = field(default_factory=set)

    def owner(self, name: str) -> Scope | None:
        """The nearest scope in which `name` is bound."""
        if name in self.parameters or name in self.assigned:
            return self
        return self.parent.owner(name) if self.parent else None

    def visible(self) -> set[str]:
        """Every name bound here or in an enclosing scope."""
        outer = self.parent.visible() if self.parent else set()
        return outer | self.parameters | self.assigned

    @property
    def is_part(self) -> bool:
        """True for the top-level functions `loss` and `initial_state`."""
        return self._is_top and isinstance(self.node, ast.FunctionDef) and self.node.name in {"loss", "initial_state"}

    @property
    def _is_top(self) -> bool:
        return self.parent is not None and self.parent.node is None


def role_of(expression: ast.expr, scope: Scope) -> tuple[Role, bool] | None:
    """Whether a name is the trajectory, the constants or the carried state, and whether that is certain.

    Certain in `loss` and `initial_state` and in functions nested in them; likely in a helper with a parameter of that name. A name that
    is assigned again is an ordinary one.
    """
    if not isinstance(expression, ast.Name) or expression.id not in {"traj", "c", "state"}:
        return None
    owner = scope.owner(expression.id)
    if owner is None or expression.id in owner.assigned or isinstance(owner.node, Comprehension):
        return None
    role: Role = "traj" if expression.id == "traj" else "c" if expression.id == "c" else "state"
    return role, owner.is_part


def scoped_nodes(tree: ast.Module) -> Iterator[tuple[ast.AST, Scope]]:
    """Every node that can be executed with the scope it is evaluated in, in the order of the text."""
    module = Scope(None, None)
    _collect(tree.body, module)
    stack: list[tuple[ast.AST, Scope]] = [(tree, module)]
    while stack:
        node, scope = stack.pop()
        yield node, scope
        stack.extend(reversed(_children(node, scope)))


def _children(node: ast.AST, scope: Scope) -> list[tuple[ast.AST, Scope]]:
    if isinstance(node, Function):
        return _function_children(node, scope)
    if isinstance(node, Comprehension):
        inner = Scope(node, scope)
        for generator in node.generators:
            _bind(generator.target, inner)
        parts = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        return [(child, inner) for child in (*node.generators, *parts)]
    if isinstance(node, ast.AnnAssign):
        return [(child, scope) for child in (node.target, node.value) if child is not None]
    return [(child, scope) for child in ast.iter_child_nodes(node)]


def _function_children(node: Function, scope: Scope) -> list[tuple[ast.AST, Scope]]:
    arguments = node.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    inner = Scope(node, scope, frozenset(one.arg for one in every if one is not None))
    outside: list[ast.AST] = [*arguments.defaults, *(default for default in arguments.kw_defaults if default is not None)]
    body: list[ast.AST] = []
    if isinstance(node, ast.FunctionDef):
        outside = [*node.decorator_list, *outside]
        body.extend(node.body)
        _collect(node.body, inner)
    else:
        body.append(node.body)
    return [(child, scope) for child in outside] + [(child, inner) for child in body]


def _collect(statements: list[ast.stmt], scope: Scope) -> None:
    """Binds every name that the statements of one function assign, not looking into functions and comprehensions inside it."""
    pending: list[ast.AST] = list(statements)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.FunctionDef):
            scope.assigned.add(node.name)
        elif isinstance(node, ast.alias):
            scope.assigned.add((node.asname or node.name).split(".")[0])
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            scope.assigned.add(node.id)
        if not isinstance(node, Function | Comprehension):
            pending.extend(ast.iter_child_nodes(node))


def _bind(target: ast.expr, scope: Scope) -> None:
    scope.assigned.update(node.id for node in ast.walk(target) if isinstance(node, ast.Name))
