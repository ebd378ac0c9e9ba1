"""Terms that can be added to a loss, and factors that a term can be multiplied by, as code with the names of heads left open."""

from __future__ import annotations

from typing import Final, NamedTuple


class Row(NamedTuple):
    """One term: what it needs, its sign, its weight's name and range, its code and how a title calls it."""

    needs: str
    sign: int
    weight: str
    low: float
    high: float
    code: str
    phrase: str


TERMS: Final = (
    Row("logits", -1, "entropy_cost", 0.003, 0.05, "rl.entropy(traj.online.{logits}[:-1])", "an entropy bonus"),
    Row("logits", -1, "entropy_cost", 0.01, 0.1, "(1 - traj.progress) * rl.entropy(traj.online.{logits}[:-1])", "a fading entropy bonus"),
    Row(
        "logits",
        1,
        "kl_cost",
        0.03,
        1.0,
        "rl.kl_divergence(traj.behaviour.{logits}[:-1], traj.online.{logits}[:-1])",
        "a pull to the acting policy",
    ),
    Row(
        "logits",
        1,
        "kl_cost",
        0.03,
        1.0,
        "rl.kl_divergence(traj.target.{logits}[:-1], traj.online.{logits}[:-1])",
        "a pull to the slow policy",
    ),
    Row(
        "logits",
        1,
        "kl_cost",
        0.03,
        1.0,
        "rl.kl_divergence(traj.online.{logits}[:-1], traj.target.{logits}[:-1])",
        "a reverse pull to the slow policy",
    ),
    Row("logits", 1, "logit_cost", 1e-4, 0.02, "torch.mean(traj.online.{logits}[:-1] ** 2, -1)", "a cost on large logits"),
    Row(
        "logits advantage",
        -1,
        "imitation_cost",
        0.03,
        0.5,
        "rl.log_prob(traj.online.{logits}[:-1], traj.actions) * torch.clamp({advantage}, min=0)",
        "imitation of what went well",
    ),
    Row(
        "logits advantage",
        1,
        "doubt_cost",
        0.01,
        0.3,
        "torch.exp(rl.log_prob(traj.online.{logits}[:-1], traj.actions)) * torch.clamp(-{advantage}, min=0)",
        "less of what went badly",
    ),
    Row("value", 1, "trust_cost", 0.03, 0.5, "(traj.online.{value}[:-1] - traj.target.{value}[:-1]) ** 2", "values held to the slow ones"),
    Row(
        "value",
        1,
        "trust_cost",
        0.03,
        0.5,
        "(traj.online.{value}[:-1] - traj.behaviour.{value}[:-1]) ** 2",
        "values held to the earlier ones",
    ),
    Row(
        "value",
        1,
        "smooth_cost",
        0.01,
        0.2,
        "traj.continues * (traj.online.{value}[1:] - traj.online.{value}[:-1]) ** 2",
        "values smooth in time",
    ),
    Row(
        "value",
        1,
        "residual_cost",
        0.03,
        0.5,
        "(traj.rewards + {discounts} * traj.online.{value}[1:] - traj.online.{value}[:-1]) ** 2",
        "a Bellman residual",
    ),
    Row(
        "value",
        1,
        "bootstrap_cost",
        0.05,
        1.0,
        "(traj.rewards + {discounts} * traj.target.{value}[1:] - traj.online.{value}[:-1]) ** 2",
        "a one-step value error",
    ),
    Row("q", 1, "pull", 0.01, 0.2, "rl.select(traj.online.{q}[:-1], traj.actions)", "values pulled down"),
    Row(
        "q",
        1,
        "gap_cost",
        0.01,
        0.3,
        "torch.logsumexp(traj.online.{q}[:-1], -1) - rl.select(traj.online.{q}[:-1], traj.actions)",
        "conservative values",
    ),
    Row(
        "q",
        1,
        "trust_cost",
        0.03,
        0.5,
        "torch.mean((traj.online.{q}[:-1] - traj.target.{q}[:-1]) ** 2, -1)",
        "values held to the slow ones",
    ),
    Row("q", -1, "entropy_cost", 0.003, 0.05, "rl.entropy(traj.online.{q}[:-1])", "values kept alike"),
    Row(
        "q",
        1,
        "residual_cost",
        0.03,
        0.5,
        "(traj.rewards + {discounts} * torch.amax(traj.online.{q}[1:], -1) - rl.select(traj.online.{q}[:-1], traj.actions)) ** 2",
        "a Bellman residual",
    ),
    Row("q", 1, "decay_cost", 0.001, 0.03, "torch.mean(traj.online.{q}[:-1] ** 2, -1)", "a cost on large values"),
)
FACTORS: Final = (
    ("", "(1 - traj.progress)", "{term} fading with progress"),
    ("", "traj.progress", "{term} growing with progress"),
    ("", "(1 - traj.truncated)", "{term} silent where the clock ended an episode"),
    ("advantage", "(1 / (1 + torch.abs({advantage})))", "{term} weaker where advantages are large"),
    ("advantage", "(1 + torch.tanh(torch.abs({advantage})))", "{term} stronger where advantages are large"),
    (
        "logits",
        "torch.clamp(rl.stop_gradient(torch.exp(rl.log_prob(traj.online.{logits}[:-1], traj.actions) - traj.behaviour.log_prob)), max=1.0)",
        "{term} weighed by clipped importance",
    ),
)
