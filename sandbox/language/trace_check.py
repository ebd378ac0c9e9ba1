"""Is the graph the text? Both are run on the same random numbers, and their losses, new states and gradients compared.

A trace can silently differ from its text, above all in the gradient. Runs inside the sandbox, so it protects an honest author from
surprises and nobody from a dishonest one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from sandbox.errors import Refusal
from sandbox.graph.run import compile_graph
from sandbox.graph.signature import Input
from sandbox.graph.verify import verify
from sandbox.language.trace_faults import TraceError
from sandbox.randomness import torch_stream

TOLERANCE = 1e-4
"""Of the largest entry: the operations are the same ones, in nearly the same order."""

FloatFunction = Callable[..., Sequence[Tensor]]


def check_equal(
    text: FloatFunction, graph: dict[str, Any], inputs: tuple[Input, ...], outputs: tuple[str, ...], values: dict[str, Any], seed: int
) -> None:
    """Raises TraceError `graph-differs`, and whatever the text raises on real numbers.

    `values` are the constants and the initial state by input name. A graph that does not verify is left to the trusted side to refuse.
    """
    try:
        function = compile_graph(verify(json.dumps(graph), inputs, outputs))
    except Refusal:
        return
    tensors = random_inputs(inputs, values, seed)
    expected = outcome(text, inputs, tensors)
    found = outcome(lambda *args: function(args), inputs, tensors)
    if not all(_close(one, other) for one, other in zip(expected, found, strict=True)):
        raise TraceError("graph-differs")


def random_inputs(inputs: Sequence[Input], values: dict[str, Any], seed: int) -> list[Tensor]:
    """Numbers such as training might give: two actions, a few episode ends, log-probabilities below zero."""
    return [_random_input(one, values, torch_stream(seed, "trace-check", one.name)) for one in inputs]


def _random_input(one: Input, values: dict[str, Any], generator: torch.Generator) -> Tensor:
    if one.name in values:
        return torch.tensor(values[one.name], dtype=torch.float32)
    if one.name == "actions":
        return torch.randint(0, 2, one.shape, generator=generator)
    if one.name == "progress":
        return torch.tensor(0.37)
    uniform = torch.rand(one.shape, generator=generator)
    if one.name in {"continues", "truncated"}:
        return (uniform < (0.9 if one.name == "continues" else 0.05)).float()
    return torch.log(uniform + 0.01) if one.name == "behaviour.log_prob" else 2 * torch.randn(one.shape, generator=generator)


def outcome(function: FloatFunction, inputs: Sequence[Input], tensors: Sequence[Tensor]) -> list[Tensor]:
    """The outputs, then the mean loss's gradient with respect to each online head, zeros where none flows."""
    given = [tensor.clone().requires_grad_(one.name.startswith("online.")) for one, tensor in zip(inputs, tensors, strict=True)]
    results = function(*given)
    heads = [tensor for tensor in given if tensor.requires_grad]
    if not results[0].requires_grad:
        return [*(result.detach() for result in results), *(torch.zeros_like(head) for head in heads)]
    gradients = torch.autograd.grad(results[0].mean(), heads, allow_unused=True)
    flowing = [torch.zeros_like(head) if gradient is None else gradient for head, gradient in zip(heads, gradients, strict=True)]
    return [*(result.detach() for result in results), *flowing]


def _close(expected: Tensor, found: Tensor) -> bool:
    """Equal up to rounding; infinities and NaN stand in the same places."""
    if expected.shape != found.shape:
        return False
    finite = expected[expected.isfinite()]
    scale = finite.abs().max().item() if finite.numel() else 0.0
    return torch.allclose(expected.double(), found.double(), rtol=0.0, atol=TOLERANCE * scale + 1e-30, equal_nan=True)
