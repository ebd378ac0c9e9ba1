"""How long it takes from a program's text to its verified graph, in each sandbox; and does a long row of programs leave anything behind?

    python benchmarks/sandbox.py [--repeats 5] [--row 1000] [--backends bubblewrap,docker,unsafe] [--json]

`cold` opens the sandbox for one program, the reference A2C; `pool` takes a process that has waited for two seconds: the median over all
reference programs of the time for parsing, tracing in isolation at two shapes, and verifying the graph at both; `gates` is the same at the
four shapes of the gates. `cpu` is the processor time a program at two shapes, ours and the sandbox's. The row runs one program after the
other and counts what is there before and after: processes, containers, mounts, control groups, files in temporary folders, open
descriptors, and memory of this process. Nothing is trained.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

# This file has the package's name, and its folder comes first on the path of every benchmark: whoever asks for the package shall get it.
folders = list(sys.path)
sys.path[:] = [folder for folder in folders if Path(folder).resolve() != Path(__file__).resolve().parent]
sys.modules.pop("sandbox", None)
import_module("sandbox")
sys.path[:] = folders

from sandbox.errors import OurFault  # noqa: E402
from sandbox.isolation import cgroups  # noqa: E402
from sandbox.isolation.pool import TracerPool  # noqa: E402
from sandbox.isolation.select import Backend, open_isolation  # noqa: E402
from sandbox.isolation.siege import SHAPES  # noqa: E402
from sandbox.language.gates import GATE_SHAPES  # noqa: E402
from sandbox.language.program import parse  # noqa: E402
from sandbox.language.tracing import trace, traced_from_reply  # noqa: E402
from sandbox.records import Limits, Shape  # noqa: E402
from sandbox.rules.references import reference_names, reference_text  # noqa: E402

LIMITS = Limits(seconds=60.0)
REST_SECONDS = 2.0  # programs come seconds apart; a process that waits makes ready meanwhile
REPEATS = 3  # of a cold start


def judge(text: str, isolation: TracerPool, shapes: tuple[Shape, ...] = SHAPES) -> None:
    """From text to verified graph."""
    program = parse(text)
    traced_from_reply(program, trace(program, shapes, isolation, LIMITS), shapes)


def descendants(pid: int) -> Iterator[Path]:
    """Their folders in /proc."""
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            yield Path("/proc", child)
            yield from descendants(int(child))


def cpu_seconds() -> float:
    """Of this process and of every process that it started, the ended ones too where they were waited for."""
    ticks = 0
    for folder in (Path("/proc/self"), *descendants(os.getpid())):
        try:
            ticks += sum(map(int, (folder / "stat").read_text().rpartition(")")[2].split()[11:15]))
        except OSError:
            continue
    return ticks / os.sysconf("SC_CLK_TCK")


def from_pool(isolation: TracerPool, repeats: int, shapes: tuple[Shape, ...]) -> float:
    """Milliseconds, a median of medians; each program finds a process that is ready."""
    medians = []
    for text in map(reference_text, reference_names()):
        seconds = []
        for _ in range(repeats):
            isolation.test()
            time.sleep(REST_SECONDS)
            start = time.perf_counter()
            judge(text, isolation, shapes)
            seconds.append(time.perf_counter() - start)
        medians.append(statistics.median(seconds))
    return 1000 * statistics.median(medians)


def timed(isolation: TracerPool, repeats: int) -> dict[str, float]:
    """From the pool, and the processor time of it."""
    before = cpu_seconds()
    pool = from_pool(isolation, repeats, SHAPES)
    isolation.test()
    used = cpu_seconds() - before
    cpu = 1000 * used / (repeats * len(reference_names()))
    return {"pool_ms": pool, "gates_ms": from_pool(isolation, repeats, GATE_SHAPES), "cpu_ms": cpu}


def cold(text: str, backend: Backend) -> float:
    """Seconds from nothing to a verified graph."""
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        with closing(open_isolation(backend, pool_size=1)) as isolation:
            judge(text, isolation)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def inventory() -> dict[str, int]:
    """What a program could leave behind, counted."""
    mounts = Path("/proc/self/mounts").read_text().count("\n")
    folders = [Path("/tmp"), Path("/var/tmp"), Path("/dev/shm"), Path.cwd()]
    return {
        "processes": sum(1 for _ in descendants(os.getpid())),
        "containers": _containers(),
        "mounts": mounts,
        "control groups": sum(1 for base in set(cgroups._bases().values()) for _ in base.glob(f"{cgroups.PREFIX}*")),
        "files": sum(1 for folder in folders for _ in folder.iterdir()),
        "descriptors": len(list(Path("/proc/self/fd").iterdir())),
    }


def _containers() -> int:
    from sandbox.isolation.daemon import OWNER, Daemon

    try:
        with closing(Daemon()) as daemon:
            return len(daemon.call(lambda api: api.containers(all=True, filters={"label": OWNER})))
    except OurFault:
        return 0


def memory_mb() -> float:
    """What this process has in memory now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


def row(text: str, backend: Backend, count: int) -> dict[str, Any]:
    """`count` programs one after the other: what is there more afterwards, and how memory grew in the second half."""
    before = inventory()
    with closing(open_isolation(backend)) as isolation:
        for _ in range(count // 2):
            judge(text, isolation)
        half = memory_mb()
        for _ in range(count - count // 2):
            judge(text, isolation)
        growth = memory_mb() - half
    after = inventory()
    return {"programs": count, "left": {name: after[name] - before[name] for name in before}, "growth_mb": growth}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--repeats", type=int, default=5, help="of each reference, from the pool")
    arguments.add_argument("--row", type=int, default=1000, help="one after the other, to see what is left; 0 for none")
    arguments.add_argument("--backends", default=",".join(name for name in get_args(Backend) if name != "auto"))
    arguments.add_argument("--json", action="store_true")
    given = arguments.parse_args()
    text, report = reference_text("a2c"), {}
    for backend in given.backends.split(","):
        try:
            found: dict[str, Any] = {"cold_s": cold(text, backend)}
            with closing(open_isolation(backend, pool_size=1)) as isolation:
                found |= timed(isolation, given.repeats)
            if given.row:
                found |= {"row": row(text, backend, given.row)}
        except OurFault as error:
            found = {"not here": error.message}
        report[backend] = found
        if not given.json:
            print(backend, json.dumps(found))
    if given.json:
        print(json.dumps(report))


if __name__ == "__main__":
    main()
