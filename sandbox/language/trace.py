"""Tracing: a program's text becomes data. This is the untrusted half; it runs inside the sandbox, in a process used once.

What comes out is the reply that `sandbox.language.tracing` checks on the other side: graphs as JSON, or a `Fault`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from types import CodeType, SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from sandbox.graph.signature import DType, Input, graph_inputs, graph_outputs
from sandbox.language.trace_capture import capture
from sandbox.language.trace_check import check_equal
from sandbox.language.trace_encode import encode
from sandbox.language.trace_faults import TraceError, find_fault
from sandbox.language.trace_functionalise import functionalise
from sandbox.language.trace_namespace import call_loss, compile_text, run_initial_state, run_text
from sandbox.records import Program, Shape, StateValue

VERSION = 1
REPLY_CHARACTERS = 8 << 20
DTYPES: dict[DType, torch.dtype] = {"float32": torch.float32, "int64": torch.int64, "bool": torch.bool}


def trace_reply(program: Program, shapes: Sequence[Shape], seed: int) -> str:
    """The whole job: `{"version": 1, "initial_state": …, "graphs": {"*" or "T,B,A": graph}}` or `{"version": 1, "refusal": …}` as JSON."""
    try:
        reply = json.dumps({"version": VERSION, **trace(program, shapes, seed)}, allow_nan=False, separators=(",", ":"))
        if len(reply) > REPLY_CHARACTERS:
            raise TraceError("too-many-nodes")
    except Exception as error:  # noqa: BLE001 - whatever a program raises is its fault, and is told as a code
        return json.dumps({"version": VERSION, "refusal": vars(find_fault(error, program.text, {one.name for one in program.tunable}))})
    return reply


def trace(program: Program, shapes: Sequence[Shape], seed: int) -> dict[str, Any]:
    """Initial state and one graph for all shapes if they all give the same, else one a shape. Raises whatever the program raises.

    Each different graph is compared with the text once, at the first shape that gave it.
    """
    code = compile_text(program.text)
    initial_state = run_initial_state(run_text(code), program)
    graphs: dict[str, dict[str, Any]] = {}
    texts: set[str] = set()
    for shape in shapes:
        graph = trace_at(code, program, shape, initial_state)
        text = json.dumps(graph)
        if text not in texts:
            _compare(code, program, shape, initial_state, graph, seed)
        texts.add(text)
        graphs[",".join(map(str, shape))] = graph
    if len(texts) == 1 and _vary(shapes):
        graphs = {"*": next(iter(graphs.values()))}
    return {"initial_state": initial_state, "graphs": graphs}


def trace_at(code: CodeType, program: Program, shape: Shape, initial_state: dict[str, StateValue]) -> dict[str, Any]:
    """The graph of `loss` at one shape."""
    inputs = {one.name: torch.zeros(one.shape, dtype=DTYPES[one.dtype]) for one in graph_inputs(program, shape, initial_state)}
    module = capture(flat_loss(code, program, shape, initial_state), inputs)
    return encode(module, functionalise(module), graph_outputs(initial_state))


def _compare(
    code: CodeType, program: Program, shape: Shape, initial_state: dict[str, StateValue], graph: dict[str, Any], seed: int
) -> None:
    inputs, outputs = graph_inputs(program, shape, initial_state), graph_outputs(initial_state)
    values = {f"c.{one.name}": one.value for one in program.tunable} | {f"state.{name}": value for name, value in initial_state.items()}
    check_equal(flat_loss(code, program, shape, initial_state), graph, inputs, outputs, values, seed)


def flat_loss(code: CodeType, program: Program, shape: Shape, initial_state: dict[str, StateValue]) -> Callable[..., list[Tensor]]:
    """`loss` in a namespace of its own, as a function of the graph's inputs in their order."""
    inputs = graph_inputs(program, shape, initial_state)
    namespace = run_text(code)

    def flat(*tensors: Tensor) -> list[Tensor]:
        named = {one.name: tensor for one, tensor in zip(inputs, tensors, strict=True)}
        return results(call_loss(namespace, program, named, tuple(sorted(initial_state))), shape, initial_state, inputs)

    return flat


def results(returned: Any, shape: Shape, initial_state: dict[str, StateValue], inputs: Sequence[Input]) -> list[Tensor]:
    """`[loss, *new state sorted by name]` from what `loss` returned.

    Raises TraceError `state-pair`, `not-a-tensor`, `loss-shape`, `loss-dtype`, `state-names` or `state-shape`.
    """
    if not initial_state:
        return [_checked_loss(returned, shape)]
    if not isinstance(returned, tuple) or len(returned) != 2:
        raise TraceError("state-pair")
    loss, new_state = returned
    if isinstance(new_state, SimpleNamespace):
        new_state = vars(new_state)
    if not isinstance(new_state, dict) or set(new_state) != set(initial_state):
        raise TraceError("state-names")
    shapes = {one.name: one.shape for one in inputs}
    return [_checked_loss(loss, shape), *(_checked_state(name, new_state[name], shapes[f"state.{name}"]) for name in sorted(new_state))]


def _checked_loss(loss: Any, shape: Shape) -> Tensor:
    if not isinstance(loss, Tensor):
        raise TraceError("not-a-tensor")
    if tuple(loss.shape) not in {(), (shape.T, shape.B)}:
        raise TraceError("loss-shape")
    if not loss.dtype.is_floating_point:
        raise TraceError("loss-dtype")
    return loss


def _checked_state(name: str, value: Any, shape: tuple[int, ...]) -> Tensor:
    """A new state, cut from the gradient; a plain number will do where the state is one."""
    if isinstance(value, int | float):
        value = torch.tensor(float(value))
    if not isinstance(value, Tensor):
        raise TraceError("not-a-tensor", name=name)
    if tuple(value.shape) != shape:
        raise TraceError("state-shape", name=name)
    return value.to(torch.float32).detach() if value.dtype != torch.float32 else value.detach()


def _vary(shapes: Sequence[Shape]) -> bool:
    """Whether equal graphs mean anything: every size took at least two values."""
    return all(len(set(sizes)) > 1 for sizes in zip(*shapes, strict=True))
