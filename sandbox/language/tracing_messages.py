"""What a refusal by the trace gate says. Only a code, a place and a name came out of the sandbox; every word here is ours."""

from __future__ import annotations

from typing import Final, NamedTuple


class Advice(NamedTuple):
    """A message, in which `{name}` stands for what the code is about, and what to write instead; `unnamed` is for want of a name."""

    message: str
    remedy: str
    unnamed: str = ""


_COMPARE: Final = "traj.rewards is [T, B]; heads are [T+1, B, …]: drop their last row by [:-1], or their first by [1:]."
_TENSORS: Final = "Compute with tensors: torch.where(condition, a, b), torch.clamp, torch.maximum, torch.sum; sizes come from x.shape."
_OWN: Final = "Write only into a tensor made for it, such as y = torch.zeros_like(traj.rewards), and by plain indices: y[t] = x."

ADVICE: Final[dict[str, Advice]] = {
    "data-dependent": Advice(
        "{name}(…) needs a plain number, but tensors have no values while the program is traced.",
        _TENSORS,
        "A tensor is used as a plain number or condition, but tensors have no values while the program is traced.",
    ),
    "data-dependent-shape": Advice(
        "The size of the result of {name} would depend on the data.",
        "Keep the shape: torch.where(mask, x, 0.0), and divide by mask.sum() for a mean.",
        "Indexing with a mask gives a result whose size depends on the data.",
    ),
    "constant-as-number": Advice(
        "c.{name} is a 0-dim tensor, so that it can be tuned, and is used as a plain number here.",
        "Use torch.sqrt, torch.exp, torch.maximum, torch.where(condition, a, b) or x * 0 + c.a in place of math.…, float(…), max(…), `if` "
        "and torch.full; give both bounds of torch.clamp as tensors or write torch.clamp(x, min=c.a); write an integer in CONSTANTS if it "
        "must be a Python number.",
        "A constant is a 0-dim tensor and is used as a plain number here.",
    ),
    "tensor-of-tensors": Advice(
        "torch.tensor takes numbers, not tensors.",
        "Join tensors with torch.stack([a, b]) or torch.cat; a constant c.a is a tensor already.",
    ),
    "shape-mismatch": Advice("The shapes given to {name} do not fit.", _COMPARE, "The shapes do not fit."),
    "toolkit-shape": Advice(
        "{name} was given shapes or numbers that do not fit.", _COMPARE, "A toolkit function was given shapes that do not fit."
    ),
    "dtype": Advice(
        "{name} does not take tensors of this type.",
        "Types are float32, int64 and bool: convert with x.float(), x.long() or x.bool(); indices are int64, such as traj.actions.",
        "The types of the tensors do not fit.",
    ),
    "unsupported-op": Advice(
        "{name} is not among the operations that a loss may use.",
        "Use elementwise, reducing and shaping functions of torch, F and rl; a loss is deterministic and its sizes are fixed.",
        "This needs an operation that a loss may not use.",
    ),
    "wrong-argument": Advice(
        "{name} does not take these arguments.",
        "Compare the call with torch's documentation: which arguments are tensors and which are numbers (torch.clamp(x, min=0.0), not "
        "torch.maximum(x, 0.0)), and what they are called (dim=, keepdim=).",
        "A function does not take these arguments.",
    ),
    "torch-error": Advice("{name} cannot be done on these tensors.", _COMPARE, "This cannot be done on these tensors."),
    "untraceable": Advice("The program runs, but its operations cannot be followed.", "Use simpler operations and plain indices."),
    "in-place-input": Advice(
        "This writes into what the program was given, or into a view of it.", f"{_OWN} Or make a copy first: y = x.clone()."
    ),
    "in-place-alias": Advice("A tensor is written to, and read under another name by which it cannot be followed.", _OWN),
    "in-place-unsupported": Advice(
        "This way of writing into a tensor cannot be followed.",
        f"{_OWN} By a mask, write torch.where(mask, value, y); by actions, F.one_hot(traj.actions, A) * value.",
    ),
    "no-loss": Advice("There is no function called loss.", "Write def loss(traj, c): … at the top level."),
    "not-a-tensor": Advice(
        "The new state {name} is not a tensor or number.",
        "Return a tensor computed from traj, [T, B] or a scalar.",
        "The loss is not a tensor.",
    ),
    "loss-shape": Advice(
        "The loss is neither [T, B] nor a scalar.", f"Return one number a step, [T, B], or the mean of everything. {_COMPARE}"
    ),
    "loss-dtype": Advice("The loss is not of floating-point type.", "Return a float tensor through which gradients flow to traj.online."),
    "state-pair": Advice(
        "A loss with state returns the pair (loss, new_state).", "Write `return loss, {'name': value}` with the names of initial_state."
    ),
    "state-names": Advice("The new state has other names than initial_state.", "Return every name of initial_state and no other."),
    "state-shape": Advice(
        "The new state {name} has another shape than in initial_state.", "Reduce it first: x.mean() where the state is a number."
    ),
    "initial-state": Advice(
        "initial_state must return a dict of names to finite numbers or lists of at most 1,024 numbers.",
        "Write, for example, return {'mean': 0.0, 'scale': 1.0}; names are lower case.",
    ),
    "too-many-nodes": Advice(
        "The trace has more than 4,000 operations.",
        "Write loops over time with rl.gae, rl.lambda_returns or another function of rl, which are one operation each.",
    ),
    "literal-too-large": Advice("A literal tensor has more than 1,024 numbers.", "Compute it: torch.arange, torch.linspace, torch.zeros."),
    "recursion": Advice("The program recurses without end.", "Write a loop over range(n) with a literal n."),
    "memory": Advice("The program needs more memory than it may have.", "Work on smaller tensors and lists: reduce before you combine."),
    "graph-differs": Advice(
        "On random data the traced graph and the text give different losses or gradients.",
        "Cut gradients with rl.stop_gradient(x) or `with torch.no_grad():`, and do not write into tensors that were used before.",
    ),
    "time-limit": Advice("Tracing did not end within the time limit.", "Shorten loops: rl's functions over time are one operation each."),
    "process-limit": Advice("The program tried to start a process.", "Compute with torch alone."),
    "output-limit": Advice("The trace is larger than it may be.", "Use fewer operations and smaller literals."),
    "crashed": Advice("The process that traced the program crashed.", "Use simpler operations on ordinary shapes."),
    "protocol-error": Advice("The process that traced the program gave no complete answer.", "Compute with torch alone."),
    "malformed-reply": Advice("The trace is not in the expected form.", "Compute with torch alone, and return the loss."),
    "python-error:TypeError": Advice(
        "{name}(…) is given a value of the wrong type.", _TENSORS, "An operation is applied to a value of the wrong type."
    ),
    "python-error:ValueError": Advice(
        "{name}(…) is given a value it cannot take.", "Check its arguments.", "A value is not one that can be used here."
    ),
    "python-error:IndexError": Advice("An index is outside its list.", "Take the length from len(…) or x.shape."),
    "python-error:KeyError": Advice("A key is not in its dict.", "Use the names that the dict was made with."),
    "python-error:ZeroDivisionError": Advice(
        "A number is divided by zero.", "Keep the divisor away from zero: max(n, 1), or x.clamp(min=1e-6)."
    ),
    "python-error:NameError": Advice("A name is used that has no value.", "Assign it first; given are torch, F, math and rl."),
    "python-error:UnboundLocalError": Advice("A name is used before it is assigned.", "Assign it on every path before it is used."),
    "python-error:AttributeError": Advice(
        "A value has no such attribute.", "Heads are traj.online.NAME, as in HEADS; constants are c.NAME; carried values are state.NAME."
    ),
    "python-error:OverflowError": Advice("A number is too large.", "Keep numbers within what a float can hold."),
    "python-error:ImportError": Advice(
        "Only torch, torch.nn.functional and math can be imported.", "They are there without import, as torch, F, math."
    ),
    "python-error:SyntaxError": Advice("The text is not valid Python.", "Check brackets, colons and indentation."),
    "python-error:AssertionError": Advice(
        "An assertion of the program fails.", "Remove it, or make it hold at every T, B and A, 1 included."
    ),
    "python-error:StopIteration": Advice("An iterator has ended.", "Use a for loop."),
    "python-error:FloatingPointError": Advice("A number cannot be computed.", "Keep numbers within what a float can hold."),
}
"""Every code that may come out of the sandbox, and those of its ends."""
