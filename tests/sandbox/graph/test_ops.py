"""The list of allowed operations: what torch says of each, and that every legal spelling leads to allowed operations only."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from sandbox.graph.ops import F_FUNCTIONS, METHODS, OPS, RECURRENCE, TORCH_FUNCTIONS
from sandbox.graph.overloads import overload_of
from sandbox.language.trace_capture import capture
from sandbox.language.trace_functionalise import functionalise

CHECKED_OTHERWISE = {"aten.index.Tensor", "aten.one_hot.default"}  # int64 indices only; lowered to a comparison
SPELLINGS = sorted({spelling for op in OPS.values() for spelling in op.spellings})
SIZES = {
    "x": torch.rand(4, 4) * 0.8 + 0.1,
    "i": torch.randint(0, 4, (4, 4), generator=torch.Generator().manual_seed(0)),
    "m": torch.eye(4) > 0,
    "v": torch.linspace(0.1, 0.9, 4),
    "k": torch.arange(4),
    "b": torch.rand(2, 4, 4),
}
GENERIC = ("x", "x x", "x -1", "x 0.5", "x x x", "m", "m m", "i 0 1", "x 0", "x 0 1", "x v", "v v", "x 2", "x 0 1 2", "x 1 0")
SPECIAL = {
    "where": ("m x 0.5", "x m 0.5"),
    "masked_fill": ("x m 0.5",),
    "gather": ("x 1 i",),
    "take_along_dim": ("x i 1",),
    "index_select": ("x 0 k",),
    "take": ("x i",),
    "one_hot": ("i 4",),
    "bmm": ("b b",),
    "mv": ("x v",),
    "cross_entropy": ("x k",),
    "nll_loss": ("x k",),
    "layer_norm": ("x [4]",),
    "pad": ("x [0,1]",),
    "bitwise_and": ("m m",),
    "bitwise_or": ("m m",),
    "bitwise_xor": ("m m",),
    "bitwise_not": ("m",),
    "unflatten": ("x 0 [2,2]",),
    "einsum": ("'ij,jk->ik' x x",),
    "quantile": ("x 0.5",),
    "new_full": ("x [2] 0.5",),
    "full": ("[2] 0.5",),
    "linspace": ("0 1 5",),
    "arange": ("5",),
    "eye": ("3",),
    "zeros": ("3",),
    "ones": ("3",),
    "scalar_tensor": ("0.5",),
    "cat": ("[x,x]",),
    "concat": ("[x,x]",),
    "concatenate": ("[x,x]",),
    "stack": ("[x,x]",),
    "hstack": ("[x,x]",),
    "vstack": ("[x,x]",),
    "to": ("i torch.float32",),
    "slice_scatter": ("x x[:2] 0 0 2",),
    "select_scatter": ("x v 0 1",),
    "addcmul": ("x x x",),
    "bucketize": ("x v",),
    "roll": ("x 1 0",),
    "flip": ("x [0]",),
    "permute": ("x [1,0]",),
    "repeat": ("x 2 1",),
    "expand": ("v 4 4",),
    "broadcast_to": ("v [4,4]",),
    "meshgrid": ("v v",),
    "glu": ("x",),
    "repeat_interleave": ("x 2 0",),
    "reshape": ("x [16]",),
    "tile": ("x [2,1]",),
    "topk": ("x 2",),
}


def traced(function: Callable[..., Any], words: str) -> set[str]:
    """Names of the operations that one call of `function` comes down to."""

    def call(*tensors: Tensor) -> list[Tensor]:
        scope = {**dict(zip(SIZES, tensors, strict=True)), "torch": torch}
        made = function(*(eval(word, scope) for word in words.split(" ")))
        return [item for item in (made if isinstance(made, (tuple, list)) else [made]) if isinstance(item, Tensor)]

    module = capture(call, SIZES)
    nodes = functionalise(module).nodes
    return {str(node.target) for node in nodes if node.op == "call_function" and node.target is not operator.getitem}


def calls(spelling: str) -> Iterator[tuple[Callable[..., Any], str]]:
    space, _, name = spelling.rpartition(".")
    function: Any = getattr({"torch": torch, "F": F}.get(space, Tensor), name)
    if not callable(function):
        function = lambda x: getattr(x, name)  # noqa: E731
    for words in SPECIAL.get(name, GENERIC):
        yield function, words


def test_every_operation_exists_and_is_pure_and_deterministic() -> None:
    forbidden = {torch.Tag.nondeterministic_seeded, torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape}
    for key, op in OPS.items():
        overload = overload_of(op.key)
        assert not overload._schema.is_mutable, key
        assert key in CHECKED_OTHERWISE or not forbidden & set(overload.tags), key


def test_what_the_facts_warn_of_is_absent() -> None:
    packets = {op.key.split(".")[1] for op in OPS.values()}
    dangerous = "as_strided _reshape_alias empty empty_like new_empty resize_ set_ from_file segment_reduce native_batch_norm_backward rand"
    assert not packets & set(dangerous.split())
    assert not [packet for packet in packets if packet.startswith("_") and packet not in ("__and__", "__or__", "__xor__")]


@pytest.mark.filterwarnings("ignore::UserWarning")  # torch's own, about how the samples call it
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_spelling_leads_to_allowed_operations(spelling: str) -> None:
    for function, words in calls(spelling):
        try:
            found = traced(function, words)
        except (RuntimeError, TypeError, IndexError, ValueError):
            continue  # these arguments are not for this function
        assert found <= OPS.keys()
        return
    pytest.fail(f"no sample call fits {spelling}")


def test_legal_names_exist_in_torch() -> None:
    assert all(hasattr(torch, name) for name in TORCH_FUNCTIONS)
    assert all(hasattr(F, name) for name in F_FUNCTIONS)
    assert all(hasattr(Tensor, name) for name in METHODS - {"values", "indices"})


def test_names_that_change_or_leak_are_not_legal() -> None:
    for name in ("data", "requires_grad_", "register_hook", "item", "numpy", "tolist", "backward", "grad", "set_", "resize_"):
        assert name not in METHODS
    for name in ("rand", "load", "save", "autograd", "inference_mode", "empty", "from_file", "ops", "compile"):
        assert name not in TORCH_FUNCTIONS


def test_the_recurrence_is_found_by_both_its_names() -> None:
    assert OPS[RECURRENCE] is OPS[f"{RECURRENCE}.default"]
