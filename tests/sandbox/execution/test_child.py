"""What a fork server loads before it forks."""

from __future__ import annotations

from pathlib import Path

from sandbox.execution.child import warm
from sandbox.tasks import pixels


def native_threads() -> int:
    return len(list(Path("/proc/self/task").iterdir()))


def test_games_that_step_on_threads_are_not_loaded_before_a_fork() -> None:
    idle, threads = {key: list(kept) for key, kept in pixels._IDLE.items()}, native_threads()
    warm(["atari-42:Breakout", "atari:Breakout"], 3)
    assert idle == pixels._IDLE
    assert native_threads() == threads
