"""How many trainings a machine's cores hold at a time."""

from __future__ import annotations

import os

from sandbox.errors import UsageError


def cores() -> int:
    """Of this machine."""
    return os.cpu_count() or 1


def workers_of(threads: int, asked: int | None = None) -> int:
    """Trainings of so many threads at a time: as many as asked for, else as many as there are cores for.

    UsageError where several threads each are more than the cores: they wait for one another many times in every step, so that two
    trainings that share a core are slower than one after the other. Single threads may be more than the cores.
    """
    if threads > cores():
        raise UsageError(f"agent.threads is {threads} and this machine has {cores()} cores.", f"Set it to {cores()} at most.")
    workers = asked or cores() // threads
    if threads > 1 and workers * threads > cores():
        raise UsageError(
            f"{workers} trainings at a time of {threads} threads each are more than this machine's {cores()} cores.",
            f"Set workers to {cores() // threads}, or agent.threads to 1, which trains most in the same time.",
        )
    return workers
