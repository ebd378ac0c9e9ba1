"""One update of the meta-network rule: targets, loss and gradients of the agent's outputs, at Disco103's sizes.

The peer is the same mathematics in plain eager torch: each softmax made whole and where it is read, rows cut before actions are selected,
the trajectory's stream repeated for every action. Both run in turns in this process, and their
results are compared first. Usage: python benchmarks/meta_network.py [--json] [--repeats N] [--threads N]
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from unittest import mock

import torch
from torch import Tensor

from sandbox.language import toolkit as rl
from sandbox.rules.base import Batch
from sandbox.rules.meta import features, values
from sandbox.rules.meta.config import PRESETS
from sandbox.rules.meta.features import Embedded, Encoder, Observed, equivariant
from sandbox.rules.meta.network import MetaNetwork
from sandbox.rules.meta_network import MetaNetworkRule

T, B, A = 30, 64, 18


def batch(rule: MetaNetworkRule) -> Batch:
    generator = torch.Generator().manual_seed(0)

    def heads() -> dict[str, Tensor]:
        return {head.name: torch.randn(T + 1, B, *head.shape(A), generator=generator) for head in rule.heads(A)}

    online = {name: value.requires_grad_() for name, value in heads().items()}
    actions = torch.randint(A, (T, B), generator=generator)
    behaviour = {"logits": torch.randn(T + 1, B, A, generator=generator)}
    log_prob = behaviour["logits"][:-1].log_softmax(-1).gather(-1, actions.unsqueeze(-1)).squeeze(-1)
    continues = (torch.rand(T, B, generator=generator) > 0.05).float()
    rewards = torch.randn(T, B, generator=generator)
    return Batch(actions, rewards, continues, torch.zeros(T, B), online, behaviour, log_prob, heads(), torch.tensor(0.5))


def update(rule: MetaNetworkRule, given: Batch) -> tuple[Tensor, ...]:
    loss, _ = rule(given, rule.initial_state(torch.device("cpu")))
    return loss.detach(), *torch.autograd.grad(loss, list(given.online.values()))


def plain_softmax_linear(logits: Tensor, weight: Tensor) -> Tensor:
    return logits.softmax(-1) @ weight


def plain_embeddings(seen: Observed, *encoders: Encoder) -> tuple[Embedded, ...]:
    return tuple(
        Embedded(
            encoder.y_net(seen.y.softmax(-1)).squeeze(-1),
            encoder.y_net(seen.target_y.softmax(-1)).squeeze(-1),
            encoder.z_net(seen.z.softmax(-1)).squeeze(-1),
            encoder.z_net(seen.target_z.softmax(-1)).squeeze(-1),
        )
        for encoder in encoders
    )


def plain_taken(x: Tensor, actions: Tensor) -> Tensor:
    return rl.select(x[:-1], actions)


def plain_policy(network: MetaNetwork, gated: Tensor, action_embedding: Tensor) -> Tensor:
    repeated = gated.unsqueeze(2).expand(-1, -1, action_embedding.shape[2], -1)
    scores: Tensor = network.policy_head(equivariant(torch.cat([repeated, action_embedding], -1), network.policy_block))
    return scores.squeeze(-1)


def plain_update(rule: MetaNetworkRule, given: Batch) -> tuple[Tensor, ...]:
    with (
        mock.patch.object(values, "softmax_linear", plain_softmax_linear),
        mock.patch.object(features, "softmax_linear", plain_softmax_linear),
        mock.patch("sandbox.rules.meta.network.pair_embeddings", plain_embeddings),
        mock.patch("sandbox.rules.meta.loss.taken", plain_taken),
        mock.patch.object(MetaNetwork, "_policy", plain_policy),
    ):
        return update(rule, given)


def milliseconds(work: Callable[[], object]) -> tuple[float, float]:
    """On the clock, and of processors' time, which other tenants of the machine do not change much."""
    clock, processors = time.perf_counter(), time.process_time()
    work()
    return 1000 * (time.perf_counter() - clock), 1000 * (time.process_time() - processors)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rule = MetaNetworkRule(MetaNetwork(PRESETS["disco103"], torch.Generator().manual_seed(0)))
    given = batch(rule)
    ours, theirs = update(rule, given), plain_update(rule, given)
    agree = max(((a - b).abs().max() / b.abs().max()).item() for a, b in zip(ours, theirs, strict=True))
    turns = [(milliseconds(lambda: update(rule, given)), milliseconds(lambda: plain_update(rule, given))) for _ in range(options.repeats)]
    (mine, mine_cpu), (plain, plain_cpu) = (map(statistics.median, zip(*side, strict=True)) for side in zip(*turns, strict=True))
    ratio, ratio_cpu = (statistics.median(theirs[k] / ours[k] for ours, theirs in turns) for k in (0, 1))
    entries = (T + 1) * B * A * rule.config.prediction_size / 1e6
    row = {
        "machine": f"{platform.processor() or platform.machine()}, {options.threads} threads, torch {torch.__version__}",
        "T": T, "B": B, "A": A,
        "ms": round(mine, 1), "ms_per_million_z": round(mine / entries, 2),
        "plain_ms": round(plain, 1), "plain_over_ours": round(ratio, 2),
        "cpu_ms": round(mine_cpu, 1), "plain_cpu_ms": round(plain_cpu, 1), "plain_over_ours_cpu": round(ratio_cpu, 2),
        "largest_relative_difference": agree,
    }  # fmt: skip
    print(json.dumps(row) if options.json else "\n".join(f"{name:>28}  {value}" for name, value in row.items()))


if __name__ == "__main__":
    main()
