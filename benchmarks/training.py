"""How much of raw emulation is left when an agent learns: PPO from Atari's memory, four passes over each batch, on one thread.

    python benchmarks/training.py [--games Pong Breakout] [--repeats 6] [--steps 16384] [--num-envs 16] [--rollout-length 32] [--json]

For each game and repeat: raw stepping of one `ALEInterface` with random actions, then training, then raw stepping again; the ratio is
training's agent steps per CPU-second over the mean of the two. Beside it, what is left of raw stepping when as many games as training has
are stepped in turns, one action each, which is slower before anything is learned. One agent step is four frames. Only steady training
counts: neither loading the games, nor the first rollout, nor the final exam. A figure is the median of the repeats, with the lowest and the
highest: at six repeats they enclose the true median with 97 % confidence, whatever the distribution. Nothing here passes or fails.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import statistics
import time
from collections.abc import Callable
from itertools import cycle
from typing import NamedTuple

import ale_py
import numpy as np
import torch
from ale_py import roms
from machine import machine

from sandbox.isolation.select import open_isolation
from sandbox.language.program import parse
from sandbox.language.tracing import trace, traced_from_reply
from sandbox.records import AgentSettings, Limits, Traced, TrainJob
from sandbox.rules.references import reference_text
from sandbox.tasks.atari_games import games
from sandbox.tasks.registry import make_task
from sandbox.training.shapes import minibatch_shape
from sandbox.training.trainer import train

GAMES = ("Pong", "Breakout", "SpaceInvaders")
RAW_STEPS = 4096


class Repeat(NamedTuple):
    """Agent steps per CPU-second, in the order in which they were measured."""

    raw_before: float
    training: float
    in_turns: float
    raw_after: float

    @property
    def ratio(self) -> float:
        return self.of_raw(self.training)

    def of_raw(self, rate: float) -> float:
        return 2 * rate / (self.raw_before + self.raw_after)


def emulator(game: str) -> ale_py.ALEInterface:
    """With the settings that the task has."""
    loaded = ale_py.ALEInterface()
    loaded.setInt("random_seed", 0)
    loaded.setInt("frame_skip", 4)
    loaded.setFloat("repeat_action_probability", 0.25)
    loaded.loadROM(roms.get_rom_path(games()[game]))
    return loaded


class Raw:
    """Emulators, stepped in turns as fast as they go."""

    def __init__(self, game: str, count: int = 1) -> None:
        self.emulators = [emulator(game) for _ in range(count)]
        self.random = random.Random(0)

    def measure(self) -> float:
        """Steps per CPU-second, reading the memory after each as an agent would."""
        memory = np.zeros(128, np.uint8)
        actions = self.random.choices([action.value for action in self.emulators[0].getMinimalActionSet()], k=RAW_STEPS)
        start = time.process_time()
        for action, one in zip(actions, cycle(self.emulators), strict=False):
            one.act(action)
            one.getRAM(memory)
            if one.game_over():
                one.reset_game()
        return RAW_STEPS / (time.process_time() - start)


class Enough(Exception):
    """Ends a training once it was measured."""


class Mark(NamedTuple):
    """Agent steps done, and seconds of the processor and of the clock until then."""

    steps: int
    cpu: float
    wall: float


class Stopwatch:
    """Told of every rollout; the first one is not counted."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.marks: list[Mark] = []

    def __call__(self, done: int) -> None:
        self.marks.append(Mark(done, time.process_time(), time.perf_counter()))
        if done - self.marks[0].steps >= self.steps:
            raise Enough

    def rate(self) -> float:
        """Steps per CPU-second."""
        first, last = self.marks[0], self.marks[-1]
        return (last.steps - first.steps) / (last.cpu - first.cpu)


def traced_ppo(num_actions: int, agent: AgentSettings) -> Traced:
    """The reference, traced without a sandbox: the text is ours."""
    program = parse(reference_text("ppo"))
    shapes = [minibatch_shape(program.training, agent, num_actions)]
    isolation = open_isolation("unsafe")
    try:
        return traced_from_reply(program, trace(program, shapes, isolation, Limits(seconds=120)), shapes)
    finally:
        isolation.close()


