"""From an allowed key to torch's overload and its parameters. Only ever called with keys of `ops.OPS`."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import torch

import sandbox.graph.recurrence  # noqa: F401  (registers the recurrence with torch)

REQUIRED = object()
"""The default of a parameter that has none."""


class Parameter(NamedTuple):
    """One parameter of an operation. `kind` is torch's name of its type without `Optional`."""

    name: str
    kind: str
    optional: bool
    default: Any
    keyword_only: bool


@cache
def overload_of(key: str) -> Any:
    """The overload of an allowed key, such as `aten.add.Tensor`."""
    namespace, name, overload = (*key.split("."), "default")[:3]
    return getattr(getattr(getattr(torch.ops, namespace), name), overload)


@cache
def parameters_of(key: str) -> tuple[Parameter, ...]:
    """The parameters of an allowed key, in the schema's order."""
    return tuple(_parameter(argument) for argument in overload_of(key)._schema.arguments)


@cache
def gives_several(key: str) -> bool:
    """True if the operation's results are picked by number: a list, or more than one."""
    returns = overload_of(key)._schema.returns
    return len(returns) > 1 or str(returns[0].real_type) == "List[Tensor]"


@cache
def exists(name: str) -> bool:
    """True if torch has an operation of that name, so that showing it reveals nothing that came from the sandbox."""
    return name in _all_names()


@cache
def _all_names() -> frozenset[str]:
    names = torch._C._dispatch_get_all_op_names()
    return frozenset((name if "." in name else f"{name}.default").replace("::", ".") for name in names)


def _parameter(argument: Any) -> Parameter:
    kind = str(argument.real_type)
    optional = kind.startswith("Optional[")
    default = argument.default_value if argument.has_default_value() else REQUIRED
    return Parameter(argument.name, kind[9:-1] if optional else kind, optional, default, argument.kwarg_only)
