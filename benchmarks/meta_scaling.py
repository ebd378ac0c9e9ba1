"""Do more training tasks and more meta-steps make a better rule? The scaling claim of Oh et al. (2025), in miniature.

    python benchmarks/meta_scaling.py examples/baseline.toml --out runs [--numbers 1 2 4] [--meta-seeds 0] [--until 500]
        [--probes noisy-rewards many-actions] [--steps 20000] [--seeds 3] [--add FILE.json …] [--plot FILE.svg] [--json]

For every number n the rule is meta-trained on the first n tasks of the spec, always by as many agents as the whole spec has, so that what
differs is the variety of worlds and not the number of lives. The networks that the spec keeps on the way (`keep_every`) are frozen, and
fresh agents are trained under each on probes that are no task of the spec. The score is the share of the way from random play to the
optimum: the mean over probes and seeds, with Student's 95 % interval over the seeds' means.

What `--json` printed before can be added with `--add`, to be drawn together; `--numbers` with nothing after it measures nothing new.
A folder of `lossmith baseline train` may be put under `--out` as `TASKS-SEED` (4-0) and is then not trained again. `--until` ends every run
at that meta-step, with the schedule of the whole. One core; five to ten minutes a run.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import torch

from archive.baseline.library import digest
from archive.baseline.spec import BaselineSpec, load_baseline_spec
from archive.baseline.training import CurvePoint, MetaTraining
from archive.baseline.trial import limits, mean
from sandbox.randomness import derive
from sandbox.records import LearnedRule, TrainJob
from sandbox.training.trainer import train

PROBES = ("noisy-rewards", "many-actions")


class Point(NamedTuple):
    """One network. `ways[s][p]` is what seed s came to on probe p."""

    tasks: int
    meta_seed: int
    meta_steps: int
    ways: list[list[float]]


class Enough(Exception):
    """A run has come as far as it should."""


def variant(spec: BaselineSpec, number: int, seed: int) -> BaselineSpec:
    """The spec with its first `number` tasks, each with its share of all agents (largest remainders first)."""
    entries, every = spec.task[:number], sum(entry.agents for entry in spec.task)
    shares = [every * entry.agents / sum(each.agents for each in entries) for entry in entries]
    left = every - sum(map(int, shares))
    first = sorted(range(len(shares)), key=lambda index: int(shares[index]) - shares[index])[:left]
    task = tuple(
        entry.model_copy(update={"agents": int(share) + (index in first)})
        for index, (entry, share) in enumerate(zip(entries, shares, strict=True))
    )
    return spec.model_copy(update={"task": task, "seed": seed})


def meta_train(spec: BaselineSpec, folder: Path, until: int) -> dict[int, Path]:
    """Networks by meta-step, up to `until`; a run that is there goes on."""

    def watch(point: CurvePoint) -> None:
        if point.step == until:
            raise Enough

    training = MetaTraining(spec, folder)
    if training.step < until:
        try:
            training.run(watch)
        except Enough:
            print(f"{folder}: stopped at {until}", file=sys.stderr, flush=True)
    kept = {int(path.stem.partition("-")[2]): path for path in folder.glob("network-*.safetensors")}
    return {step: path for step, path in sorted(kept.items()) if step <= until}


def examine(network: Path, spec: BaselineSpec, probe: str, steps: int, seed: int) -> float:
    """Share of the way from chance to the optimum that a fresh agent goes."""
    rule = LearnedRule(name="scaling", path=str(network.absolute()), sha256=digest(network), learning_rate=spec.agent.learning_rate)
    task = f"probe:{probe}"
    job = TrainJob(rule=rule, task=task, agent=spec.agent, steps=steps, seed=derive(0, "scaling", probe, seed), evaluation_episodes=64)
    known = limits(task)
    if known.chance is None or known.optimum is None:
        raise SystemExit(f"{probe} has no known optimum: name another probe.")
    return (train(job).final_return - known.chance) / (known.optimum - known.chance)


def draw(points: Sequence[Point], path: Path) -> None:
    """Two panels: against meta-steps, a line for every number of tasks; against the number of tasks, at the last step all have."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    last = common_step(points)
    style: dict[Any, Any] = {"svg.hashsalt": "lossmith", "svg.fonttype": "none", "axes.spines.top": False, "axes.spines.right": False}
    with rc_context(style):
        figure = Figure(figsize=(10, 3.6), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True)
        for number, seed in sorted({(point.tasks, point.meta_seed) for point in points}):
            line = [point for point in points if (point.tasks, point.meta_seed) == (number, seed)]
            _errors(left, [point.meta_steps for point in line], line, f"{number} task{'s' * (number > 1)}, meta-seed {seed}")
        _errors(right, [point.tasks for point in points if point.meta_steps == last], [p for p in points if p.meta_steps == last], None)
        left.set_ylim(-0.1, 1.1)
        left.set_xlabel("meta-steps")
        left.set_ylabel("way to the optimum, held-out probes")
        left.legend(frameon=False, fontsize=8)
        right.set_xlabel(f"tasks of the meta-training, after {last} meta-steps")
        right.set_xticks(sorted({point.tasks for point in points}))
        figure.savefig(path, dpi=120, metadata={"Date": None} if path.suffix == ".svg" else None)


