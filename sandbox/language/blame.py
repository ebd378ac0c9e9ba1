"""Which line of a program made a number infinite or not a number. Only for messages: 0 where no line can be named."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from sandbox.graph.graph import Graph, Ref
from sandbox.graph.run import compile_graph
from sandbox.graph.simplify import simplify
from sandbox.rules.base import Batch, State
from sandbox.rules.program_rule import ProgramRule


def blame_line(rule: ProgramRule, batch: Batch, state: State) -> int:
    """The line of the first operation with a result that is not finite, or, where all are, of the last one that spoils the gradient."""
    graph = simplify(rule.graph(rule.shape_of(batch)))
    refs = _float_refs(graph)
    online = {name: x.detach().requires_grad_() for name, x in batch.online.items()}
    everything = compile_graph(replace(graph, outputs=(*refs, graph.outputs[0]), output_names=tuple(map(str, range(len(refs) + 1)))))
    *values, loss = everything(rule.flat_inputs(Batch(**{**vars(batch), "online": online}), state))
    for ref, value in zip(refs, values, strict=True):
        if not bool(value.isfinite().all()):
            return graph.nodes[ref.node].line
    return _spoiler(graph, dict(zip(refs, values, strict=True)), loss)


def _float_refs(graph: Graph) -> list[Ref]:
    """Every result of a floating-point type, in order."""
    return [
        Ref(place, output if node.several else None)
        for place, node in enumerate(graph.nodes)
        for output, result in enumerate(node.results)
        if result.dtype == "float32"
    ]


def _spoiler(graph: Graph, values: dict[Ref, Tensor], loss: Tensor) -> int:
    """The line of the operation that reads the last result whose gradient is not finite: what comes after it hands on finite ones."""
    tracked = {ref: value for ref, value in values.items() if value.requires_grad}
    if not loss.requires_grad or not tracked:
        return 0
    found = torch.autograd.grad(loss.mean(), list(tracked.values()), allow_unused=True)
    spoilt = [ref for ref, gradient in zip(tracked, found, strict=True) if gradient is not None and not bool(gradient.isfinite().all())]
    if not spoilt:
        return 0
    readers = [node.line for node in graph.nodes if spoilt[-1] in node.refs()]
    return readers[-1] if readers else 0
