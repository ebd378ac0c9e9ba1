"""Distributions over actions, value transforms and small helpers of the toolkit."""

from __future__ import annotations

import torch
from torch import Tensor

from sandbox.language.toolkit_checks import ToolkitError, check_equal_shapes, check_leading

_HYPERBOLIC_EPSILON = 1e-3
_SMALLEST_DEVIATION = 1e-8


def log_prob(logits: Tensor, actions: Tensor) -> Tensor:
    """log π(a) with π = softmax(logits) over the last axis; logits `[…, A]`, actions `[…]` int64; gives `[…]`. Source: rlax `softmax`."""
    check_leading("log_prob", "logits", logits, actions, more=1)
    return torch.log_softmax(logits, -1).gather(-1, actions.unsqueeze(-1)).squeeze(-1)


def entropy(logits: Tensor) -> Tensor:
    """-Σ_a π(a) log π(a) in nats, π = softmax(logits) over the last axis; `[…, A]` to `[…]`. Source: rlax `softmax`."""
    log_policy = torch.log_softmax(logits, -1)
    return -torch.sum(torch.exp(log_policy) * log_policy, -1)


def kl_divergence(p_logits: Tensor, q_logits: Tensor) -> Tensor:
    """KL(p ‖ q) = Σ_a p(a) [log p(a) - log q(a)] in nats, both softmaxes over the last axis; `[…, A]` to `[…]`.

    Source: rlax `categorical_kl_divergence`.
    """
    check_equal_shapes("kl_divergence", p_logits=p_logits, q_logits=q_logits)
    log_p = torch.log_softmax(p_logits, -1)
    return torch.sum(torch.exp(log_p) * (log_p - torch.log_softmax(q_logits, -1)), -1)


def select(x: Tensor, actions: Tensor) -> Tensor:
    """The entry of every action taken: x `[…, A]` gives `[…]`, x `[…, A, n]` gives `[…, n]`; actions `[…]` int64.

    Source: rlax `batched_index`.
    """
    check_leading("select", "x", x, actions, more=1)
    axis = actions.ndim
    return torch.take_along_dim(x, _spread(actions, x.ndim - axis), axis).squeeze(axis)


def two_hot(x: Tensor, low: Tensor | float, high: Tensor | float, n: int) -> Tensor:
    """Weights of n even points of [low, high] whose mean is x, on the two nearest points; `[…]` to `[…, n]`. x is clamped to the range.

    w_k = max(0, 1 - |p - k|), with p = (n - 1)(x - low)/(high - low). Source: rlax `transform_to_2hot`.
    """
    if not isinstance(n, int) or n < 2:
        raise ToolkitError("two_hot", "n must be a Python int of at least 2.")
    position = ((x - low) * ((n - 1) / (high - low))).clamp(0, n - 1)
    points = torch.arange(n, dtype=x.dtype, device=x.device)
    return torch.clamp(1 - torch.abs(position.unsqueeze(-1) - points), min=0)


def from_two_hot(probabilities: Tensor, low: Tensor | float, high: Tensor | float) -> Tensor:
    """Σ_k w_k z_k over n even points z_k of [low, high]; `[…, n]` to `[…]`. Source: rlax `transform_from_2hot`."""
    n = probabilities.shape[-1]
    if n < 2:
        raise ToolkitError("from_two_hot", "the last axis must hold at least 2 probabilities.")
    points = torch.arange(n, dtype=probabilities.dtype, device=probabilities.device) * ((high - low) / (n - 1)) + low
    return torch.sum(probabilities * points, -1)


def signed_log(x: Tensor) -> Tensor:
    """sign(x) log(|x| + 1), elementwise. Source: rlax `signed_logp1`."""
    return torch.sign(x) * torch.log1p(torch.abs(x))


def signed_hyperbolic(x: Tensor) -> Tensor:
    """sign(x) (√(|x| + 1) - 1) + ε x with ε = 0.001, elementwise. Source: Pohlen et al. (2018), equation 4; rlax `signed_hyperbolic`."""
    return torch.sign(x) * (torch.sqrt(torch.abs(x) + 1) - 1) + _HYPERBOLIC_EPSILON * x


def signed_parabolic(x: Tensor) -> Tensor:
    """The inverse of `signed_hyperbolic`: sign(x) (z² - 1), z = (√(1 + 4ε(ε + 1 + |x|)) - 1) / 2ε. Source: rlax `signed_parabolic`.

    z is computed as 2s/(1 + √(1 + 4εs)), s = ε + 1 + |x|, which loses no digits to the difference of two near-equal numbers.
    """
    shifted = torch.abs(x) + (1 + _HYPERBOLIC_EPSILON)
    z = 2 * shifted / (1 + torch.sqrt(1 + 4 * _HYPERBOLIC_EPSILON * shifted))
    return torch.sign(x) * (torch.square(z) - 1)


def normalize(x: Tensor) -> Tensor:
    """(x - mean) / deviation over all entries, deviation = √(mean (x - mean)²); a single entry gives 0."""
    centred = x - torch.mean(x)
    return centred * torch.rsqrt(torch.mean(torch.square(centred)) + _SMALLEST_DEVIATION**2)


def stop_gradient(x: Tensor) -> Tensor:
    """x as a value: no gradient flows to the agent. Source: `jax.lax.stop_gradient`."""
    return x.detach()


def ema(old: Tensor, new: Tensor, decay: Tensor | float) -> Tensor:
    """decay · old + (1 - decay) · new. Source: rlax `incremental_update`."""
    return decay * old + (1 - decay) * new


def _spread(actions: Tensor, axes: int) -> Tensor:
    """Actions with further axes of size 1."""
    for _ in range(axes):
        actions = actions.unsqueeze(-1)
    return actions
