"""How good are meta-networks of several meta-seeds? Fresh agents under each, beside random play and REINFORCE at its best learning rate.

    python benchmarks/meta_seeds.py NETWORK... [--tasks catch@60000 noisy-rewards@40000 …] [--seeds 5] [--rates 1e-3 4e-3 1e-2] [--json]

The same as `lossmith baseline evaluate` for every network, but random play and REINFORCE are trained once for all of them: networks must be
of one spec but for its seed. On worlds that are drawn anew for every life (corridor) no exam can be sat in the world that was learned, so
the score is that of the last tenth of training, without REINFORCE.
"""

from __future__ import annotations

import argparse
import json
from contextlib import closing
from pathlib import Path

from archive.baseline.library import digest
from archive.baseline.trial import RATES, Mean, Trial, hold_trials, mean
from sandbox.evaluate import Evaluator, ShortMemory
from sandbox.execution.local import LocalExecutor
from sandbox.records import LearnedRule, Record, Rung
from sandbox.tasks.probes import META_WORLDS
from synth.cli.networks import spec_of

TASKS = ("catch@80000", "immediate-credit@40000", "noisy-rewards@40000", "many-actions@40000", "chain@40000", "off-policy@40000")
WORLDS = ("corridor@20000",)


class Report(Record):
    """One network."""

    network: str
    sha256: str
    trials: tuple[Trial, ...]
    worlds: dict[str, Mean]  # score at the end of training


def rungs(words: list[str], seeds: int) -> tuple[Rung, ...]:
    """`catch@60000` is one task at its budget."""
    parts = [word.partition("@") for word in words]
    return tuple(
        Rung(name="trial", tasks=(f"probe:{task}",), steps=int(steps), seeds=seeds, evaluation_episodes=64) for task, _, steps in parts
    )


def report(path: Path, evaluator: Evaluator, ladder: tuple[Rung, ...], rates: list[float], memory: ShortMemory) -> Report:
    """Of one network. SystemExit where it has no spec of ours."""
    spec = spec_of(path)
    if spec is None:
        raise SystemExit(f"{path} was not written by `lossmith baseline train`.")
    rule = LearnedRule(name=path.stem, path=str(path.absolute()), sha256=digest(path), learning_rate=spec.agent.learning_rate)
    known = frozenset(entry.task for entry in spec.task)
    trials: list[Trial] = []
    worlds: dict[str, Mean] = {}
    for rung in ladder:
        if rung.tasks[0].partition(":")[2] in META_WORLDS:
            runs = evaluator.run_rung(rule, rung, evaluator.seeds(rung), memory).runs
            worlds[rung.tasks[0]] = mean([next(point.score for point in run.curve[::-1] if point.score is not None) for run in runs])
        else:
            reinforce = evaluator.reference("reinforce", [rung])
            trials.extend(hold_trials(evaluator, rule, reinforce, rung, known, memory, rates))
    return Report(network=str(path), sha256=rule.sha256, trials=tuple(trials), worlds=worlds)


def line(trial: Trial) -> str:
    """A row of the table."""
    means = "".join(f"{each.value:9.2f} ±{each.high - each.value:5.2f}" for each in (trial.learned, trial.reinforce))
    way = "" if trial.share is None else f"{trial.share:6.0%}"
    return (
        f"  {trial.task:24}{trial.random.value:7.2f}{means} at {trial.reinforce_rate:g}{way}  {trial.word}{'  held out' * trial.held_out}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("networks", type=Path, nargs="+")
    parser.add_argument("--tasks", nargs="+", default=[*TASKS, *WORLDS], help="probes, each with @ and the agent steps of a training")
    parser.add_argument("--seeds", type=int, default=5, help="fresh agents a probe")
    parser.add_argument("--rates", type=float, nargs="+", default=list(RATES), help="REINFORCE's")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of a table")
    options = parser.parse_args()
    ladder = rungs(options.tasks, options.seeds)
    agent = next(spec.agent for spec in map(spec_of, options.networks) if spec)
    memory, found = ShortMemory(), []
    names = tuple(task for rung in ladder for task in rung.tasks)
    with closing(LocalExecutor(options.workers, names, agent.num_envs)) as executor, closing(Evaluator(executor, None, agent)) as evaluator:
        for path in options.networks:
            found.append(report(path, evaluator, ladder, options.rates, memory))
            if not options.json:
                print(f"{path}: random, learned, REINFORCE, way of the learned from chance to the optimum")
                print(*map(line, found[-1].trials), sep="\n")
                print(
                    *(f"  {task:24}{each.value:.2f} ±{each.high - each.value:.2f}" for task, each in found[-1].worlds.items()),
                    sep="\n",
                    flush=True,
                )
    if options.json:
        print(json.dumps([each.model_dump() for each in found]))


if __name__ == "__main__":
    main()
