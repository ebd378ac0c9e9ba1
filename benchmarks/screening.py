"""Can seconds of probes tell a sound rule from a broken one? Every reference against its broken variants.

    python benchmarks/screening.py [--references ppo,dqn] [--seeds 3] [--workers 2] [--plan catch=12000,chain=12000] [--json]

A screening is the gates and then one training on each probe of the plan. Its score is the mean over probes of
(return - random play) / (best policy - random play), both of which are known for every probe; a program that a gate refuses, or whose
training fails, has none and ranks below all. For each broken variant: the share of all pairs (a screening of the sound rule, one of the
broken rule, each with a seed of its own) in which the sound one scores higher, ties counting half. CPU-seconds are of one screening: gates
included, and the imports of a process not. Nothing here passes or fails.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import torch
from broken import all_references, broken_texts

from sandbox.errors import ProgramFault, Refusal, UsageError
from sandbox.language.gates import GATE_SHAPES, run_gates
from sandbox.language.program import parse
from sandbox.language.trace import trace_reply
from sandbox.randomness import derive
from sandbox.records import AgentSettings, GateJob, Traced, TrainJob
from sandbox.rules.references import reference_text
from sandbox.tasks.probes import SKILLS
from sandbox.tasks.registry import check_name, make_task
from sandbox.training.shapes import minibatch_shape
from sandbox.training.trainer import train

PLAN = {"catch": 12_000, "immediate-credit": 6_000, "delayed-credit": 20_000, "chain": 12_000, "off-policy": 10_000}
"""Probe to agent steps."""

EPISODES = 64
AGENT = AgentSettings()
SOUND = "sound"


class Screened(NamedTuple):
    """One program. `scores` has one number a seed, None where a training failed; empty if a gate refused it."""

    reference: str
    variant: str
    refusal: str
    scores: tuple[float | None, ...]
    by_probe: dict[str, tuple[float | None, ...]]
    seconds: tuple[float, ...]  # CPU, of each screening; of the gates alone where they refused


class Order(NamedTuple):
    """A program to be screened."""

    reference: str
    variant: str
    text: str
    seeds: int
    plan: dict[str, int]


def screen(order: Order) -> Screened:
    """In a process of its own, on one thread."""
    torch.set_num_threads(1)
    start = time.process_time()
    tasks = {probe: make_task(f"probe:{probe}") for probe in order.plan}
    try:
        program = parse(order.text)
        shapes = tuple(dict.fromkeys(minibatch_shape(program.training, AGENT, task.num_actions) for task in tasks.values()))
        traced_at = tuple(dict.fromkeys((*GATE_SHAPES, *shapes)))
        report = run_gates(GateJob(program=program, trace=trace_reply(program, traced_at, 0), shapes=shapes))
        refusal = report.refusal and f"{report.refusal.gate}: {report.refusal.code}"
    except Refusal as fault:
        report, refusal = None, f"{fault.gate}: {fault.code}"
    gates = time.process_time() - start
    if report is None or report.traced is None:
        return Screened(order.reference, order.variant, refusal or "", (), {}, (gates,))
    runs = {probe: [_run(report.traced, probe, steps, seed) for seed in range(order.seeds)] for probe, steps in order.plan.items()}
    scores = [[runs[probe][seed][0] for probe in order.plan] for seed in range(order.seeds)]
    return Screened(
        order.reference,
        order.variant,
        "",
        tuple(_mean(each) for each in scores),
        {probe: tuple(score for score, _ in found) for probe, found in runs.items()},
        tuple(gates + sum(runs[probe][seed][1] for probe in order.plan) for seed in range(order.seeds)),
    )


def _run(rule: Traced, probe: str, steps: int, seed: int) -> tuple[float | None, float]:
    """Score, None where the training failed, and CPU-seconds."""
    start = time.process_time()
    chance, optimum = SKILLS[probe].chance, SKILLS[probe].optimum
    assert chance is not None
    assert optimum is not None, "what a skill is worth is known"
    job = TrainJob(
        rule=rule,
        task=f"probe:{probe}",
        agent=AGENT,
        steps=steps,
        seed=derive(seed, "screening", probe),
        evaluation_episodes=EPISODES,
    )
    try:
        score = (train(job).final_return - chance) / (optimum - chance)
    except ProgramFault:
        return None, time.process_time() - start
    return score, time.process_time() - start


def _mean(scores: list[float | None]) -> float | None:
    known = [score for score in scores if score is not None]
    return statistics.fmean(known) if len(known) == len(scores) else None


def accuracy(sound: Screened, broken: Screened) -> float:
    """The share of pairs in which the sound rule ranks above the broken one."""
    if broken.refusal:
        return 1.0
    wins = [_win(ours, theirs) for ours in sound.scores for theirs in broken.scores]
    return statistics.fmean(wins)


def _win(ours: float | None, theirs: float | None) -> float:
    low = float("-inf")
    ours, theirs = low if ours is None else ours, low if theirs is None else theirs
    return 0.5 if ours == theirs else float(ours > theirs)


def orders(references: list[str], seeds: int, plan: dict[str, int]) -> list[Order]:
    """Every reference and its broken variants."""
    return [
        Order(reference, variant, text, seeds, plan)
        for reference in references
        for variant, text in {SOUND: reference_text(reference), **broken_texts(reference)}.items()
    ]


def machine() -> dict[str, str | int | float]:
    """What the figures depend on."""
    info = Path("/proc/cpuinfo")
    models = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if "model name" in line] if info.exists() else []
    cpu = models[0] if models else platform.processor()
    return {"cpu": cpu, "cores": os.cpu_count() or 1, "load": os.getloadavg()[0], "torch": torch.__version__}


def report(screened: list[Screened]) -> dict[str, object]:
    """Accuracies by reference and variant, their mean, and the cost."""
    sound = {one.reference: one for one in screened if one.variant == SOUND}
    broken = [one for one in screened if one.variant != SOUND]
    pairs = {f"{one.reference}, {one.variant}": accuracy(sound[one.reference], one) for one in broken}
    costs = [seconds for one in screened if not one.refusal for seconds in one.seconds]
    return {
        "accuracy": statistics.fmean(pairs.values()),
        "pairs": pairs,
        "seconds": {"median": statistics.median(costs), "mean": statistics.fmean(costs), "high": max(costs)},
        "programs": [one._asdict() for one in screened],
    }


def show(found: dict[str, object], screened: list[Screened], probes: list[str]) -> None:
    """One line a program."""
    pairs = found["pairs"]
    assert isinstance(pairs, dict)
    print(f"\n{'reference':20}{'variant':26}{'ranked below':>13}{'CPU-s':>7}  " + "".join(f"{probe:>18}" for probe in probes))
    for one in screened:
        below = "" if one.variant == SOUND else f"{pairs[f'{one.reference}, {one.variant}']:.2f}"
        line = f"{one.reference:20}{one.variant:26}{below:>13}{statistics.fmean(one.seconds):7.1f}  "
        print(line + (f"refused, {one.refusal}" if one.refusal else "".join(f"{_text(one.by_probe[probe]):>18}" for probe in probes)))
    cost = found["seconds"]
    assert isinstance(cost, dict)
    print(f"\npairwise accuracy {found['accuracy']:.3f} over {len(pairs)} broken variants")
    print(f"CPU-seconds a screening: median {cost['median']:.1f}, mean {cost['mean']:.1f}, most {cost['high']:.1f}")


def _text(scores: tuple[float | None, ...]) -> str:
    mean = _mean(list(scores))
    return "failed" if mean is None else f"{mean:.2f}"


def chosen_plan(text: str) -> dict[str, int]:
    """`catch=12000,chain=12000`. UsageError for a probe there is not."""
    plan = {}
    for part in text.split(","):
        probe, equals, steps = part.strip().partition("=")
        check_name(f"probe:{probe}")
        if not equals or not steps.isdigit():
            raise UsageError(f"{part!r} is no probe with its steps.", "Write --plan catch=12000,chain=12000.")
        plan[probe] = int(steps)
    return plan


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--references", default=",".join(all_references()), help="with commas between; default all")
    parser.add_argument("--seeds", type=int, default=3, help="screenings of each program")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--plan", default=",".join(f"{probe}={steps}" for probe, steps in PLAN.items()))
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of a table")
    options = parser.parse_args()
    plan = chosen_plan(options.plan)
    work = orders(options.references.split(","), options.seeds, plan)
    where = machine()
    screened = []
    with ProcessPoolExecutor(options.workers, mp_context=get_context("spawn")) as pool:
        for one in pool.map(screen, work):
            screened.append(one)
            if not options.json:
                print(f"{len(screened)}/{len(work)} {one.reference}, {one.variant}", flush=True)
    found = report(screened)
    if options.json:
        print(json.dumps({"machine": where, "plan": plan, "seeds": options.seeds, **found}))
    else:
        show(found, screened, list(plan))
        print(", ".join(f"{name} {value}" for name, value in where.items()))


if __name__ == "__main__":
    main()
