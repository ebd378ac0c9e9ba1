"""The process that runs untrusted text: everything imported, it waits for one job, does it, ends.

What protects the host is around it (`bubblewrap`, `docker`); what it does itself is a second wall: limits that cannot be raised again, a
filter on system calls, and a reply channel of its own, so that nothing the program prints reaches anybody. It does not protect this
process from the program: everything in here belongs to the program once it runs, the reply included.

`python -m sandbox.isolation.tracer` is one such process on its standard input and output; `sandbox.isolation.nursery` forks them.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import json
import mmap
import os
import resource
import select
import signal
import sys
from collections.abc import Sequence

from sandbox.isolation import seccomp
from sandbox.isolation.namespaces import capabilities
from sandbox.isolation.protocol import EXIT_MEMORY, EXIT_NO_FILTER, LENGTH_BYTES, frame

TINY = ""
LARGE = ("categorical_retrace", "discorl_like", "vmpo", "a2c")
"""Programs of ours to rehearse with; between them they use most operations at most shapes. The tiny one is no reference."""

REQUEST_BYTES = 1 << 20
PR_SET_PDEATHSIG = 1
FILES = 64


def main() -> None:
    """One job, for a process of its own."""
    wire = os.dup(1)
    _replace_with_null(1)
    warm_up()
    live(0, wire, LARGE)


def live(source: int, wire: int, rehearsals: Sequence[str] = ()) -> None:
    """One job, read from the descriptor `source` and answered on `wire`. Never returns.

    Until it is asked it traces `rehearsals`, programs of ours, so that the job finds done what is done once.
    `--filter` among the process's arguments demands the filter of system calls; without it, it is loaded where there is one.
    """
    _replace_with_null(1)
    _die_with_parent()
    _send(wire, json.dumps(_greeting()).encode())
    _rehearse(rehearsals, source)
    order, request = json.loads(_receive(source)), _receive(source)
    for descriptor in {0, 2, source} - {wire}:
        _replace_with_null(descriptor)
    _limit(order["memory_bytes"], order["seconds"])
    if not seccomp.load() and "--filter" in sys.argv[1:]:
        os._exit(EXIT_NO_FILTER)
    try:
        _send(wire, _work(request))
    except MemoryError:
        os._exit(EXIT_MEMORY)
    os._exit(0)  # no exit handler that the program may have left behind


def warm_up(more: Sequence[str] = ()) -> None:
    """Imports torch and traces one tiny program, so that a job finds everything loaded, then `more` of ours."""
    import torch

    torch.set_num_threads(1)
    from sandbox.isolation.warm_up import rehearse

    for name in (TINY, *more):
        rehearse(name)


def _rehearse(names: Sequence[str], source: int) -> None:
    from sandbox.isolation.warm_up import rehearse

    for name in names:
        if select.select([source], [], [], 0)[0]:
            return
        rehearse(name)


def _greeting() -> dict[str, object]:
    """What this process finds when it looks around; the parent judges it."""
    return {
        "uid": os.getuid(),
        "capabilities": capabilities() if sys.platform == "linux" else 0,
        "first": os.getpid() == 1,
        "network": _interfaces(),
        "filter": seccomp.supported(),
    }


def _work(request: bytes) -> bytes:
    from sandbox.language.trace import trace_reply
    from sandbox.records import Program, Shape

    data = json.loads(request)
    program = Program.model_validate(data["program"])
    shapes = tuple(Shape(*sizes) for sizes in data["shapes"])
    return trace_reply(program, shapes, data["seed"]).encode()


# -------------------------------------------------------------------------------------------------------- pipes
def _replace_with_null(descriptor: int) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, descriptor)
    os.close(null)


def _send(wire: int, data: bytes) -> None:
    left = memoryview(frame(data))
    while left:
        left = left[os.write(wire, left) :]


def _receive(source: int) -> bytes:
    length = int.from_bytes(_read_exactly(source, LENGTH_BYTES), "big")
    if length > REQUEST_BYTES:
        os._exit(1)
    return _read_exactly(source, length)


def _read_exactly(source: int, size: int) -> bytes:
    data = io.BytesIO()
    while data.tell() < size:
        chunk = os.read(source, size - data.tell())
        if not chunk:
            os._exit(0)  # the parent has gone or has no job
        data.write(chunk)
    return data.getvalue()


# ------------------------------------------------------------------------------------------------------- limits
def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _limit(memory_bytes: int, seconds: float) -> None:
    """Hard limits of this process; processor time is a second wall behind the parent's clock.

    Memory is counted from here on: what importing torch takes differs by gigabytes between its builds, and is not the program's doing.
    """
    memory_bytes += _address_space()
    cpu = int(seconds) + 5
    limits = {
        resource.RLIMIT_AS: memory_bytes,
        resource.RLIMIT_CPU: cpu,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: FILES,
        resource.RLIMIT_NPROC: 0,
    }
    for kind, value in limits.items():
        with contextlib.suppress(ValueError):  # a lower hard limit is already there
            resource.setrlimit(kind, (value, value))


def _address_space() -> int:
    """How much is mapped now, to 16 MiB: the least limit under which one page more can be had. There is no /proc to ask in here."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    low, high = 0, 1 << 47 if hard == resource.RLIM_INFINITY else hard
    while high - low > 1 << 24:
        middle = (low + high) // 2
        try:
            resource.setrlimit(resource.RLIMIT_AS, (middle, hard))
            mmap.mmap(-1, mmap.PAGESIZE).close()
        except (OSError, MemoryError):
            low = middle
        else:
            high = middle
        finally:
            resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    return high


def _interfaces() -> list[str]:
    import socket

    return [name for _, name in socket.if_nameindex()]


if __name__ == "__main__":
    main()
