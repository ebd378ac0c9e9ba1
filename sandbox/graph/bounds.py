"""How large a graph may be, and the count of what running it would cost.

Costs are counted below the operation a program wrote: a dispatch mode sees every basic operation that it decomposes into, temporaries
included. No memory is allocated: the tensors are fake.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from sandbox.graph.refusals import refuse


@dataclass(frozen=True)
class Bounds:
    """Limits of one graph at the shapes it is verified for."""

    characters: int = 4_000_000  # of graph JSON
    nodes: int = 4_000
    literal_numbers: int = 65_536  # in all constants together
    list_length: int = 1_024
    elements: int = 1 << 26  # of one tensor
    memory: int = 4 << 30  # bytes of all results together, in float32
    work: int = 20_000_000_000  # floating-point operations of one forward pass
    dispatches: int = 40_000  # basic operations


BOUNDS = Bounds()

_MATRIX_PRODUCTS = {"mm", "bmm", "mv", "dot", "addmm", "baddbmm"}


class CostCounter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts basic operations as they pass, and refuses as soon as a bound is crossed. `line` names the place in a refusal."""

    def __init__(self, bounds: Bounds) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.bounds = bounds
        self.line = 0
        self.work = 0
        self.memory = 0
        self.dispatches = 0

    def __torch_dispatch__(self, func: Any, types: Iterable[type], args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self.dispatches += 1
        outputs = [item for item in _flat([result]) if isinstance(item, Tensor)]
        elements = [math.prod(output.shape) for output in outputs]
        if not func.is_view:
            self.memory += sum(count * output.element_size() for count, output in zip(elements, outputs, strict=True))
            self.work += _work(func._schema.name.partition("::")[2], args, sum(elements))
        self._check(max(elements, default=0))
        return result

    def _check(self, largest: int) -> None:
        if largest > self.bounds.elements:
            raise refuse("too-large", f"A tensor of {largest:,} numbers is larger than the {self.bounds.elements:,} allowed.", self.line)
        if self.memory > self.bounds.memory:
            raise refuse("too-large", f"All results together need more than {self.bounds.memory >> 20:,} MiB.", self.line)
        if self.work > self.bounds.work:
            raise refuse("too-much-work", f"One call needs more than {self.bounds.work:,} floating-point operations.", self.line)
        if self.dispatches > self.bounds.dispatches:
            raise refuse("too-much-work", f"One call needs more than {self.bounds.dispatches:,} basic operations.", self.line)


def _work(name: str, args: Sequence[Any], produced: int) -> int:
    """Floating-point operations: one a number read or produced, 2k a number of a matrix product over k, log n a number sorted."""
    tensors = [item for item in _flat(args) if isinstance(item, Tensor)]
    read = sum(math.prod(tensor.shape) for tensor in tensors)
    if name in _MATRIX_PRODUCTS and tensors:
        return 2 * produced * int(tensors[-1].shape[-2] if tensors[-1].ndim > 1 else tensors[-1].shape[0]) + read
    if name in ("sort", "topk"):
        return read * max(1, read.bit_length())
    return read + produced


def _flat(args: Iterable[Any]) -> Iterable[Any]:
    for item in args:
        if isinstance(item, (list, tuple)):
            yield from item
        else:
            yield item
