"""A verified graph as plain data: a straight line of operations, each reading only what stands before it.

Only `sandbox.graph.verify` makes one from text it does not trust; everything here may be believed. Needs no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeAlias

from sandbox.graph.signature import DType, Input


class Ref(NamedTuple):
    """The result of node number `node`; `output` picks one of several."""

    node: int
    output: int | None = None


class DTypeName(NamedTuple):
    """An argument that is a type; `float32` means the trainer's float."""

    name: DType


Argument: TypeAlias = "Ref | DTypeName | bool | int | float | str | tuple[Argument, ...] | None"


class TensorType(NamedTuple):
    """What one result is, at the shapes the graph was verified for."""

    shape: tuple[int, ...]
    dtype: DType

    def __str__(self) -> str:
        return f"{self.dtype}{list(self.shape)}"


@dataclass(frozen=True)
class Node:
    """One operation. `op` is a key of `ops.OPS`, or `input` (args: its name) or `const` (args: nested numbers, type).

    Arguments stand in the schema's order, trailing defaults left out; keyword-only ones in `kwargs`, sorted. `line` is the program's
    (0 unknown). `inserted` marks a clamp that the verifier added to an index whose range it could not prove.
    """

    op: str
    args: tuple[Argument, ...]
    kwargs: tuple[tuple[str, Argument], ...] = ()
    results: tuple[TensorType, ...] = ()
    several: bool = False
    line: int = 0
    inserted: bool = False

    def refs(self) -> Iterator[Ref]:
        """Everything this node reads, in order."""
        for argument in (*self.args, *(value for _, value in self.kwargs)):
            yield from _refs_in(argument)

    def renamed(self, rename: Callable[[Ref], Ref]) -> Node:
        """The same operation on other references."""
        kwargs = tuple((name, _rename(value, rename)) for name, value in self.kwargs)
        return replace(self, args=tuple(_rename(value, rename) for value in self.args), kwargs=kwargs)


@dataclass(frozen=True)
class Graph:
    """A loss as data: `outputs[k]` is the output called `output_names[k]` (`loss`, then `state.NAME` sorted by name).

    `work` counts floating-point operations of one forward pass, `memory` the bytes of all its results together, both at the shapes
    of `inputs` and estimated from above.
    """

    inputs: tuple[Input, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[Ref, ...]
    output_names: tuple[str, ...]
    work: int = 0
    memory: int = 0

    def type_of(self, ref: Ref) -> TensorType:
        """Shape and type of one result."""
        return self.nodes[ref.node].results[ref.output or 0]


def _refs_in(argument: Argument) -> Iterator[Ref]:
    if isinstance(argument, Ref):
        yield argument
    elif isinstance(argument, tuple) and not isinstance(argument, DTypeName):
        for item in argument:
            yield from _refs_in(item)


def _rename(argument: Argument, rename: Callable[[Ref], Ref]) -> Argument:
    if isinstance(argument, Ref):
        return rename(argument)
    if isinstance(argument, tuple) and not isinstance(argument, DTypeName):
        return tuple(_rename(item, rename) for item in argument)
    return argument
