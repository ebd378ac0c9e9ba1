"""The smallest edits: one operation for another of the same shape."""

from __future__ import annotations

import ast
from typing import Final

import numpy as np

from synth.proposers.edits.draft import Draft, expression, pick
from synth.proposers.edits.numbers import Mates

SWAPS: Final = {
    "torch.minimum": ("torch.maximum",),
    "torch.maximum": ("torch.minimum",),
    "torch.amax": ("torch.mean", "torch.logsumexp"),
    "torch.tanh": ("torch.sign", "rl.signed_log", "torch.arctan"),
    "torch.sigmoid": ("torch.tanh",),
    "torch.abs": ("torch.square", "F.softplus"),
    "F.relu": ("F.softplus", "F.silu"),
    "rl.signed_log": ("rl.signed_hyperbolic", "torch.tanh", "torch.asinh"),
    "rl.signed_hyperbolic": ("rl.signed_log", "torch.asinh"),
    "rl.normalize": ("rl.signed_log", "torch.tanh"),
    "F.smooth_l1_loss": ("F.mse_loss", "F.l1_loss"),
    "F.mse_loss": ("F.smooth_l1_loss",),
}


def swap_function(draft: Draft, stream: np.random.Generator, mates: Mates) -> str | None:
    """Calls another function of the same shape in one place."""
    calls = [node for node in ast.walk(draft.tree) if isinstance(node, ast.Call) and ast.unparse(node.func) in SWAPS]
    if not calls:
        return None
    call = pick(stream, calls)
    old = ast.unparse(call.func)
    new = pick(stream, SWAPS[old])
    if new in {"torch.square", "F.softplus", "F.silu", "torch.arctan", "torch.asinh", "torch.sign"} and len(call.args) != 1:
        return None
    call.func = expression(new)
    return f"{new.split('.')[-1].replace('_', ' ')} for {old.split('.')[-1].replace('_', ' ')}"


def bound_weights(draft: Draft, stream: np.random.Generator, mates: Mates) -> str | None:
    """Bounds the advantage in one product: `x * advantages` becomes `x * torch.tanh(advantages)` or the like."""
    products = [
        node
        for node in ast.walk(draft.loss)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult) and isinstance(node.right, ast.Name) and "adv" in node.right.id
    ]
    if not products:
        return None
    node = pick(stream, products)
    assert isinstance(node.right, ast.Name)
    name, code = node.right.id, pick(stream, ("torch.tanh({0})", "rl.signed_log({0})", "torch.clamp({0}, -1, 1)", "torch.sign({0})"))
    node.right = expression(code.format(name))
    return "bounded weights in one place"
