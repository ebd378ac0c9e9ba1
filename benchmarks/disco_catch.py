"""Disco103, as published, trains agents on Catch: does it learn in our trainer when it does in the published one?

Settings of the published evaluation notebook: an MLP of (512, 512) with an action LSTM of 128, two environments, rollouts of 28 steps,
batches of 64 trajectories from the newest 1,024, the first update when 64 are stored, one update an iteration, Adam at 1e-2.
Two differences remain: initial weights are orthogonal and not truncated normals, and the two newest trajectories are in every batch.
Usage: python benchmarks/disco_catch.py WEIGHTS [--seeds 0 1 2] [--iterations 1000] [--reference CURVE.json] [--json]
WEIGHTS is disco_103.npz; CURVE.json a list of {"step": iteration, "catch_rate_last200": share} to print beside.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from archive.baseline.library import digest
from sandbox.records import AgentSettings, LearnedRule, RunResult, TrainJob
from sandbox.training.trainer import train

ENVS, LENGTH, BATCH, STORED = 2, 28, 64, 1024
AGENT = AgentSettings(
    torso="mlp-linear",
    hidden=(512, 512),
    action_model="lstm",
    action_lstm=128,
    action_hidden=128,
    num_envs=ENVS,
    rollout_length=LENGTH,
    replay_capacity=STORED,
)


def job(weights: Path, seed: int, iterations: int) -> TrainJob:
    rule = LearnedRule(name="disco103", path=str(weights), sha256=digest(weights), learning_rate=1e-2, replay_ratio=(BATCH - ENVS) / ENVS)
    return TrainJob(rule=rule, task="probe:catch", agent=AGENT, steps=ENVS * LENGTH * iterations, seed=seed, evaluation_episodes=256)


def catch_rates(result: RunResult) -> list[tuple[int, float]]:
    """(iteration, share of balls caught) for every tenth of training; a caught ball scores 1, a missed one -1."""
    points = [(point.step // (ENVS * LENGTH), point.score) for point in result.curve]
    return [(iteration, (1 + score) / 2) for iteration, score in points if score is not None]


def _at(rates: dict[int, float], iteration: int) -> float:
    """The last that was known then."""
    return rates[max(step for step in rates if step <= iteration)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--iterations", type=int, default=1000)
    parser.add_argument("--reference", type=Path)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    results = {seed: train(job(options.weights, seed, options.iterations)) for seed in options.seeds}
    rates = {f"seed {seed}": dict(catch_rates(result)) for seed, result in results.items()}
    if options.reference is not None:
        rates["published"] = {row["step"]: row["catch_rate_last200"] for row in json.loads(options.reference.read_text())}
    if options.json:
        exam = {f"seed {seed}": (1 + result.final_return) / 2 for seed, result in results.items()}
        print(json.dumps({"rates": rates, "exam": exam, "seconds": [result.device_seconds for result in results.values()]}))
        return
    print("iteration  " + "  ".join(f"{name:>9}" for name in rates))
    for iteration in next(iter(rates.values())):
        print(f"{iteration:9d}  " + "  ".join(f"{_at(rates[name], iteration):9.3f}" for name in rates))


if __name__ == "__main__":
    main()
