"""How good are meta-networks of several meta-seeds? Fresh agents under each, beside random play and REINFORCE at its best learning rate.

    python benchmarks/meta_seeds.py NETWORK... [--tasks catch@60000 noisy-rewards@40000 …] [--seeds 5] [--rates 1e-3 4e-3 1e-2] [--json]

The same as `lossmith baseline evaluate` for every network, but random play and REINFORCE are trained once for all of them: networks must be
of one spec but for its seed. On worlds that are drawn anew for every life (corridor, wide bandit, random MDP) no exam can be sat in the
world that was learned, so the scores are those of the last tenth of training. What random and perfect play earn in a random MDP is computed
for each by backward induction (Puterman 1994, section 4.5).
"""

from __future__ import annotations

import argparse
import json
from contextlib import closing
from pathlib import Path

import torch

from archive.baseline.library import digest
from archive.baseline.trial import RATES, Trial, at_rate, hold_trials
from sandbox.evaluate import Evaluator, Player, ShortMemory
from sandbox.execution.local import LocalExecutor
from sandbox.randomness import derive
from sandbox.records import LearnedRule, Record, Rung
from sandbox.tasks.probes import META_WORLDS
from sandbox.tasks.probes.random_mdp import RandomMdp
from synth.cli.networks import spec_of

TASKS = ("catch@80000", "immediate-credit@40000", "noisy-rewards@40000", "many-actions@40000", "chain@40000", "off-policy@40000")
WORLDS = ("corridor@20000", "wide-bandit@40000", "random-mdp@100000")


class Lives(Record):
    """A world that is drawn anew: scores of the last tenth of training, one a world, of REINFORCE at its best rate."""

    learned: tuple[float, ...]
    reinforce: tuple[float, ...]
    reinforce_rate: float
    worth: tuple[tuple[float, float], ...] | None  # of each world what random and perfect play earn, where that can be computed


class Report(Record):
    """One network."""

    network: str
    sha256: str
    trials: tuple[Trial, ...]
    worlds: dict[str, Lives]


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
    worlds: dict[str, Lives] = {}
    for rung in ladder:
        if rung.tasks[0].partition(":")[2] in META_WORLDS:
            worlds[rung.tasks[0]] = live(evaluator, rule, rung, memory, rates)
        else:
            reinforce = evaluator.reference("reinforce", [rung])
            trials.extend(hold_trials(evaluator, rule, reinforce, rung, known, memory, rates))
    return Report(network=str(path), sha256=rule.sha256, trials=tuple(trials), worlds=worlds)


def live(evaluator: Evaluator, rule: LearnedRule, rung: Rung, memory: ShortMemory, rates: list[float]) -> Lives:
    """Agents of the network and of REINFORCE in the same worlds, one a seed."""
    seeds = evaluator.seeds(rung)

    def ends(player: Player) -> tuple[float, ...]:
        runs = evaluator.run_rung(player, rung, seeds, memory).runs
        return tuple(next(point.score for point in run.curve[::-1] if point.score is not None) for run in runs)

    reinforce = evaluator.reference("reinforce", [rung])
    theirs = {rate: ends(at_rate(reinforce, rate)) for rate in rates}
    best = max(theirs, key=lambda rate: sum(theirs[rate]))
    known = rung.tasks[0] == "probe:random-mdp"
    worth = tuple(mdp_worth(derive(job.seed, "environments", 0)) for job in evaluator.jobs(rule, rung, seeds)) if known else None
    return Lives(learned=ends(rule), reinforce=theirs[best], reinforce_rate=best, worth=worth)


def mdp_worth(seed: int) -> tuple[float, float]:
    """What random and perfect play earn in an episode of the random MDP of that seed, from any state, all alike."""
    world = RandomMdp(1, "cpu")
    world.reset(seed)
    states, actions = len(world.rewards) // world.num_actions, world.num_actions
    moves, rewards = world.transitions.double().view(states, actions, states), world.rewards.double().view(states, actions)
    random = best = torch.zeros(states, dtype=torch.float64)
    for _ in range(world.length):
        random, best = (rewards + moves @ random).mean(1), (rewards + moves @ best).amax(1)
    return float(random.mean()), float(best.mean())


def lives_line(task: str, lives: Lives) -> str:
    """A row of the worlds."""
    ours, theirs = (" ".join(f"{score:.2f}" for score in scores) for scores in (lives.learned, lives.reinforce))
    text = f"  {task:24}{ours}   REINFORCE at {lives.reinforce_rate:g}: {theirs}"
    if lives.worth is None:
        return text
    ways = (
        " ".join(f"{(score - low) / (high - low):.0%}" for score, (low, high) in zip(scores, lives.worth, strict=True))
        for scores in (lives.learned, lives.reinforce)
    )
    return text + "   of the way: {}; {}".format(*ways)


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
                print(*(lives_line(task, each) for task, each in found[-1].worlds.items()), sep="\n", flush=True)
    if options.json:
        print(json.dumps([each.model_dump() for each in found]))


if __name__ == "__main__":
    main()
