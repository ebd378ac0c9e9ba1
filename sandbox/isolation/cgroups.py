"""Control groups around one tracer, version 1 or 2, where this process may make them; where it may not, limits of the process alone hold.

What they add to those limits: memory that is really used, swap and the kernel's own included, is bounded for everything a program could
have started, and the kernel says for sure whether it ended a process for want of memory. Linux.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from sandbox.isolation import owner

ROOT = Path("/sys/fs/cgroup")
PREFIX = "lossmith-"
PROCESSES = 8
SLACK_BYTES = 64 << 20  # page tables and the like: the limit of the process should strike first, since it can be told to the program
SECONDS_TO_EMPTY = 2.0

_numbers = itertools.count()


class Cage:
    """The groups of one job."""

    def __init__(self, groups: Mapping[str, Path]) -> None:
        self._groups = groups

    def limit(self, memory_bytes: int) -> None:
        """Sets what may be used beyond what a process that is added brings along. Raises OSError where that cannot be done."""
        _limit(self._groups, memory_bytes + SLACK_BYTES)

    def add(self, pid: int) -> None:
        """Locks a process in, which takes milliseconds. Raises OSError where that cannot be done."""
        assert pid > 0, "the kernel takes 0 for whoever writes it"
        for group in set(self._groups.values()):
            (group / "cgroup.procs").write_text(str(pid))

    @property
    def out_of_memory(self) -> bool:
        """Whether the kernel has killed a process in here for want of memory."""
        group = self._groups["memory"]
        for name in ("memory.events", "memory.oom_control"):
            with contextlib.suppress(OSError):
                words = (group / name).read_text().split()
                return words[words.index("oom_kill") + 1] != "0" if "oom_kill" in words else False
        return False

    def close(self) -> None:
        """Removes the groups, whose processes have ended."""
        for group in set(self._groups.values()):
            _remove(group)


def open_cage(memory_bytes: int = 1 << 30) -> Cage | None:
    """Groups with this limit, or None where they cannot be made."""
    name = f"{PREFIX}{owner.mark()}-{next(_numbers)}"
    groups: dict[str, Path] = {}
    try:
        for controller, base in _bases().items():
            group = base / name
            group.mkdir(exist_ok=True)
            groups[controller] = group
        _limit(groups, memory_bytes + SLACK_BYTES)
    except (OSError, KeyError):
        for group in set(groups.values()):
            _remove(group)
        return None
    return Cage(groups)


def kind() -> str:
    """`cgroups v1`, `cgroups v2`, or nothing where none can be made."""
    cage = open_cage()
    if cage is None:
        return ""
    cage.close()
    return "cgroups v2" if _is_v2() else "cgroups v1"


def sweep() -> int:
    """Removes what crashed runs have left, and says how many groups that were."""
    found = [group for base in set(_bases().values()) for group in base.glob(f"{PREFIX}*-*") if owner.is_gone(_mark(group))]
    for group in found:
        _remove(group, patience=0.0)
    return len(found)


def _mark(group: Path) -> str:
    return group.name.removeprefix(PREFIX).rpartition("-")[0]


def _limit(groups: Mapping[str, Path], memory_bytes: int) -> None:
    """Raises OSError where a limit cannot be set, KeyError where a controller is missing. Swap need not be there.

    In version 1 the limit with swap may never be the lower one, so a rising limit sets it first.
    """
    memory, version_2 = groups["memory"], _is_v2()
    (groups["pids"] / "pids.max").write_text(str(PROCESSES))
    bound = memory / ("memory.max" if version_2 else "memory.limit_in_bytes")
    swap = memory / ("memory.swap.max" if version_2 else "memory.memsw.limit_in_bytes")
    writes = [(bound, str(memory_bytes)), (swap, "0" if version_2 else str(memory_bytes))]
    if not version_2 and swap.exists() and int(swap.read_text()) < memory_bytes:
        writes.reverse()
    for file, value in writes:
        if file == bound or file.exists():
            file.write_text(value)


def _is_v2() -> bool:
    return (ROOT / "cgroup.controllers").exists()


def _bases() -> dict[str, Path]:
    """Where a group of ours would stand, by controller.

    Version 2 allows no processes beside groups, so there it is a sibling of our own group; in version 1 a child of it.
    """
    found: dict[str, Path] = {}
    for controllers, path in _own():
        if _is_v2() and controllers == [""]:
            base = (ROOT / path.lstrip("/")).parent if path != "/" else ROOT
            with contextlib.suppress(OSError):
                enabled = (base / "cgroup.subtree_control").read_text().split()
                found |= {name: base for name in ("memory", "pids") if name in enabled}
        elif not _is_v2():
            for name in {"memory", "pids"} & set(controllers):
                base = ROOT / name / path.lstrip("/")
                found[name] = base if base.is_dir() else ROOT / name  # in a container the path may be the host's
    return found


def _own() -> Iterator[tuple[list[str], str]]:
    """Our own groups: controllers and path."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            yield controllers.split(","), path


def _remove(group: Path, patience: float = SECONDS_TO_EMPTY) -> None:
    """A group whose last process has just ended may be busy for a moment."""
    deadline = time.monotonic() + patience
    while True:
        try:
            group.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            if time.monotonic() > deadline:
                return
            time.sleep(0.002)
        else:
            return
