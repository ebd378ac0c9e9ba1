"""The toolkit's opening asserts: shapes are compared before anything is computed, and the message says what to write instead."""

from __future__ import annotations

from torch import Tensor


class ToolkitError(ValueError):
    """A toolkit function was called with shapes or numbers that do not fit. `function` is its name, from our own table."""

    def __init__(self, function: str, message: str) -> None:
        super().__init__(f"rl.{function}: {message}")
        self.function = function


def check_equal_shapes(function: str, **tensors: Tensor) -> None:
    """Every tensor has the shape of the first."""
    (first, model), *others = tensors.items()
    for name, tensor in others:
        if tensor.shape != model.shape:
            raise ToolkitError(function, f"{name} {_show(tensor)} must have the shape of {first} {_show(model)}.")


def check_time_major(function: str, **tensors: Tensor) -> None:
    """Tensors with a time axis of at least one step, all of one shape."""
    check_equal_shapes(function, **tensors)
    name, tensor = next(iter(tensors.items()))
    if tensor.ndim == 0 or tensor.shape[0] == 0:
        raise ToolkitError(function, f"{name} {_show(tensor)} must be [T, B] with at least one step.")


def check_bootstrapped(function: str, steps: Tensor, **tensors: Tensor) -> None:
    """Every tensor has one row more than `steps`, and the same axes after it."""
    wanted = (steps.shape[0] + 1, *steps.shape[1:])
    for name, tensor in tensors.items():
        if tuple(tensor.shape) != wanted:
            raise ToolkitError(
                function, f"{name} {_show(tensor)} must be [T+1, B], here {list(wanted)}: keep its last row, for bootstrapping."
            )


def check_leading(function: str, name: str, tensor: Tensor, actions: Tensor, more: int) -> None:
    """`tensor` begins with the shape of `actions` and has at least `more` further axes."""
    axes = actions.ndim
    if tuple(tensor.shape[:axes]) != tuple(actions.shape) or tensor.ndim < axes + more:
        raise ToolkitError(
            function, f"{name} {_show(tensor)} must begin with the shape of actions {_show(actions)}: drop its last row by {name}[:-1]."
        )


def check_broadcast(function: str, steps: Tensor, **numbers: Tensor | float) -> None:
    """Every entry is a number, a 0-dim tensor, or has the shape of `steps`."""
    for name, number in numbers.items():
        if isinstance(number, Tensor) and number.ndim > 0 and number.shape != steps.shape:
            raise ToolkitError(function, f"{name} {_show(number)} must be a number, a 0-dim tensor or {_show(steps)}.")


def _show(tensor: Tensor) -> str:
    return str([int(size) for size in tensor.shape])
