"""Every name and attribute a program reads must be known: its own, a builtin, the toolkit's, torch's, or the trajectory's."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NoReturn

from sandbox.errors import Refusal
from sandbox.language import vocabulary
from sandbox.language.scopes import Function, Scope, role_of, scoped_nodes
from sandbox.language.source import Source

_MODULE_NAMES: Final[Mapping[str, frozenset[str]]] = {
    "torch": vocabulary.TORCH_FUNCTIONS,
    "F": vocabulary.F_FUNCTIONS,
    "math": vocabulary.MATH_FUNCTIONS | vocabulary.MATH_NUMBERS,
    "rl": frozenset(vocabulary.RL_FUNCTIONS),
}
_PARTS: Final = frozenset({"HEADS", "CONSTANTS", "TRAINING", "ACT"})


@dataclass(frozen=True)
class Known:
    """What the declarations say. `state` is None where the names of the carried state cannot be read off the text."""

    heads: tuple[str, ...]
    constants: tuple[str, ...]
    state: tuple[str, ...] | None = ()


def check_names(source: Source, known: Known) -> frozenset[str]:
    """Refuses unknown names and attributes; gives the names of all attributes read. Raises Refusal."""
    read: set[str] = set()
    for node, scope in scoped_nodes(source.tree):
        if isinstance(node, ast.Name):
            _check_name(source, node, scope)
        elif isinstance(node, ast.Attribute):
            read.add(node.attr)
            _check_attribute(source, node, scope, known)
        elif isinstance(node, ast.Call):
            _check_toolkit_call(source, node)
        elif isinstance(node, ast.Subscript):
            _check_subscript(source, node, scope)
        elif isinstance(node, Function):
            _check_parameters(source, node)
    return frozenset(read)


def is_module(node: ast.expr) -> str | None:
    """`torch`, `F`, `math` or `rl` if the expression is that module; `torch.nn.functional` is `F`."""
    if isinstance(node, ast.Name) and node.id in vocabulary.MODULES:
        return node.id
    if isinstance(node, ast.Attribute) and ast.unparse(node) == "torch.nn.functional":
        return "F"
    return None


def _check_name(source: Source, node: ast.Name, scope: Scope) -> None:
    name = node.id
    if isinstance(node.ctx, ast.Store):
        _check_binding(source, node, name)
    elif name in _PARTS:
        raise source.fault(node, "unknown-name", f"`{name}` cannot be read here.", vocabulary.FORBIDDEN_NAMES[name])
    elif scope.owner(name) is None and name not in vocabulary.BUILTINS | vocabulary.MODULES:
        _refuse_name(source, node, scope)


def _refuse_name(source: Source, node: ast.Name, scope: Scope) -> NoReturn:
    name = node.id
    if name in {"traj", "c", "state"}:
        remedy = f"Give the function a parameter for it: `def f({name}, …):`."
        if name == "state":
            remedy += " `loss` is given state as `loss(traj, c, state)`, beside an `initial_state(c)`."
        raise source.fault(node, "unknown-name", f"`{name}` is not known in this function.", remedy)
    remedy = vocabulary.FORBIDDEN_NAMES.get(name) or _suggest(name, scope)
    raise source.fault(node, "unknown-name", f"`{name}` is not a known name.", remedy)


def _suggest(name: str, scope: Scope) -> str:
    for module, names in _MODULE_NAMES.items():
        if name in names:
            return f"Did you mean {module}.{name}?"
    return vocabulary.allowed(name, scope.visible() | vocabulary.BUILTINS | vocabulary.MODULES)


def _check_binding(source: Source, node: ast.AST, name: str) -> None:
    if name in vocabulary.MODULES:
        raise source.fault(node, "reserved-name", f"`{name}` is given and may not be bound anew.", "Choose another name.")
    if name.startswith("__"):
        raise source.fault(node, "bad-name", f"`{name}` begins with two underscores.", "Choose a plain name.")


def _check_parameters(source: Source, node: Function) -> None:
    for argument in ast.walk(node.args):
        if isinstance(argument, ast.arg):
            _check_binding(source, argument, argument.arg)


def _check_attribute(source: Source, node: ast.Attribute, scope: Scope, known: Known) -> None:
    name = node.attr
    if name.startswith("_"):
        raise source.fault(node, "private-attribute", f"`.{name}` begins with an underscore.", "Use public functions and methods only.")
    module = is_module(node.value)
    if module is not None:
        _check_module_attribute(source, node, module)
    elif isinstance(node.value, ast.Attribute) and is_module(node.value.value) == "torch":
        _check_nested_attribute(source, node, node.value)
    elif not _is_input_attribute(source, node, scope, known):
        _check_method(source, node, known)


def _check_subscript(source: Source, node: ast.Subscript, scope: Scope) -> None:
    """What `loss` is given has attributes, not keys."""
    value = node.value
    is_view = isinstance(value, ast.Attribute) and value.attr in vocabulary.VIEWS and role_of(value.value, scope) is not None
    key = node.slice.value if isinstance(node.slice, ast.Constant) else None
    if isinstance(key, str) and (is_view or role_of(value, scope) is not None):
        message = f"`{ast.unparse(node)}` reads by key."
        raise source.fault(node, "input-subscript", message, f"Write {ast.unparse(value)}.{key}.")


def _check_module_attribute(source: Source, node: ast.Attribute, module: str) -> None:
    name = node.attr
    if name in _MODULE_NAMES[module] or (module == "torch" and name == "nn"):
        return
    if module == "torch" and name in vocabulary.OTHER_DTYPES:
        message = f"`torch.{name}` is not a type of the language."
        raise source.fault(node, "unknown-dtype", message, f"Write {vocabulary.OTHER_DTYPES[name]}.")
    code = {"rl": "unknown-toolkit-function", "math": "unknown-math-function"}.get(module, "unknown-torch-function")
    raise source.fault(node, code, f"`{ast.unparse(node)}` is not in the language.", _module_remedy(module, name))


def _check_nested_attribute(source: Source, node: ast.Attribute, inner: ast.Attribute) -> None:
    """`torch.x.y`: the only legal one is `torch.nn.functional`."""
    _check_module_attribute(source, inner, "torch")
    if inner.attr == "nn" and node.attr != "functional":
        message = f"`{ast.unparse(node)}` is not in the language."
        raise source.fault(node, "unknown-torch-function", message, vocabulary.FORBIDDEN_ATTRIBUTES["nn"])


def _module_remedy(module: str, name: str) -> str:
    if name in vocabulary.FORBIDDEN_ATTRIBUTES:
        return vocabulary.FORBIDDEN_ATTRIBUTES[name]
    for other in ("rl", "torch", "F"):
        if other != module and name in _MODULE_NAMES[other]:
            return f"Did you mean {vocabulary.RL_FUNCTIONS[name].show(name)}?" if other == "rl" else f"Did you mean {other}.{name}?"
    if name.endswith("_") and name.rstrip("_") in _MODULE_NAMES[module]:
        return f"Nothing is changed in place: write x = {module}.{name.rstrip('_')}(x)."
    return vocabulary.allowed(name, _MODULE_NAMES[module], f"{module}.")


def _is_input_attribute(source: Source, node: ast.Attribute, scope: Scope, known: Known) -> bool:
    """Whether this reads the trajectory, a constant or the state, by a name that exists. Raises Refusal where it surely does not."""
    if isinstance(node.value, ast.Attribute) and node.value.attr in vocabulary.VIEWS and role_of(node.value.value, scope) is not None:
        return _check_view(source, node, node.value.attr, known)
    found = role_of(node.value, scope)
    if found is None:
        return False
    role, certain = found
    names: Mapping[str, tuple[str, ...] | None] = {
        "traj": tuple(sorted(vocabulary.TRAJECTORY_FIELDS)),
        "c": known.constants,
        "state": known.state,
    }
    legal = names[role]
    if legal is None or node.attr in legal:
        return True
    if role != "traj" and (not certain or (role == "state" and node.attr in vocabulary.CONTAINER_METHODS)):
        return False
    raise _input_fault(source, node, role, legal, known)


def _input_fault(source: Source, node: ast.Attribute, role: str, legal: tuple[str, ...], known: Known) -> Refusal:
    name = node.attr
    if role == "traj":
        heads = (
            f"Heads are read under a view: traj.online.{name}[:-1], traj.behaviour.{name}, traj.target.{name}."
            if name in known.heads
            else ""
        )
        remedy = heads or vocabulary.FORBIDDEN_ATTRIBUTES.get(name) or vocabulary.allowed(name, legal, "traj.")
        return source.fault(node, "unknown-trajectory-field", f"There is no `traj.{name}`.", remedy)
    if role == "c":
        remedy = f'{vocabulary.allowed(name, legal, "c.")} A new one is declared in CONSTANTS: "{name}": 0.5.'
        return source.fault(node, "unknown-constant", f"CONSTANTS does not declare {name!r}.", remedy)
    remedy = f"{vocabulary.allowed(name, legal, 'state.')} It must be a name that initial_state(c) returns."
    return source.fault(node, "unknown-state", f"The carried state has no {name!r}.", remedy)


def _check_view(source: Source, node: ast.Attribute, view: str, known: Known) -> bool:
    legal = (*known.heads, "log_prob") if view == "behaviour" else known.heads
    if node.attr in legal:
        return True
    if node.attr == "log_prob":
        remedy = f"Only traj.behaviour.log_prob exists; compute this one: rl.log_prob(traj.{view}.logits[:-1], traj.actions)."
    else:
        remedy = f"{vocabulary.allowed(node.attr, legal, f'traj.{view}.')} A new one is declared in HEADS."
    raise source.fault(node, "unknown-head", f"HEADS does not declare {node.attr!r}.", remedy)


def _check_method(source: Source, node: ast.Attribute, known: Known) -> None:
    name = node.attr
    own = {*known.heads, *known.constants, *(known.state or ()), *vocabulary.TRAJECTORY_FIELDS, "log_prob"}
    if name in vocabulary.METHODS or name in vocabulary.CONTAINER_METHODS or name in own:
        return
    message = f"`.{name}` is not in the language."
    if name in vocabulary.FORBIDDEN_ATTRIBUTES:
        raise source.fault(node, "forbidden-attribute", message, vocabulary.FORBIDDEN_ATTRIBUTES[name])
    if name.endswith("_") and name.rstrip("_") in vocabulary.METHODS:
        remedy = f"Nothing is changed in place: write x = x.{name.rstrip('_')}(…)."
        raise source.fault(node, "in-place", message, remedy)
    raise source.fault(node, "unknown-method", message, vocabulary.allowed(name, vocabulary.METHODS | own, "."))


def _check_toolkit_call(source: Source, node: ast.Call) -> None:
    """Arguments of `rl.…` fit its signature, as far as the text shows."""
    function = node.func
    if not isinstance(function, ast.Attribute) or is_module(function.value) != "rl" or function.attr not in vocabulary.RL_FUNCTIONS:
        return
    if any(isinstance(argument, ast.Starred) for argument in node.args):
        return
    signature = vocabulary.RL_FUNCTIONS[function.attr]
    problem = _argument_problem(node, signature)
    if problem:
        remedy = f"Write {signature.show(function.attr)}."
        raise source.fault(node, "toolkit-arguments", f"rl.{function.attr} {problem}.", remedy)


def _argument_problem(node: ast.Call, signature: vocabulary.Signature) -> str:
    if len(node.args) > len(signature.parameters):
        return f"takes {len(signature.parameters)} arguments, not {len(node.args)}"
    given = list(signature.parameters[: len(node.args)])
    for keyword in node.keywords:
        name = str(keyword.arg)
        if name in given:
            return f"is given `{name}` twice"
        if name not in signature.parameters and not (name == "stop_gradient" and signature.cuts):
            return f"has no parameter `{name}`"
        given.append(name)
    missing = [name for name in signature.parameters[: signature.required] if name not in given]
    return f"lacks {', '.join(f'`{name}`' for name in missing)}" if missing else ""
