"""What the verifier says when it refuses a graph: a code, what is wrong, and what a program's author writes instead."""

from __future__ import annotations

from sandbox.errors import Gate, Refusal
from sandbox.graph.ops import OPS

_REMEDIES = {
    "malformed": "This trace is not in the format of graph JSON; trace the program again.",
    "unverifiable": "Write this line in another way; and please report the program, since the verifier should have said what is wrong.",
    "too-many-nodes": "Write loops over time with rl.gae, rl.lambda_returns or another function of rl, which are one operation each.",
    "too-large": "Work on smaller tensors: reduce before you combine, and keep pairwise comparisons off the time and batch axes.",
    "too-much-work": "Use fewer or smaller operations: one pass over [T, B, A] is cheap, products over T x T or B x B are not.",
    "too-many-parts": "Split or unbind into at most 1,024 parts; arithmetic on the whole tensor is faster.",
    "item": "Tensors stay tensors: instead of .item(), float(x) or `if x > 0`, use torch.where(condition, a, b).",
    "boolean-index": "Keep the shape: torch.where(mask, x, 0.0), or x * mask.float(), instead of x[mask].",
    "random": "A loss is a function of its trajectory: remove random numbers.",
    "in-place": "Write y = x + 1 instead of x += 1, and build results with torch.where or torch.stack.",
    "unknown-operation": "Write it with torch's elementwise, reducing and shaping functions, which are nearly all allowed.",
    "device": "Leave device, layout and memory format away: the trainer chooses them.",
    "dtype": "Types are float32 (the trainer's float), int64 and bool; convert with x.float(), x.long() or x.bool().",
    "argument": "Check the call against torch's documentation: how many arguments, which are numbers and which are tensors.",
    "not-finite": "Write finite numbers; mask with a large number such as 1e9, or with torch.where, instead of NaN.",
    "shape": "Compare the shapes: trajectories are [T, B], heads have T+1 rows; drop the last by x[:-1], add an axis by x.unsqueeze(-1).",
    "integer-division": "Divide floats, x.float() / y, or divide integers by a positive literal number.",
    "index": "Indices are int64 tensors, such as traj.actions or an argmax, into an axis that is not empty.",
    "one-hot": "Give the number of classes: F.one_hot(actions, n), with a literal n or logits.shape[-1].",
    "loss-shape": "Return the per-step loss [T, B], whose mean is taken for you, or a scalar.",
    "state-shape": "Return every entry of the state with the shape it had in initial_state, as a float.",
    "outputs": "Return the loss, and the new state where there is one, with the names of initial_state.",
}

# What part of an operation's name tells why it is not allowed.
_REASONS = (
    ("item", ("item", "local_scalar_dense", "is_nonzero", "equal", "allclose")),
    ("boolean-index", ("nonzero", "masked_select", "unique", "argwhere")),
    ("random", ("rand", "normal", "bernoulli", "multinomial", "dropout", "poisson", "exponential")),
)


def refuse(code: str, message: str, line: int = 0) -> Refusal:
    """The refusal with that code's remedy, for the caller to raise."""
    return Refusal(Gate.TRACE, code, message, _REMEDIES[code], line)


def refuse_operation(name: str, known: bool, line: int) -> Refusal:
    """The refusal of an operation that is not allowed. `known`: torch has one of that name, so the name may be shown."""
    packet = name.split(".")[1] if name.count(".") else name
    if not known:
        return refuse("unknown-operation", "The trace holds an operation that does not exist.", line)
    if packet.endswith("_") and not packet.endswith("__"):
        return refuse("in-place", f"{name} writes into a tensor.", line)
    for code, words in _REASONS:
        if packet.strip("_").startswith(words):
            return refuse(code, f"{name} is not allowed in a loss.", line)
    return refuse("unknown-operation", f"{name} is not among the {len(OPS)} operations a loss may use.", line)
