"""The names a program may use, and for common names that it may not, what to write instead. No torch here.

Which functions of `torch` and `torch.nn.functional` and which tensor methods are legal follows from the verifier's list of operations.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from sandbox.graph.ops import F_FUNCTIONS, METHODS, TORCH_FUNCTIONS

__all__ = ["F_FUNCTIONS", "METHODS", "TORCH_FUNCTIONS"]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


class Signature(NamedTuple):
    """Parameters of a toolkit function in order; the first `required` must be given. `cuts`: it takes `stop_gradient=` by keyword."""

    parameters: tuple[str, ...]
    required: int
    cuts: bool = False

    def show(self, name: str) -> str:
        """The call as a program would write it, such as `rl.entropy(logits)`."""
        optional = (f"{parameter}=…" for parameter in self.parameters[self.required :])
        return f"rl.{name}({', '.join((*self.parameters[: self.required], *optional))})"


def _signature(parameters: str, optional: str = "", *, cuts: bool = False) -> Signature:
    names = tuple(parameters.split())
    return Signature((*names, *optional.split()), len(names), cuts)


RL_FUNCTIONS: Final[Mapping[str, Signature]] = {
    "log_prob": _signature("logits actions"),
    "entropy": _signature("logits"),
    "kl_divergence": _signature("p_logits q_logits"),
    "select": _signature("x actions"),
    "discounted_returns": _signature("rewards discounts bootstrap", cuts=True),
    "n_step_returns": _signature("rewards discounts values n", cuts=True),
    "lambda_returns": _signature("rewards discounts values lambda_", cuts=True),
    "gae": _signature("rewards discounts values lambda_", cuts=True),
    "vtrace": _signature("rewards discounts values log_rhos", "lambda_ clip_rho clip_c", cuts=True),
    "retrace": _signature("rewards discounts q v actions log_rhos lambda_", cuts=True),
    "two_hot": _signature("x low high n"),
    "from_two_hot": _signature("probabilities low high"),
    "signed_log": _signature("x"),
    "signed_hyperbolic": _signature("x"),
    "signed_parabolic": _signature("x"),
    "normalize": _signature("x"),
    "stop_gradient": _signature("x"),
    "ema": _signature("old new decay"),
}

BUILTINS: Final = _words("range len min max sum abs round zip enumerate reversed sorted any all float int bool tuple list dict")
MODULES: Final = frozenset({"torch", "F", "math", "rl"})
"""Names that are given and may not be bound to anything else."""

MATH_FUNCTIONS: Final = _words(
    """sqrt exp expm1 log log1p log2 log10 pow floor ceil trunc fabs sin cos tan asin acos atan atan2 sinh cosh tanh
    copysign fmod hypot isfinite isnan isinf prod fsum comb erf erfc gamma lgamma"""
)
MATH_NUMBERS: Final = frozenset({"pi", "e", "tau", "inf", "nan"})

OTHER_DTYPES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("float64", "double", "float16", "half", "bfloat16"), "torch.float32 (it means the trainer's float)"),
    **dict.fromkeys(("int", "int32", "int16", "short", "int8", "uint8"), "torch.int64"),
}
CONTAINER_METHODS: Final = frozenset(
    {"append", "extend", "insert", "pop", "reverse", "index", "count", "items", "keys", "values", "get", "update", "copy"}
)
"""Methods of Python lists and dicts."""

VIEWS: Final = ("online", "behaviour", "target")
TRAJECTORY_TENSORS: Final = frozenset({"actions", "rewards", "continues", "truncated", "progress"})
TRAJECTORY_FIELDS: Final = TRAJECTORY_TENSORS | frozenset(VIEWS)

FORBIDDEN_KEYWORDS: Final[Mapping[str, str]] = {
    "out": "Assign the result: `y = torch.add(a, b)`.",
    "inplace": "Leave it out: functions return new tensors.",
    "requires_grad": "Leave it out: gradients flow through traj.online alone.",
    "generator": "Leave it out: a loss has no randomness.",
}
FORBIDDEN_NAMES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("np", "numpy", "jnp", "jax"), "Use torch: torch.exp, torch.where, …; math.… on plain numbers."),
    **dict.fromkeys(("print", "logging", "warnings"), "Remove it: a loss has no output but its value."),
    **dict.fromkeys(("isinstance", "type", "hasattr", "callable", "issubclass"), "Types are known here: write the one case that happens."),
    **dict.fromkeys(("getattr", "setattr", "delattr", "vars", "dir"), "Write the attribute out: traj.online.value."),
    **dict.fromkeys(("eval", "exec", "compile", "open", "input", "globals", "locals", "breakpoint"), "No I/O and no code as text."),
    **dict.fromkeys(("map", "filter"), "Write a comprehension: [f(x) for x in xs]."),
    **dict.fromkeys(("set", "frozenset"), "Use a tuple, list or dict: their order is fixed."),
    **dict.fromkeys(("next", "iter", "slice"), "Index the sequence: xs[0], xs[1:]."),
    **dict.fromkeys(("str", "repr", "format", "bytes", "ord", "chr"), "Text is only for the names of dict keys: write it out."),
    "pow": "Write x ** y.",
    "divmod": "Write x // y and x % y.",
    "T": "Sizes come from shapes: `T, B = traj.rewards.shape`.",
    "B": "Sizes come from shapes: `T, B = traj.rewards.shape`.",
    "A": "Sizes come from shapes: `A = traj.online.logits.shape[-1]`.",
    "self": "There are no classes: pass values as arguments.",
    "nn": "Use torch.nn.functional as F: F.softmax, F.huber_loss, ….",
    "HEADS": "Declarations are not read by the loss: heads are traj.online.NAME.",
    "CONSTANTS": "Read a constant as c.NAME.",
    "TRAINING": "It is read by the trainer alone: declare a number of your own in CONSTANTS.",
    "ACT": "It is read by the trainer alone: declare a number of your own in CONSTANTS.",
    "random": "A loss has no randomness: act by exploration declared in ACT.",
    "Tensor": "It may stand in annotations only.",
}
_NO_HISTORY: Final = "Its trace would differ from the text: write rl.stop_gradient(x) to cut a gradient."
_NO_NUMBER: Final = "Values are known only in training: compute with tensors (torch.where, torch.clamp, torch.sum)."
FORBIDDEN_ATTRIBUTES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("data", "requires_grad", "requires_grad_", "register_hook", "retain_grad", "detach_", "grad", "grad_fn"), _NO_HISTORY),
    **dict.fromkeys(("inference_mode", "set_grad_enabled", "enable_grad"), "Write `with torch.no_grad():` or rl.stop_gradient(x)."),
    **dict.fromkeys(("autograd", "func"), "Return the loss: the trainer takes its gradient."),
    **dict.fromkeys(("backward", "step", "zero_grad"), "Return the loss: the trainer takes its gradient."),
    **dict.fromkeys(("item", "numpy", "tolist", "is_nonzero", "equal", "allclose"), _NO_NUMBER),
    **dict.fromkeys(
        ("nonzero", "masked_select", "unique", "argwhere"), "Shapes are fixed: use torch.where(mask, x, 0) and divide by mask.sum()."
    ),
    **dict.fromkeys(
        ("rand", "randn", "randint", "rand_like", "randn_like", "randperm", "normal", "bernoulli", "multinomial", "dropout", "manual_seed"),
        "A loss has no randomness: exploration is declared in ACT.",
    ),
    **dict.fromkeys(("cuda", "cpu", "pin_memory", "numel_"), "The trainer chooses the device: leave it out."),
    **dict.fromkeys(("empty", "empty_like", "new_empty"), "Use torch.zeros or torch.zeros_like."),
    **dict.fromkeys(("distributions", "nn", "optim", "jit", "compile", "load", "save", "hub", "ops"), "Use functions: F.…, torch.…, rl.…."),
    **dict.fromkeys(("observations", "obs", "states", "next_states", "parameters"), "A rule sees no observations and no parameters."),
    **dict.fromkeys(("dones", "done", "terminals", "terminations"), "Use traj.continues: 0 where the episode ended, else 1."),
    **dict.fromkeys(("values", "value"), "Values are heads: traj.online.value[:-1], if HEADS declares it."),
}


def allowed(name: str, names: Iterable[str], prefix: str = "") -> str:
    """Advice for an unknown `name`: the nearest legal names, else all of them while they fit in a line."""
    known = sorted(names)
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.6)
    if near:
        return f"Did you mean {' or '.join(prefix + one for one in near)}?"
    if len(known) <= 12:
        return f"Allowed: {', '.join(prefix + one for one in known)}." if known else "There is none."
    return f"It is not among the allowed names, such as {', '.join(prefix + one for one in known[:8])}."
