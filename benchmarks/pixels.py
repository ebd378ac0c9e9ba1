"""Training from pixels against CleanRL's `ppo_atari_envpool.py`: same game, same numbers of environments, steps, passes and minibatches.

    python benchmarks/pixels.py --peer PYTHON SCRIPT [--game Pong] [--repeats 3] [--steps 8192] [--json]

PYTHON is an interpreter that can run the peer's script (it wants gym 0.23 and envpool 0.8), SCRIPT the file as its authors publish it. In
turns, each in a process of its own: the peer; ours with the same network (Nature, 84 pixels), with one thread and with two; two of ours at
once, as a campaign of two workers trains; ours with two convolutions of 16 channels at 42 pixels, which is another and much smaller
network. Agent steps per second of the processors and of the clock, after the start: ours from the second rollout on, the peer's from the
difference of a short and a long run. A figure is the median of the repeats, with the lowest and the highest. Nothing here passes or fails.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import torch
from machine import machine
from training import Enough, Stopwatch, traced_ppo

from sandbox.records import AgentSettings, TrainJob
from sandbox.tasks.registry import make_task
from sandbox.training.trainer import train

ENVS, LENGTH = 8, 128  # the peer's defaults; four passes and four minibatches are both sides'
SHORT = 2 * ENVS * LENGTH  # steps of the run that the peer's start is told from
ONE = "ours, Nature at 84 px"
OURS = {ONE: ("atari", "nature", 1), f"{ONE}, two threads": ("atari", "nature", 2), "ours, conv 16-16 at 42 px": ("atari-42", "conv", 1)}
PEER, PAIR = "CleanRL, Nature at 84 px", "two of ours at once, Nature"


class Speed(NamedTuple):
    """Agent steps per second of all processors used, and of the clock."""

    cpu: float
    wall: float


def train_here(kind: str, torso: str, threads: int, game: str, steps: int, seed: int) -> Speed:
    """Trains in this process."""
    agent = AgentSettings.model_validate({"torso": torso, "threads": threads, "num_envs": ENVS, "rollout_length": LENGTH})
    name = f"{kind}:{game}"
    rule, stopwatch = traced_ppo(make_task(name).num_actions, agent), Stopwatch(steps)
    with contextlib.suppress(Enough):
        train(TrainJob(rule=rule, task=name, agent=agent, steps=10_000_000, seed=seed), on_progress=stopwatch)
    first, last = stopwatch.marks[0], stopwatch.marks[-1]
    return Speed((last.steps - first.steps) / (last.cpu - first.cpu), (last.steps - first.steps) / (last.wall - first.wall))


def ours(which: str, game: str, steps: int, seed: int) -> subprocess.Popen[str]:
    """Starts a process that trains and prints its speed."""
    command = [sys.executable, __file__, "--one", *map(str, OURS[which]), "--game", game, "--steps", str(steps), "--seed", str(seed)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})


def speed_of(process: subprocess.Popen[str]) -> Speed:
    """What it printed."""
    said, _ = process.communicate()
    if process.returncode:
        raise SystemExit("A training failed; it says why above.")
    return Speed(*json.loads(said.splitlines()[-1]))


def pair(game: str, steps: int, seed: int) -> Speed:
    """Two trainings side by side: their steps together, and the mean of what each does with a processor's second."""
    running = [ours(ONE, game, steps, seed + number) for number in range(2)]
    speeds = [speed_of(process) for process in running]
    return Speed(statistics.mean(one.cpu for one in speeds), sum(one.wall for one in speeds))


def peer(python: str, script: str, game: str, steps: int) -> Speed:
    """The same from the peer's script, left as it is."""
    short, long = (_spent(python, script, game, total) for total in (SHORT, SHORT + steps))
    return Speed(steps / (long[0] - short[0]), steps / (long[1] - short[1]))


def _spent(python: str, script: str, game: str, steps: int) -> tuple[float, float]:
    """Seconds of the processors and of the clock."""
    command = [
        str(Path(python).absolute()),
        str(Path(script).resolve()),
        "--no-cuda",
        "--env-id",
        f"{game}-v5",
        "--total-timesteps",
        str(steps),
    ]
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:  # where it writes its event files
        threads_as_it_likes = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
        process = subprocess.Popen(command, cwd=folder, env=threads_as_it_likes, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"The peer's script failed. Try: {' '.join(command)}")
    return usage.ru_utime + usage.ru_stime, time.perf_counter() - start


def measure(game: str, repeats: int, steps: int, peer_command: tuple[str, str]) -> dict[str, list[Speed]]:
    """All in turns, so that whatever else the machine does hits all alike."""
    found: dict[str, list[Speed]] = {PEER: [], **{which: [] for which in OURS}, PAIR: []}
    for number in range(repeats):
        found[PEER].append(peer(*peer_command, game, steps))
        for which in OURS:
            found[which].append(speed_of(ours(which, game, steps, number)))
        found[PAIR].append(pair(game, steps, number))
        print(f"{number + 1}/{repeats}: " + ", ".join(f"{which} {speeds[-1].cpu:.0f}" for which, speeds in found.items()), file=sys.stderr)
    return found


def spread(numbers: list[float], digits: int) -> str:
    """Median, lowest and highest."""
    return f"{statistics.median(numbers):.{digits}f} ({min(numbers):.{digits}f} - {max(numbers):.{digits}f})"


def show(found: dict[str, list[Speed]], game: str, repeats: int) -> None:
    """The table."""
    print(", ".join(f"{name} {value}" for name, value in machine().items()))
    print(f"{game}; median (lowest - highest) of {repeats}; agent steps a second; PPO, {ENVS} environments of {LENGTH} steps, 4 passes\n")
    print(f"{'':34}{'a CPU-second':>22}{'over the peer':>22}{'a second':>22}{'over the peer':>22}")
    for which, speeds in found.items():
        columns = []
        for field in ("cpu", "wall"):
            mine = [getattr(speed, field) for speed in speeds]
            theirs = [getattr(speed, field) for speed in found[PEER]]
            columns += [spread(mine, 0), spread([one / other for one, other in zip(mine, theirs, strict=True)], 2)]
        print(f"{which:34}" + "".join(f"{column:>22}" for column in columns))


def main() -> None:
    """Prints the table, or, as a process of its own, the speed of one training."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--peer", nargs=2, metavar=("PYTHON", "SCRIPT"), help="an interpreter and the peer's script")
    parser.add_argument("--game", default="Pong")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--steps", type=int, default=8192, help="agent steps that are timed in each run")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of a table")
    parser.add_argument("--one", nargs=3, metavar=("KIND", "TORSO", "THREADS"), help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        torch.set_num_threads(1)
        kind, torso, threads = options.one
        print(json.dumps(train_here(kind, torso, int(threads), options.game, options.steps, options.seed)))
    elif not options.peer:
        parser.error("--peer PYTHON SCRIPT is needed: what the speed is compared with")
    else:
        found = measure(options.game, options.repeats, options.steps, tuple(options.peer))
        if options.json:
            print(json.dumps({"machine": machine(), "game": options.game, "repeats": options.repeats, "speeds": found}))
        else:
            show(found, options.game, options.repeats)


if __name__ == "__main__":
    main()
