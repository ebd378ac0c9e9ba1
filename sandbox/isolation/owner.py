"""Whose a container or a control group is: a mark that tells, after a crash, that nobody needs it any more. Linux with /proc."""

from __future__ import annotations

import os
from pathlib import Path

_UNKNOWN = "0"


def mark() -> str:
    """Of this process: the machine's boot, the process's number, and when it started, since numbers are used again."""
    return f"{_boot()}-{os.getpid()}-{_started(os.getpid())}"


def is_gone(mark: str) -> bool:
    """Whether the process with this mark has ended for sure: what another machine's process left is never called an orphan."""
    boot, _, rest = mark.partition("-")
    number, _, started = rest.partition("-")
    return boot == _boot() != _UNKNOWN and number.isdecimal() and _started(int(number)) != started


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip().replace("-", "")
    except OSError:
        return _UNKNOWN


def _started(pid: int) -> str:
    """In ticks since the boot; 0 where there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return _UNKNOWN
