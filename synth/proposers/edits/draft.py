"""A program being changed: its syntax tree, and the few operations that edits are made of.

An edit is handed a draft of its own and changes it; the text it came from stays as it is.
"""

from __future__ import annotations

import ast
import copy
import keyword
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from sandbox.language.program import parse
from sandbox.language.trees import parse_expression, parse_module
from sandbox.language.vocabulary import BUILTINS, MODULES
from sandbox.records import Act, Head, Program
from synth.proposers.edits.printing import print_program, remember_text, signed_terms, sum_of

Item = TypeVar("Item")


def pick(stream: np.random.Generator, items: Sequence[Item]) -> Item:
    """One of the items, all equally likely."""
    return items[int(stream.integers(len(items)))]


def expression(text: str) -> ast.expr:
    """The syntax tree of one expression."""
    return parse_expression(text.strip())


def statements(text: str) -> list[ast.stmt]:
    """The syntax trees of statements, without memory of where they stood."""
    return parse_module(text).body


def rounded(value: float, digits: int = 2) -> float:
    """`value` to two significant digits, so that programs stay readable."""
    return float(f"{value:.{digits}g}")


def log_uniform(stream: np.random.Generator, low: float, high: float) -> float:
    """A number between `low` and `high`, its logarithm uniform, rounded."""
    return rounded(float(np.exp(stream.uniform(np.log(low), np.log(high)))))


