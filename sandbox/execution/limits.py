"""What the operating system enforces around one job, set by the job's own process before any of the job's code runs.

What this does not stop: a job can read and write the user's files. Jobs are trusted (graphs verified as data, tasks the user named);
the limits are for accidents. Linux enforces all of it; elsewhere the calls marked Linux do nothing and the parent's clock still holds.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import sys
from pathlib import Path

from sandbox.records import Limits

OUT_OF_MEMORY = ("out of memory", "not enough memory", "can't allocate memory", "cannot allocate memory", "bad alloc", "bad_alloc")
"""How torch's allocators and C++ say it, in lower case."""

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def die_with(parent: int) -> None:
    """The kernel kills this process when `parent` dies (Linux). Ends at once where that has already happened."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def adopt_orphans() -> None:
    """Descendants whose own parent died become children of this process (Linux), so that it can find and end them."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def apply(limits: Limits, *, address_space: bool) -> None:
    """Bounds memory and files of this process and its descendants, and offers it first to the kernel's memory killer.

    The address space counts from what is mapped already, since torch's libraries are several gigabytes in some builds and none in
    others. `address_space=False` is for CUDA, which reserves more addresses than any machine has memory. A file that outgrows
    `output_bytes` (the job's own log is one) ends the process by SIGXFSZ.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if address_space:
        bound = _mapped_bytes() + limits.memory_bytes
        resource.setrlimit(resource.RLIMIT_AS, (bound, bound))
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # Python ignores it otherwise, and the flood would only raise OSError
    resource.setrlimit(resource.RLIMIT_FSIZE, (limits.output_bytes, limits.output_bytes))
    with contextlib.suppress(OSError):  # Linux
        Path("/proc/self/oom_score_adj").write_text("1000")


def _mapped_bytes() -> int:
    try:
        return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except OSError:
        return 0


def says_out_of_memory(text: str) -> bool:
    """Whether an error's text is one of an allocation that failed."""
    return any(sign in text.lower() for sign in OUT_OF_MEMORY)


def oom_kills() -> int:
    """How many processes the kernel has killed for want of memory since it started; 0 where it does not say (Linux)."""
    try:
        lines = Path("/proc/vmstat").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)


def children() -> set[int]:
    """Process ids of this process's children, adopted ones included (Linux with /proc)."""
    try:
        return {int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()}
    except OSError:
        return set()
