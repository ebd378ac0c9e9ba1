"""What goes into a program's graph and what comes out, in one order that tracer, verifier and trainer share.

The graph takes a flat list of tensors (no dict: the order is ours, not pytree's) and gives `[loss, *new state sorted by name]`.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from sandbox.records import Program, Shape, StateValue

DType = Literal["float32", "int64", "bool"]
"""Types in graph JSON. `float32` means *the trainer's float*: the same graph also runs in float64."""


class Input(NamedTuple):
    """One input of the graph."""

    name: str
    shape: tuple[int, ...]
    dtype: DType


def graph_inputs(program: Program, shape: Shape, initial_state: dict[str, StateValue]) -> tuple[Input, ...]:
    """Every input in order: trajectory, heads by view, constants, state.

    Names: `actions`, `rewards`, `continues`, `truncated`, `progress`, `behaviour.log_prob`, then `online.H`, `behaviour.H`, `target.H` for
    each head H as declared, `c.NAME` for each float constant as declared, `state.NAME` sorted by name.
    """
    steps, envs, num_actions = shape
    rows = (steps, envs)
    inputs = [Input("actions", rows, "int64")]
    inputs += [Input(name, rows, "float32") for name in ("rewards", "continues", "truncated", "behaviour.log_prob")]
    inputs.append(Input("progress", (), "float32"))
    for view in ("online", "behaviour", "target"):
        inputs += [Input(f"{view}.{head.name}", (steps + 1, envs, *head.shape(num_actions)), "float32") for head in program.heads]
    inputs += [Input(f"c.{constant.name}", (), "float32") for constant in program.tunable]
    inputs += [Input(f"state.{name}", state_shape(initial_state[name]), "float32") for name in sorted(initial_state)]
    return tuple(inputs)


def graph_outputs(initial_state: dict[str, StateValue]) -> tuple[str, ...]:
    """Names of the outputs in order: `loss`, then `state.NAME` sorted by name."""
    return ("loss", *(f"state.{name}" for name in sorted(initial_state)))


def state_shape(value: StateValue) -> tuple[int, ...]:
    """Shape of one carried value: a number is 0-dim, a list is a vector."""
    return (len(value),) if isinstance(value, list) else ()