def training_rate(rule: Traced, game: str, agent: AgentSettings, steps: int, seed: int) -> float:
    """Steps per CPU-second of a training that is ended after so many steps."""
    stopwatch = Stopwatch(steps)
    job = TrainJob(rule=rule, task=f"atari-ram:{game}", agent=agent, steps=10_000_000, seed=seed)
    with contextlib.suppress(Enough):
        train(job, on_progress=stopwatch)
    return stopwatch.rate()


def measure_game(game: str, agent: AgentSettings, repeats: int, steps: int, say: Callable[[str], None]) -> list[Repeat]:
    """Interleaved, so that whatever else the machine does hits both alike."""
    rule = traced_ppo(make_task(f"atari-ram:{game}").num_actions, agent)
    raw, many = Raw(game), Raw(game, agent.num_envs)
    raw.measure()
    many.measure()
    found = []
    for number in range(repeats):
        found.append(Repeat(raw.measure(), training_rate(rule, game, agent, steps, number), many.measure(), raw.measure()))
        say(f"{game} {number + 1}/{repeats}: {found[-1].training:.0f} steps per CPU-second, {found[-1].ratio:.3f} of raw")
    return found


def spread(numbers: list[float]) -> dict[str, float]:
    return {"median": statistics.median(numbers), "low": min(numbers), "high": max(numbers)}


def show(report: dict[str, dict[str, dict[str, float]]], where: dict[str, str | int | float], agent: AgentSettings, repeats: int) -> None:
    print(", ".join(f"{name} {value}" for name, value in where.items()))
    rollout = f"rollouts of {agent.num_envs} environments x {agent.rollout_length} steps"
    print(f"median (lowest - highest) of {repeats}; agent steps per CPU-second, {rollout}, one thread\n")
    print(f"{'game':16}{'raw ALE':>24}{'PPO, 4 passes':>24}{'ratio':>24}{f'raw, {agent.num_envs} games in turns':>24}")
    for game, figures in report.items():
        raw, training = (
            f"{figures[key]['median']:.0f} ({figures[key]['low']:.0f} - {figures[key]['high']:.0f})" for key in ("raw", "training")
        )
        ratio, turns = (
            f"{figures[key]['median']:.3f} ({figures[key]['low']:.3f} - {figures[key]['high']:.3f})" for key in ("ratio", "in turns")
        )
        print(f"{game:16}{raw:>24}{training:>24}{ratio:>24}{turns:>24}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--games", nargs="+", default=list(GAMES), metavar="GAME", choices=sorted(games()))
    parser.add_argument("--repeats", type=int, default=6)
    parser.add_argument("--steps", type=int, default=16_384, help="agent steps of training in each repeat")
    parser.add_argument("--num-envs", type=int, default=16)
    parser.add_argument("--rollout-length", type=int, default=32)
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of a table")
    options = parser.parse_args()
    torch.set_num_threads(1)
    where, agent = machine(), AgentSettings(num_envs=options.num_envs, rollout_length=options.rollout_length)
    report = {}
    for game in options.games:
        found = measure_game(game, agent, options.repeats, options.steps, (lambda line: None) if options.json else print)
        raw = [rate for repeat in found for rate in (repeat.raw_before, repeat.raw_after)]
        report[game] = {
            "raw": spread(raw),
            "training": spread([repeat.training for repeat in found]),
            "ratio": spread([repeat.ratio for repeat in found]),
            "in turns": spread([repeat.of_raw(repeat.in_turns) for repeat in found]),
        }
    if options.json:
        settings = {"agent": agent.model_dump(), "repeats": options.repeats, "steps": options.steps}
        print(json.dumps({"machine": where, **settings, "games": report}))
    else:
        show(report, where, agent, options.repeats)


if __name__ == "__main__":
    main()