def common_step(points: Sequence[Point]) -> int:
    """The last meta-step at which every run was examined."""
    runs = {(point.tasks, point.meta_seed) for point in points}
    return max(
        step for step in {point.meta_steps for point in points} if {(p.tasks, p.meta_seed) for p in points if p.meta_steps == step} == runs
    )


def _errors(axes: Any, places: Sequence[int], points: Sequence[Point], label: str | None) -> None:
    means = [mean([fmean(seed) for seed in point.ways]) for point in points]
    around = [[each.value - each.low for each in means], [each.high - each.value for each in means]]
    axes.errorbar(
        places, [each.value for each in means], around, marker="o", markersize=4, capsize=2, linestyle="-" if label else "", label=label
    )
    axes.axhline(0, color="0.6", linewidth=0.8, linestyle=":")
    axes.axhline(1, color="0.6", linewidth=0.8, linestyle="--")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("spec", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--numbers", type=int, nargs="*", default=[1, 2, 4], help="of tasks")
    parser.add_argument("--meta-seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--until", type=int, help="meta-steps; default all of the spec")
    parser.add_argument("--at", type=int, nargs="+", help="meta-steps to examine; default all that are kept")
    parser.add_argument("--probes", nargs="+", default=list(PROBES))
    parser.add_argument("--steps", type=int, default=20_000, help="agent steps a training")
    parser.add_argument("--seeds", type=int, default=3, help="fresh agents a probe")
    parser.add_argument("--add", type=Path, nargs="+", default=[], help="documents that --json printed")
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of a table")
    options = parser.parse_args()
    torch.set_num_threads(1)
    spec = load_baseline_spec(options.spec)
    points = [Point(**point) for path in options.add for point in json.loads(path.read_text())]
    for number in options.numbers:
        for seed in options.meta_seeds:
            networks = meta_train(variant(spec, number, seed), options.out / f"{number}-{seed}", options.until or spec.meta.steps)
            for step, network in networks.items():
                if options.at is None or step in options.at:
                    ways = [
                        [examine(network, spec, probe, options.steps, each) for probe in options.probes] for each in range(options.seeds)
                    ]
                    points.append(Point(number, seed, step, ways))
    points.sort()
    if options.plot:
        draw(points, options.plot)
    if options.json:
        print(json.dumps([point._asdict() for point in points]))
        return
    print(f"{'tasks':>5}{'meta-seed':>11}{'meta-steps':>12}{'way':>8}{'±':>7}   {'  '.join(options.probes)}")
    for point in points:
        whole = mean([fmean(each) for each in point.ways])
        by_probe = "  ".join(f"{fmean(column):.2f}" for column in zip(*point.ways, strict=True))
        print(f"{point.tasks:5}{point.meta_seed:11}{point.meta_steps:12}{whole.value:8.2f}{whole.high - whole.value:7.2f}   {by_probe}")


if __name__ == "__main__":
    main()
