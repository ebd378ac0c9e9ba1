"""A long training, saved so that it can go on after a crash with the numbers it would have had anyway.

Worlds cannot be saved, since not every emulator can. So every training, saved or not, restarts its environments from a derived seed at the
same fixed steps (`RESTART_STEPS`), and those are the moments at which it is saved: all that lives on is then in the file. A resumed
training is bitwise the one that was never interrupted. Trainings shorter than that are neither restarted nor saved.

The file holds tensors, numbers and strings alone, and is read as such (`weights_only`): it can carry no code.
"""

from __future__ import annotations

import hashlib
import os
import pickle
from pathlib import Path
from typing import TypedDict

import torch
from torch import Tensor

from sandbox.errors import UsageError
from sandbox.records import TrainJob
from sandbox.training.diagnostics import LogbookState
from sandbox.training.optimiser import OptimiserState
from sandbox.training.replay import RingState

RESTART_STEPS = 500_000
"""Agent steps between two restarts, some minutes of Atari. Part of what a result is: changing it changes long trainings' numbers."""

VERSION = 5


class Checkpoint(TypedDict):
    """Everything a training is at the start of a rollout, its worlds excepted."""

    version: int
    job: str  # hash of the TrainJob
    update: int  # rollouts done
    seconds: float  # device-seconds used
    optimiser: OptimiserState
    scale: dict[str, Tensor]  # how the network has learned to look at observations
    target: Tensor | None
    rule_state: dict[str, Tensor]
    ring: RingState
    logbook: LogbookState


def restarts(update: int, steps_per_update: int) -> bool:
    """True where the rollout with this number, from 0, begins with fresh environments: the first, and each that passes a mark."""
    before, now = (update - 1) * steps_per_update, update * steps_per_update
    return update == 0 or before // RESTART_STEPS < now // RESTART_STEPS


def job_hash(job: TrainJob) -> str:
    """What tells one job from another."""
    return hashlib.sha256(job.model_dump_json().encode()).hexdigest()


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Writes the file whole or not at all. UsageError if it cannot be written, since that is no program's fault."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            torch.save(checkpoint, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise UsageError(f"Cannot write the checkpoint {path}: {error.strerror}.", "Make room, or name another place.") from error
    finally:
        temporary.unlink(missing_ok=True)


def load(path: Path, job: TrainJob) -> Checkpoint:
    """Reads what `save` wrote. UsageError if the file is damaged, or of another job or version."""
    try:
        checkpoint: Checkpoint = torch.load(path, weights_only=True, map_location=job.agent.device)
        version, owner = checkpoint["version"], checkpoint["job"]
    except (OSError, EOFError, RuntimeError, KeyError, TypeError, pickle.UnpicklingError) as error:
        raise UsageError(f"{path} is not a checkpoint that can be read.", "Delete it, and the training starts afresh.") from error
    if version != VERSION:
        raise UsageError(f"{path} is a checkpoint of version {version}, not {VERSION}.", "Delete it, and the training starts afresh.")
    if owner != job_hash(job):
        raise UsageError(f"{path} belongs to another training.", "Give every job a checkpoint of its own.")
    return checkpoint
