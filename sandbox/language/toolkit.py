"""The module that programs see as `rl`: the field's names, each a small pure function of tensors.

Legend: T steps, B environments, A actions. `values`, `q`, `v` have T+1 rows, the last for bootstrapping; `discounts` `[T, B]` is 0 where an
episode ended (write `c.discount * traj.continues`). `lambda_`, costs and bounds are numbers or 0-dim tensors.
"""

from __future__ import annotations

from sandbox.language.toolkit_maths import (
    ema,
    entropy,
    from_two_hot,
    kl_divergence,
    log_prob,
    normalize,
    select,
    signed_hyperbolic,
    signed_log,
    signed_parabolic,
    stop_gradient,
    two_hot,
)
from sandbox.language.toolkit_returns import discounted_returns, gae, lambda_returns, n_step_returns, retrace, vtrace

__all__ = [
    "discounted_returns",
    "ema",
    "entropy",
    "from_two_hot",
    "gae",
    "kl_divergence",
    "lambda_returns",
    "log_prob",
    "n_step_returns",
    "normalize",
    "retrace",
    "select",
    "signed_hyperbolic",
    "signed_log",
    "signed_parabolic",
    "stop_gradient",
    "two_hot",
    "vtrace",
]
