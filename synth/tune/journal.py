"""Lifetimes under meta-gradients, kept in a folder as they end, so that what was lived is not lived again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.errors import UsageError
from sandbox.randomness import derive
from sandbox.records import Record, TrainJob

if TYPE_CHECKING:
    from archive.tuning.lifetimes import Lifetime, Lives, Moment

OnSteps = Callable[[int], None]
"""Told agent steps as they are taken under meta-gradients."""

REQUEST = "request.json"
LIFETIMES = "lifetimes.jsonl"


def open_folder(folder: Path, request: Record) -> None:
    """Makes the folder of one tuning. UsageError if it holds another's."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path, text = folder / REQUEST, request.model_dump_json()
        if path.exists() and path.read_text(encoding="utf-8") != text:
            raise UsageError(f"{folder} holds the tuning of another program, or with other options.", "Name another folder with --run.")
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"Cannot write into {folder}: {error.strerror}.", "Name another folder with --run.") from error


def lifetime(lives: Lives, folder: Path, seed: int, before: Sequence[Lifetime], on_steps: OnSteps | None = None) -> Lifetime:
    """The one after `before`, from where the last of them ended; read where the folder holds it."""
    number = len(before)
    kept = read(folder / LIFETIMES)
    if len(kept) > number:
        _tell(on_steps, kept[number].steps)
        return kept[number]
    state = before[-1].after if before else lives.fresh()
    lived = lives.live(state, partial(_seed, seed, number), _progress(on_steps, len(lives.jobs)))
    _append(folder / LIFETIMES, lived)
    return lived


def read(path: Path) -> list[Lifetime]:
    """Those that were lived to their end."""
    from archive.tuning.lifetimes import Lifetime  # loads torch

    if not path.exists():
        return []
    return [Lifetime.model_validate_json(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _append(path: Path, lifetime: Lifetime) -> None:
    """Whole or not at all."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    unfinished = path.with_suffix(".partial")
    unfinished.write_text(f"{text}{lifetime.model_dump_json()}\n", encoding="utf-8")
    unfinished.replace(path)


def _seed(seed: int, number: int, job: TrainJob) -> int:
    return derive(seed, "lifetime", job.task, number)


def _progress(on_steps: OnSteps | None, agents: int) -> Callable[[Moment], None]:
    """Turns what a lifetime tells into steps taken since."""
    before = 0

    def tell(moment: Moment) -> None:
        nonlocal before
        _tell(on_steps, agents * (moment.steps - before))
        before = moment.steps

    return tell


def _tell(on_steps: OnSteps | None, steps: int) -> None:
    if on_steps is not None:
        on_steps(steps)
