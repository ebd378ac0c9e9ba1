"""Parses a program: the first gate. Milliseconds, no torch, good messages; not a security boundary."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import Final

from sandbox.errors import Refusal
from sandbox.language.act import default_act, read_act
from sandbox.language.declarations import (
    MODULE_NAME,
    NAME,
    NotLiteral,
    is_number,
    literal,
    read_constants,
    read_heads,
    read_training,
)
from sandbox.language.names import Known, check_names
from sandbox.language.source import Source, docstring_node, is_hidden, read_source, refuse
from sandbox.language.syntax import check_syntax
from sandbox.language.tensors import check_tensor_use
from sandbox.records import Act, Constant, Head, Program, Training

_DECLARATIONS: Final = ("HEADS", "CONSTANTS", "TRAINING", "ACT")
_SIGNATURES: Final = {"loss": (("traj", "c"), ("traj", "c", "state")), "initial_state": (("c",),)}


@dataclass
class _Parts:
    """The top level of a module, sorted."""

    declarations: dict[str, ast.expr] = field(default_factory=dict)
    functions: dict[str, ast.FunctionDef] = field(default_factory=dict)
    numbers: dict[str, int | float] = field(default_factory=dict)


def parse(text: str) -> Program:
    """Reads a program and checks it against the contract. Raises Refusal of the parse gate with line, column and remedy."""
    source = read_source(text)
    if not source.tree.body:
        raise refuse("no-program", "There is no program.", "Write one complete program; a model's goes into a fence.")
    check_syntax(source)
    title, description = _docstring(source)
    parts = _sort_parts(source)
    state = _check_functions(source, parts)
    heads, constants, training, act = _declare(source, parts)
    known = Known(tuple(head.name for head in heads), tuple(constant.name for constant in constants), state)
    read = check_names(source, known)
    check_tensor_use(source, frozenset(constant.name for constant in constants if not constant.structural))
    return Program(
        text=text,
        title=title,
        description=description,
        heads=heads,
        constants=constants,
        training=training,
        act=act,
        carries_state="initial_state" in parts.functions,
        warnings=_warnings(parts, constants, read),
    )


def _docstring(source: Source) -> tuple[str, str]:
    """Title and description. Invisible characters, which an escape such as `\\b` in a formula makes, are dropped."""
    node = docstring_node(source.tree)
    clean = "".join(one for one in node.value if not is_hidden(one)).strip() if node is not None and isinstance(node.value, str) else ""
    if not clean:
        remedy = 'Begin with """Title: one sentence.""" and say the idea in words.'
        raise refuse("missing-docstring", "The module has no docstring.", remedy, 1, 1)
    title, _, description = clean.partition("\n")
    return title.strip(), description.strip()


def _sort_parts(source: Source) -> _Parts:
    parts = _Parts()
    for statement in source.tree.body:
        match statement:
            case ast.FunctionDef():
                _check_function_name(source, statement)
                _check_new(source, statement, statement.name, parts)
                parts.functions[statement.name] = statement
            case ast.Assign(targets=[ast.Name() as target]):
                _sort_assignment(source, target, statement.value, parts)
            case ast.AnnAssign(target=ast.Name() as target, value=ast.expr() as value):
                _sort_assignment(source, target, value, parts)
            case ast.Import() | ast.ImportFrom() | ast.Pass() | ast.Expr(value=ast.Constant(value=str())):
                continue
            case _:
                remedy = (
                    "A module holds its docstring, HEADS, CONSTANTS, TRAINING, ACT, literal numbers and functions; move the rest into loss."
                )
                raise source.fault(statement, "module-statement", "This statement may not stand at module level.", remedy)
    return parts


def _check_new(source: Source, node: ast.AST, name: str, parts: _Parts) -> None:
    if name in parts.declarations or name in parts.functions or name in parts.numbers:
        raise source.fault(node, "duplicate-part", f"{name} is defined twice.", "Keep one definition.")


def _check_function_name(source: Source, node: ast.FunctionDef) -> None:
    if not NAME.fullmatch(node.name.lstrip("_")) or node.name.startswith("__"):
        raise source.fault(node, "bad-name", f"`{node.name}` cannot name a function.", "Use lower case, such as `huber_loss`.")


def _sort_assignment(source: Source, target: ast.Name, value: ast.expr, parts: _Parts) -> None:
    name = target.id
    _check_new(source, target, name, parts)
    if name in _DECLARATIONS:
        parts.declarations[name] = value
        return
    if not MODULE_NAME.fullmatch(name):
        remedy = "Numbers of the module are upper case, such as `HORIZON = 5`; everything else belongs into a function."
        raise source.fault(target, "bad-name", f"`{name}` may not be assigned at module level.", remedy)
    try:
        number = literal(value, parts.numbers)
    except NotLiteral as error:
        raise source.fault(error.node, "not-literal", f"{name} is not a literal number.", "Compute it inside a function.") from None
    if is_number(number):
        parts.numbers[name] = number
    elif not isinstance(number, tuple) or not all(is_number(one) for one in number):
        raise source.fault(value, "not-literal", f"{name} is not a number.", "Only numbers, and tuples of them, stand at module level.")
    elif isinstance(value, ast.List):
        raise source.fault(value, "not-literal", f"{name} is a list, which could change.", "Write a tuple: (0.1, 0.5, 0.9).")


def _check_functions(source: Source, parts: _Parts) -> tuple[str, ...] | None:
    """Signatures of `loss` and `initial_state`, and that both or neither speak of state; gives the state's names if they can be read."""
    if "loss" not in parts.functions:
        raise refuse(
            "missing-loss", "There is no function `loss`.", "Write `def loss(traj, c):` and return the loss of every step, [T, B]."
        )
    for name, signatures in _SIGNATURES.items():
        if name in parts.functions:
            _check_signature(source, parts.functions[name], signatures)
    loss = parts.functions["loss"]
    takes_state = len(loss.args.args) == 3
    if takes_state and "initial_state" not in parts.functions:
        remedy = 'Add `def initial_state(c): return {"mean": 0.0}`, or write `def loss(traj, c):`.'
        raise source.fault(loss, "state-without-initial", "`loss` takes a state, but there is no `initial_state(c)`.", remedy)
    if not takes_state and "initial_state" in parts.functions:
        remedy = "Write `def loss(traj, c, state):` and return the pair (loss, new_state)."
        raise source.fault(
            parts.functions["initial_state"], "initial-without-state", "`initial_state` is there, but `loss` takes no state.", remedy
        )
    _check_returns(source, loss, takes_state)
    return _state_names(source, parts.functions["initial_state"]) if takes_state else ()


