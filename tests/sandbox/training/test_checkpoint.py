from pathlib import Path

import pytest
import torch
from torch import Tensor

from sandbox.errors import UsageError
from sandbox.records import RunResult, Training, TrainJob
from sandbox.rules.base import Batch, State
from sandbox.training import checkpoint as module
from sandbox.training.checkpoint import load, restarts
from sandbox.training.trainer import train_rule
from tests.sandbox.training.doubles import ClockTask, MemoryClockTask, PolicyGradient, job

REPLAYING = Training(epochs=2, minibatches=2, replay_ratio=1.5, target_decay=0.9)


class Everything(PolicyGradient):
    """A rule whose loss depends on all that a checkpoint must keep: slow parameters, replayed trajectories, carried state."""

    def __call__(self, batch: Batch, state: State) -> tuple[Tensor, State]:
        loss, state = super().__call__(batch, state)
        distance = (batch.online["value"] - batch.target["value"])[:-1] ** 2
        return loss + 0.1 * distance + torch.sin(state["calls"]) * batch.online["value"][:-1], state


class Killed(Exception):
    """Stands for a crash of the machine."""


def kill_at(step: int):
    def on_progress(done: int) -> None:
        if done >= step:
            raise Killed

    return on_progress


def numbers(result: RunResult) -> RunResult:
    return result.model_copy(update={"device_seconds": 0.0})


def run(which: TrainJob, path: Path | None, killed: int | None = None, task: type[ClockTask] = ClockTask) -> RunResult:
    return train_rule(Everything(REPLAYING), task(), which, checkpoint=path, on_progress=None if killed is None else kill_at(killed))


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RESTART_STEPS", 64)


@pytest.mark.parametrize("task", [ClockTask, MemoryClockTask])
def test_a_resumed_training_is_bitwise_the_uninterrupted_one(tmp_path: Path, task: type[ClockTask]) -> None:
    path = tmp_path / "run.checkpoint"
    which = job(steps=256, replay_capacity=16)
    whole = run(which, None, task=task)
    for killed in (80, 144, 208):  # beyond the first, second and third mark, each time resuming from the one before
        with pytest.raises(Killed):
            run(which, path, killed, task)
    assert load(path, which)["update"] == 12
    assert numbers(run(which, path, task=task)) == numbers(whole)


def test_saving_changes_no_number(tmp_path: Path) -> None:
    assert numbers(run(job(steps=256), tmp_path / "run.checkpoint")) == numbers(run(job(steps=256), None))


def test_a_short_training_is_not_saved(tmp_path: Path) -> None:
    run(job(steps=48), tmp_path / "run.checkpoint")
    assert list(tmp_path.iterdir()) == []


def test_device_seconds_add_up(tmp_path: Path) -> None:
    path = tmp_path / "run.checkpoint"
    with pytest.raises(Killed):
        run(job(steps=256), path, 80)
    saved = torch.load(path, weights_only=True)
    torch.save(saved | {"seconds": 1000.0}, path)
    assert run(job(steps=256), path).device_seconds > 1000


def test_another_jobs_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.checkpoint"
    run(job(steps=256), path)
    with pytest.raises(UsageError, match="another training"):
        run(job(steps=256, seed=2), path)


def test_another_versions_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.checkpoint"
    run(job(steps=256), path)
    torch.save(torch.load(path, weights_only=True) | {"version": 0}, path)
    with pytest.raises(UsageError, match="version 0"):
        run(job(steps=256), path)


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 no more", b"not a checkpoint"])
def test_a_damaged_file_is_refused_with_the_remedy(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "run.checkpoint"
    path.write_bytes(damage)
    with pytest.raises(UsageError, match="Delete it"):
        run(job(steps=256), path)


def test_a_file_that_carries_code_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.checkpoint"
    torch.save({"version": 1, "job": Path.cwd}, path)
    with pytest.raises(UsageError, match="not a checkpoint"):
        run(job(steps=256), path)


def test_a_place_that_cannot_be_written_is_not_the_programs_fault(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Cannot write"):
        run(job(steps=256), tmp_path / "missing" / "run.checkpoint")


def test_marks() -> None:
    assert [update for update in range(10) if restarts(update, 30)] == [0, 3, 5, 7, 9]  # 64, 128, 192 and 256 steps
