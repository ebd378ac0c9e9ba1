"""Acting: how a head's output becomes actions, as the program's `ACT` declares. Program code takes no part in it."""

from __future__ import annotations

import torch
from torch import Tensor

from sandbox.language.toolkit import signed_parabolic
from sandbox.records import Act
from sandbox.rules.base import Heads

TINY = 1e-30
"""Keeps the exponential noise above zero, so that an action of probability zero is never drawn."""


def action_log_probs(act: Act, outputs: Heads, progress: float) -> Tensor:
    """Log-probabilities `[N, A]` with which actions really are chosen, exploration included.

    sample          log softmax(x)
    softmax         log softmax(x / temperature)
    epsilon_greedy  log(epsilon / A + (1 - epsilon) [a is best] / number of best)

    `progress` is the fraction of the training budget used.
    """
    preferences = action_preferences(act, outputs[act.head])
    if act.kind == "epsilon_greedy":
        return _epsilon_greedy(preferences, epsilon_at(act, progress))
    if act.kind == "softmax":
        preferences = preferences / act.temperature
    return torch.log_softmax(preferences, -1)


def action_preferences(act: Act, output: Tensor) -> Tensor:
    """One number an action, `[N, A]`, of a head `[N, A]` or `[N, A, n]`.

    A vector is reduced to its mean, or to the expectation of its softmax over n even points of `support`. A head declared to predict in
    signed-hyperbolic space is mapped back: that keeps the best action but changes a softmax over actions.
    """
    assert output.ndim in (2, 3), output.shape
    if output.ndim == 3:
        output = output.mean(-1) if act.support is None else expectation(output, *act.support)
    return output if act.transform is None else signed_parabolic(output)


def expectation(logits: Tensor, low: float, high: float) -> Tensor:
    """sum_i softmax(logits)_i z_i over n even points z from `low` to `high`: `[…, n]` to `[…]`."""
    points = torch.linspace(low, high, logits.shape[-1], dtype=logits.dtype, device=logits.device)
    return torch.softmax(logits, -1) @ points


def epsilon_at(act: Act, progress: float) -> float:
    """Epsilon falls linearly from its start to its end over its fraction of training, then stays."""
    start, end, fraction = act.epsilon
    done = 1.0 if progress >= fraction else progress / fraction
    return start + (end - start) * done


def sample(log_probs: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Actions `[N]` int64 drawn from log-probabilities `[N, A]`, and their log-probabilities `[N]`.

    argmax_a log p_a - log e_a with e_a ~ Exp(1) is a draw from p (the Gumbel-max trick); no host synchronisation on a GPU.
    """
    noise = torch.empty_like(log_probs).exponential_(generator=generator)
    actions = (log_probs - noise.clamp_(min=TINY).log_()).argmax(-1)
    return actions, log_probs.gather(-1, actions.unsqueeze(-1)).squeeze(-1)


def _epsilon_greedy(values: Tensor, epsilon: float) -> Tensor:
    best = (values == values.amax(-1, keepdim=True)).to(values.dtype)
    return torch.log(best * ((1 - epsilon) / best.sum(-1, keepdim=True)) + epsilon / values.shape[-1])