def _check_signature(source: Source, node: ast.FunctionDef, signatures: tuple[tuple[str, ...], ...]) -> None:
    arguments = node.args
    plain = not (arguments.posonlyargs or arguments.kwonlyargs or arguments.vararg or arguments.kwarg or arguments.defaults)
    if not plain or tuple(one.arg for one in arguments.args) not in signatures:
        remedy = " or ".join(f"`def {node.name}({', '.join(names)}):`" for names in signatures)
        raise source.fault(node, "signature", f"`{node.name}` has another signature.", f"Write {remedy}.")


def own_returns(node: ast.FunctionDef) -> list[ast.Return]:
    """The return statements of a function itself, not of functions inside it."""
    found: list[ast.Return] = []
    pending: list[ast.AST] = list(reversed(node.body))
    while pending:
        one = pending.pop()
        if isinstance(one, ast.Return):
            found.append(one)
        elif not isinstance(one, ast.FunctionDef | ast.Lambda):
            pending.extend(reversed(list(ast.iter_child_nodes(one))))
    return found


def _check_returns(source: Source, loss: ast.FunctionDef, takes_state: bool) -> None:
    returns = own_returns(loss)
    what = "the pair (loss, new_state)" if takes_state else "one tensor: the loss of every step, [T, B], or a scalar"
    if not returns:
        raise source.fault(loss, "loss-returns", "`loss` returns nothing.", f"Return {what}.")
    for node in returns:
        value = node.value
        pair = isinstance(value, ast.Tuple) and len(value.elts) == 2
        wrong = isinstance(value, ast.Tuple | ast.List | ast.Dict) and not (takes_state and pair)
        if value is None or isinstance(value, ast.Constant) or wrong:
            raise source.fault(node, "loss-returns", "`loss` returns something else than a loss.", f"Return {what}.")


def _state_names(source: Source, node: ast.FunctionDef) -> tuple[str, ...] | None:
    returns = own_returns(node)
    if not returns:
        raise source.fault(node, "state-names", "`initial_state` returns nothing.", 'Return a dict: return {"mean": 0.0}.')
    if len(returns) != 1 or not isinstance(returns[0].value, ast.Dict):
        return None
    if not returns[0].value.keys:
        raise source.fault(
            returns[0], "state-names", "`initial_state` returns an empty dict.", "Name a value, or write `def loss(traj, c):`."
        )
    names: list[str] = []
    for key in returns[0].value.keys:
        if not isinstance(key, ast.Constant):
            return None
        if not isinstance(key.value, str) or not NAME.fullmatch(key.value):
            raise source.fault(key, "state-names", f"{ast.unparse(key)} cannot name a carried value.", "Use lower case, such as 'mean'.")
        names.append(key.value)
    return tuple(names)


def _declare(source: Source, parts: _Parts) -> tuple[tuple[Head, ...], tuple[Constant, ...], Training, Act]:
    nodes = parts.declarations
    if "HEADS" not in nodes:
        raise _missing_heads()
    heads = read_heads(source, nodes["HEADS"], parts.numbers)
    constants = read_constants(source, nodes["CONSTANTS"], parts.numbers) if "CONSTANTS" in nodes else ()
    training = read_training(source, nodes["TRAINING"], parts.numbers) if "TRAINING" in nodes else Training()
    act = read_act(source, nodes["ACT"], parts.numbers, heads, constants) if "ACT" in nodes else default_act(heads)
    return heads, constants, training, act


def _missing_heads() -> Refusal:
    return refuse("missing-heads", "There is no HEADS.", 'Say what the network predicts: HEADS = {"logits": "A", "value": 1}.')


def _warnings(parts: _Parts, constants: tuple[Constant, ...], read: frozenset[str]) -> tuple[str, ...]:
    act = parts.declarations.get("ACT")
    in_act = {node.value for node in ast.walk(act) if isinstance(node, ast.Constant)} if act is not None else set()
    unused = [constant.name for constant in constants if constant.name not in read and constant.name not in in_act]
    return tuple(f"The constant {name!r} is never used." for name in unused)
