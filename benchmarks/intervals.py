"""How often does a 95 % interval of few seeds hold the truth? By simulation; nothing is trained.

    python benchmarks/intervals.py [--tables 300] [--least 0.03] [--most 0.6] [--json]

A table is one program's runs on 1 to 4 tasks with 2 to 10 seeds each, in units of the baseline. The standard deviations of its tasks are
drawn between `--least` and `--most` (evenly in the logarithm), the tasks' means around 0.8; noise is normal, skewed (exponential), or of
programs one run in five of which fails, each in a third of the tables. The truth is the expectation of the interquartile mean of that many
runs. Three ways: `sandbox.intervals.mean_interval` as scores have it; the same with the runs speaking alone; and the percentiles of the
stratified bootstrap, which Agarwal et al. (2021) use with more runs. Widths are half-widths in real standard errors: a known normal error
has 1.96.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from sandbox.intervals import UNKNOWN, Array, interquartile_mean, mean_interval

SHAPES = [(tasks, seeds) for tasks in (1, 2, 4) for seeds in (2, 3, 5, 10)]
RESAMPLES = 400
MANY = 4000

NOISES: dict[str, Callable[[np.random.Generator, tuple[int, ...]], Array]] = {
    "normal": lambda stream, shape: stream.normal(size=shape),
    "skewed": lambda stream, shape: stream.exponential(size=shape) - 1,
    "one in five fails": lambda stream, shape: 2.5 * (0.2 - (stream.random(shape) < 0.2)),
}


def percentiles(runs: list[Array], stream: np.random.Generator) -> tuple[float, float]:
    """The peer."""
    drawn = [task[stream.integers(task.size, size=(RESAMPLES, task.size))] for task in runs]
    low, high = np.quantile(interquartile_mean(np.concatenate(drawn, axis=1)), [0.025, 0.975])
    return float(low), float(high)


WAYS: dict[str, Callable[[list[Array], np.random.Generator], tuple[float, float]]] = {
    "as scores have it": lambda runs, stream: mean_interval(runs, stream, resamples=RESAMPLES),
    "runs alone": lambda runs, stream: mean_interval(runs, stream, usual=UNKNOWN, resamples=RESAMPLES),
    "percentiles": percentiles,
}


class Row(NamedTuple):
    """One way on tables of one shape."""

    tasks: int
    seeds: int
    way: str
    held: float  # share of the tables
    held_worst: float  # in the noise it does worst in
    width: float


def measure(tasks: int, seeds: int, tables: int, deviations: tuple[float, float], seed: int) -> list[Row]:
    """All ways on the same tables."""
    held: dict[str, dict[str, list[bool]]] = {way: {noise: [] for noise in NOISES} for way in WAYS}
    widths: dict[str, list[float]] = {way: [] for way in WAYS}
    stream = np.random.default_rng([seed, tasks, seeds])
    for number in range(tables):
        noise = list(NOISES)[number % len(NOISES)]
        spread = np.exp(stream.uniform(*np.log(deviations), size=(tasks, 1)))
        centre = stream.normal(0.8, 0.3, size=(tasks, 1))
        many = interquartile_mean((centre + spread * NOISES[noise](stream, (MANY, tasks, seeds))).reshape(MANY, -1))
        runs = list(centre + spread * NOISES[noise](stream, (tasks, seeds)))
        for way, interval in WAYS.items():
            low, high = interval(runs, stream)
            held[way][noise].append(low <= many.mean() <= high)
            widths[way].append((high - low) / 2 / many.std())
    rows = []
    for way, by in held.items():
        shares = [float(np.mean(each)) for each in by.values()]
        rows.append(Row(tasks, seeds, way, float(np.mean(shares)), min(shares), float(np.median(widths[way]))))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--tables", type=int, default=300, help="of each shape")
    parser.add_argument("--least", type=float, default=0.03, help="standard deviation of a task's runs, in baselines")
    parser.add_argument("--most", type=float, default=0.6)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of a table")
    options = parser.parse_args()
    deviations = (options.least, options.most)
    rows = [row for tasks, seeds in SHAPES for row in measure(tasks, seeds, options.tables, deviations, options.seed)]
    if options.json:
        print(json.dumps([row._asdict() for row in rows]))
        return
    print(f"{'tasks':>5}{'seeds':>7}  {'interval':20}{'held':>7}{'worst noise':>13}{'half-width':>12}")
    for row in rows:
        print(f"{row.tasks:5}{row.seeds:7}  {row.way:20}{row.held:7.0%}{row.held_worst:13.0%}{row.width:12.1f}")


if __name__ == "__main__":
    main()
