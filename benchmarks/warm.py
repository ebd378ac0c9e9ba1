"""How soon the next candidate's first step comes: Atari games taken up from a warm process against games loaded anew.

    python benchmarks/warm.py [--game SpaceInvaders] [--envs 32] [--repeats 9] [--json]

A campaign's workers are forked from one process that has loaded the games (`sandbox.execution.zygote`). Measured here, each in a process of
its own: making a task of so many environments and starting every game, (a) in a fresh process that has loaded nothing but the modules,
(b) in one forked from a warm process, (c) in (b) again with another seed, as every later batch of the same worker starts, and (d) the
same with ale-py's own vector environment, as it would be without any of this. Then the whole way of a job through the executor, on a
warm game: queue, fork, limits, task, answer. Wall-clock times; the median of the repeats, with the lowest and the highest. Nothing here
passes or fails.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import time
from collections.abc import Callable

import torch
from ale_py.vector_env import AtariVectorEnv
from machine import machine

from sandbox.execution.local import LocalExecutor
from sandbox.records import DescribeJob, Limits
from sandbox.tasks.atari_games import games
from sandbox.tasks.registry import make_task

FORK = multiprocessing.get_context("fork")
LIMITS = Limits(seconds=120)


def start(task: str, envs: int, seed: int) -> float:
    """Seconds until every game of a batch of the task shows its first observation."""
    began = time.perf_counter()
    batch = make_task(task).make(envs)
    batch.reset(seed)
    seconds = time.perf_counter() - began
    batch.close()
    return seconds


def vector_environment(game: str, envs: int) -> float:
    """The same for ale-py's vector environment."""
    began = time.perf_counter()
    batch = AtariVectorEnv(games()[game], envs, num_threads=1)
    batch.reset(seed=0)
    seconds = time.perf_counter() - began
    batch.close()
    return seconds


def forked(work: Callable[[], list[float]]) -> list[float]:
    """What `work` returns in a process forked from this one."""
    receiver, sender = FORK.Pipe(duplex=False)
    child = FORK.Process(target=lambda: sender.send(work()))
    child.start()
    sender.close()
    result: list[float] = receiver.recv()
    child.join()
    return result


def through_executor(task: str, envs: int, repeats: int) -> list[float]:
    """Seconds of jobs that describe a task whose game the executor holds warm."""
    executor = LocalExecutor(1, [task], envs)
    try:
        job = DescribeJob(task=task)
        executor.submit(job, LIMITS).result()  # waits until the zygote is warm
        seconds = []
        for _ in range(repeats):
            began = time.perf_counter()
            executor.submit(job, LIMITS).result()
            seconds.append(time.perf_counter() - began)
    finally:
        executor.close()
    return seconds


def measure(game: str, envs: int, repeats: int, say: Callable[[str], None]) -> dict[str, list[float]]:
    """Seconds of each way to start, by name. Cold ones come first: this process is warm only afterwards."""
    task = f"atari-ram:{game}"
    found: dict[str, list[float]] = {}
    found["ale-py's vector environment, new"] = [forked(lambda: [vector_environment(game, envs)])[0] for _ in range(min(3, repeats))]
    say("vector environment measured")
    found["memory, games loaded anew"] = [forked(lambda: [start(task, envs, 0)])[0] for _ in range(min(3, repeats))]
    say("cold start measured")
    make_task(task).make(envs).close()
    pairs = [forked(lambda: [start(task, envs, 0), start(task, envs, 1)]) for _ in range(repeats)]
    found["memory, forked from a warm process"] = [first for first, _ in pairs]
    found["memory, next batch in the same process"] = [second for _, second in pairs]
    found["a job through the executor, game warm"] = through_executor(task, envs, repeats)
    return found


def spread(seconds: list[float]) -> dict[str, float]:
    """In milliseconds."""
    return {"median": 1e3 * statistics.median(seconds), "low": 1e3 * min(seconds), "high": 1e3 * max(seconds)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--game", default="SpaceInvaders", choices=sorted(games()), metavar="GAME")
    parser.add_argument("--envs", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of a table")
    options = parser.parse_args()
    torch.set_num_threads(1)
    where = machine()
    found = measure(options.game, options.envs, options.repeats, (lambda line: None) if options.json else print)
    report = {name: spread(seconds) for name, seconds in found.items()}
    if options.json:
        print(json.dumps({"machine": where, "envs": options.envs, "milliseconds": report}))
        return
    print(", ".join(f"{name} {value}" for name, value in where.items()))
    print(f"{options.envs} environments of {options.game}; milliseconds, median (lowest - highest)\n")
    cold = report["memory, games loaded anew"]["median"]
    for name, took in report.items():
        spread_of = f"({took['low']:.1f} - {took['high']:.1f})"
        print(f"{name:42}{took['median']:10.1f}  {spread_of:24}{took['median'] / cold:8.4f} of loading anew")


if __name__ == "__main__":
    main()