@dataclass
class Draft:
    """A program as a tree. `heads` and `constants` follow every change of the declarations."""

    tree: ast.Module
    heads: dict[str, Head]
    constants: dict[str, int | float]
    act: Act
    program: Program
    phrases: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, text: str) -> Draft:
        """A draft of a valid program. Raises Refusal."""
        program = parse(text)
        tree = parse_module(text)
        remember_text(text, tree)
        heads = {head.name: head for head in program.heads}
        return cls(tree, heads, {one.name: one.value for one in program.constants}, program.act, program)

    def copy(self) -> Draft:
        """A draft that can be changed without changing this one."""
        return copy.deepcopy(self)

    def text(self) -> str:
        """The program as it stands."""
        return print_program(ast.fix_missing_locations(self.tree))

    # ------------------------------------------------------------------------------------------------ declarations
    def declared(self, part: str) -> ast.Dict | None:
        """The literal dict of HEADS, CONSTANTS, TRAINING or ACT."""
        for statement in self.tree.body:
            target = statement.targets[0] if isinstance(statement, ast.Assign) else getattr(statement, "target", None)
            if isinstance(target, ast.Name) and target.id == part and isinstance(getattr(statement, "value", None), ast.Dict):
                return statement.value  # type: ignore[attr-defined, no-any-return]
        return None

    def declare(self, part: str, name: str, value: Any) -> None:
        """Sets one entry of a declaration, which is made where it is missing."""
        table = self.declared(part)
        if table is None:
            (made,) = statements(f"{part} = {{}}")
            self.tree.body.insert(self._place_of(part), made)
            table = self.declared(part)
            assert table is not None  # it was just made
        node = expression(repr(value))
        for index, key in enumerate(table.keys):
            if isinstance(key, ast.Constant) and key.value == name:
                table.values[index] = node
                return
        table.keys.append(ast.Constant(name))
        table.values.append(node)

    def undeclare(self, part: str, name: str) -> None:
        """Removes one entry of a declaration, and the declaration with its last entry."""
        table = self.declared(part)
        if table is None:
            return
        rows = [(key, value) for key, value in zip(table.keys, table.values, strict=True) if ast.unparse(key or value) != repr(name)]
        table.keys, table.values = [key for key, _ in rows], [value for _, value in rows]
        if not rows:
            self.tree.body = [one for one in self.tree.body if getattr(one, "value", None) is not table]

    def entry(self, part: str, name: str) -> ast.expr | None:
        """The value of one entry of a declaration."""
        table = self.declared(part)
        pairs = zip(table.keys, table.values, strict=True) if table else ()
        return next((value for key, value in pairs if isinstance(key, ast.Constant) and key.value == name), None)

    def _place_of(self, part: str) -> int:
        order = ("HEADS", "CONSTANTS", "TRAINING", "ACT")
        before = order[: order.index(part)]
        places = [
            index
            for index, one in enumerate(self.tree.body)
            if isinstance(one, ast.Assign | ast.AnnAssign) and ast.unparse(getattr(one, "target", None) or one.targets[0]) in before  # type: ignore[union-attr]
        ]
        return max(places, default=0) + 1

    def add_constant(self, name: str, value: int | float) -> str:
        """Declares a number under `name`, or a like name where that is taken; gives its name."""
        name = self.fresh(name, self.constants)
        self.constants[name] = value
        self.declare("CONSTANTS", name, value)
        return name

    def add_head(self, name: str, size: str | int | tuple[str, int]) -> str:
        """Declares a head under `name` or a like name; gives its name. At most 8 fit."""
        name = self.fresh(name, self.heads)
        width = size[1] if isinstance(size, tuple) else 1 if size == "A" else int(size)
        self.heads[name] = Head(name=name, per_action=not isinstance(size, int), size=width, vector=isinstance(size, tuple))
        self.declare("HEADS", name, size)
        return name

    # --------------------------------------------------------------------------------------------------------- code
    def function(self, name: str) -> ast.FunctionDef | None:
        """A function of the module."""
        return next((one for one in self.tree.body if isinstance(one, ast.FunctionDef) and one.name == name), None)

    @property
    def loss(self) -> ast.FunctionDef:
        """The function `loss`."""
        function = self.function("loss")
        assert function is not None  # the contract
        return function

    @property
    def result(self) -> ast.Return | None:
        """The final return of `loss`, if it is the only one."""
        returns = [node for node in ast.walk(self.loss) if isinstance(node, ast.Return)]
        last = self.loss.body[-1]
        return last if len(returns) == 1 and isinstance(last, ast.Return) else None

    @property
    def terms(self) -> list[tuple[int, ast.expr]]:
        """The signed terms of the loss that is returned; empty where it cannot be told."""
        value = self.result.value if self.result else None
        if isinstance(value, ast.Tuple):
            value = value.elts[0]
        return signed_terms(value) if value is not None else []

    def set_terms(self, terms: list[tuple[int, ast.expr]]) -> None:
        """Makes the sum of `terms` the loss."""
        result = self.result
        assert result is not None
        if isinstance(result.value, ast.Tuple):
            result.value.elts[0] = sum_of(terms)
        else:
            result.value = sum_of(terms)

    def insert(self, code: str, position: int = -1) -> None:
        """Puts statements into `loss`, before its return unless a position says otherwise."""
        position = len(self.loss.body) - 1 if position < 0 else position
        self.loss.body[position:position] = statements(code)

    def replace(self, old: ast.AST, new: ast.expr) -> None:
        """Puts `new` in the place of the node `old`, wherever it stands."""
        for node in ast.walk(self.tree):
            for name, value in ast.iter_fields(node):
                if value is old:
                    setattr(node, name, new)
                elif isinstance(value, list):
                    value[:] = [new if one is old else one for one in value]

    def assigned(self, name: str) -> int | None:
        """Index in the body of `loss` of the last statement that assigns `name`."""
        found = [index for index, statement in enumerate(self.loss.body) if name in names_stored(statement)]
        return found[-1] if found else None

    def fresh(self, name: str, taken: Mapping[str, object] | None = None) -> str:
        """`name`, or `name_2`, `name_3`, … if it is taken (by default: as any name of the module)."""
        used = set(taken) if taken is not None else self._names()
        candidate, number = name, 1
        while candidate in used or keyword.iskeyword(candidate):
            number += 1
            candidate = f"{name}_{number}"
        return candidate

    def _names(self) -> set[str]:
        names = {node.id for node in ast.walk(self.tree) if isinstance(node, ast.Name)}
        names |= {node.arg for node in ast.walk(self.tree) if isinstance(node, ast.arg)}
        return names | {one.name for one in self.tree.body if isinstance(one, ast.FunctionDef)} | BUILTINS | MODULES

    def attributes(self, root: str) -> Iterator[ast.Attribute]:
        """Every `root.name` of the whole module, root being an expression's text."""
        return (node for node in ast.walk(self.tree) if isinstance(node, ast.Attribute) and ast.unparse(node.value) == root)

    def mentions(self, code: str) -> bool:
        """Whether the code of `loss` holds a piece of text."""
        return code in ast.unparse(self.loss)


def names_stored(node: ast.AST) -> set[str]:
    """Names assigned anywhere in a node."""
    return {one.id for one in ast.walk(node) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)}


def names_read(node: ast.AST) -> set[str]:
    """Names read anywhere in a node."""
    return {one.id for one in ast.walk(node) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Load)}
