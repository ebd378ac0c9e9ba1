"""How fast the probe worlds are: steps a second of a batch, against Gymnasium's own vectorised CartPole on the same batch size.

    python benchmarks/probes.py [--batch 4096] [--steps 512] [--repeats 6] [--json]

Stepping alone, on one thread, with random actions drawn beforehand; in turns, so that whatever else the machine does hits both alike. The
peer is `gymnasium.envs.classic_control.cartpole.CartPoleVectorEnv`, numpy over the whole batch at once: the fastest world that Gymnasium
has. CPU time; a figure is the median of the repeats, with the lowest and the highest. Nothing here passes or fails.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from gymnasium.envs.classic_control.cartpole import CartPoleVectorEnv
from machine import machine

from sandbox.randomness import torch_stream
from sandbox.tasks.registry import META_TASKS, PROBES, make_task

PEER = "gymnasium's CartPole"


def world(name: str, batch: int, steps: int) -> Callable[[], float]:
    """A function that measures environment steps per CPU-second."""
    task = make_task(name)
    environments = task.make(batch)
    environments.reset(0)
    return _measure(
        environments.step, torch.randint(task.num_actions, (steps, batch), generator=torch_stream(0, "actions")).unbind(0), batch
    )


def peer(batch: int, steps: int) -> Callable[[], float]:
    """The same for the peer."""
    environments = CartPoleVectorEnv(batch)
    environments.reset(seed=0)
    return _measure(environments.step, list(np.random.default_rng(0).integers(2, size=(steps, batch))), batch)


def _measure(step: Callable[[Any], object], actions: Sequence[Any], batch: int) -> Callable[[], float]:
    def measure() -> float:
        start = time.process_time()
        for action in actions:
            step(action)
        return batch * len(actions) / (time.process_time() - start)

    return measure


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--batch", type=int, default=4096)
    parser.add_argument("--steps", type=int, default=512, help="of the batch, in each repeat")
    parser.add_argument("--repeats", type=int, default=6)
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of a table")
    options = parser.parse_args()
    torch.set_num_threads(1)
    worlds = {name: world(name, options.batch, options.steps) for name in (*PROBES, *META_TASKS)} | {
        PEER: peer(options.batch, options.steps)
    }
    found: dict[str, list[float]] = {name: [] for name in worlds}
    for _ in range(options.repeats):
        for name, measure in worlds.items():
            found[name].append(measure())
    if options.json:
        print(json.dumps({"machine": machine(), "batch": options.batch, "steps_per_cpu_second": found}))
        return
    print(", ".join(f"{name} {value}" for name, value in machine().items()))
    print(f"batch {options.batch}; million environment steps per CPU-second, median (lowest - highest) of {options.repeats}\n")
    for name, rates in found.items():
        million = [rate / 1e6 for rate in rates]
        ratio = statistics.median(one / other for one, other in zip(rates, found[PEER], strict=True))
        print(f"{name:24}{statistics.median(million):8.2f} ({min(million):.2f} - {max(million):.2f}){ratio:10.1f} times the peer")


if __name__ == "__main__":
    main()
