"""The program's text as a running thing: its namespace and the objects its functions are given. Runs inside the sandbox."""

from __future__ import annotations
import __future__

import builtins
import math
from collections.abc import Callable, Mapping
from types import CodeType, ModuleType, SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from sandbox.language import toolkit
from sandbox.language.trace_faults import FILENAME, TraceError
from sandbox.language.vocabulary import BUILTINS
from sandbox.records import Program, StateValue

STATE_NAMES = 32
STATE_NUMBERS = 1024
Namespace = dict[str, Any]


def compile_text(text: str) -> CodeType:
    """The text as code whose annotations are never evaluated."""
    code: CodeType = compile(text, FILENAME, "exec", flags=__future__.annotations.compiler_flag, dont_inherit=True)
    return code


def run_text(code: CodeType) -> Namespace:
    """A fresh namespace in which the module has run."""
    allowed = {name: getattr(builtins, name) for name in BUILTINS}
    namespace: Namespace = {
        "__builtins__": {**allowed, "__import__": _import},
        "__name__": "program",
        "torch": torch,
        "F": F,
        "math": math,
        "rl": toolkit,
    }
    exec(code, namespace)  # noqa: S102 - what this module is for; runs in the sandbox alone
    return namespace


def _import(name: str, globals_: Any = None, locals_: Any = None, fromlist: Any = (), level: int = 0) -> ModuleType:
    """Only the imports that models write by habit."""
    if fromlist or level or name not in {"torch", "torch.nn.functional", "math"}:
        raise ImportError
    return math if name == "math" else torch


def run_initial_state(namespace: Namespace, program: Program) -> dict[str, StateValue]:
    """The newborn agent's state. Constants are plain numbers here.

    Raises TraceError `initial-state` where the result is not a dict of names to numbers or short lists of numbers.
    """
    if "initial_state" not in namespace:
        return {}
    constants = SimpleNamespace(**{constant.name: constant.value for constant in program.constants})
    state = namespace["initial_state"](constants)
    if not isinstance(state, dict) or len(state) > STATE_NAMES or not all(map(_is_name, state)):
        raise TraceError("initial-state")
    return {name: _state_value(value) for name, value in state.items()}


def _is_name(name: object) -> bool:
    return isinstance(name, str) and name.isascii() and name.isidentifier() and name == name.lower() and len(name) <= 64


def _state_value(value: object) -> StateValue:
    if isinstance(value, list | tuple):
        if not 1 <= len(value) <= STATE_NUMBERS:
            raise TraceError("initial-state")
        return [_number(one) for one in value]
    return _number(value)


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise TraceError("initial-state")
    return float(value)


def call_loss(namespace: Namespace, program: Program, tensors: Mapping[str, Tensor], state_names: tuple[str, ...]) -> Any:
    """Calls `loss` on named inputs, as `sandbox.graph.signature.graph_inputs` names them."""
    function: Callable[..., Any] | None = namespace.get("loss")
    if not callable(function):
        raise TraceError("no-loss")
    arguments = [_trajectory(program, tensors), _constants(program, tensors)]
    if state_names:
        arguments.append(SimpleNamespace(**{name: tensors[f"state.{name}"] for name in state_names}))
    return function(*arguments)


def _trajectory(program: Program, tensors: Mapping[str, Tensor]) -> SimpleNamespace:
    views = {view: {head.name: tensors[f"{view}.{head.name}"] for head in program.heads} for view in ("online", "behaviour", "target")}
    views["behaviour"]["log_prob"] = tensors["behaviour.log_prob"]
    steps = {name: tensors[name] for name in ("actions", "rewards", "continues", "truncated", "progress")}
    return SimpleNamespace(**steps, **{view: SimpleNamespace(**heads) for view, heads in views.items()})


def _constants(program: Program, tensors: Mapping[str, Tensor]) -> SimpleNamespace:
    values: dict[str, Any] = {constant.name: constant.value for constant in program.constants if constant.structural}
    return SimpleNamespace(**values, **{constant.name: tensors[f"c.{constant.name}"] for constant in program.tunable})
