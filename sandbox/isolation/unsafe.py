"""A plain child process: what runs in it can read every file you can read and talk to the network. Only by explicit flag.

What is left of the walls: a process of its own that is killed by the parent's clock, an environment without keys, limits on memory,
processor time and files, and on Linux the filter of system calls. Meant for machines without bubblewrap, with programs you have read
yourself.
"""

from __future__ import annotations

from sandbox.isolation.forked import Launch, Nursery
from sandbox.isolation.interpreter import FLAGS, NURSERY, SOURCE_ROOT, environment, executable
from sandbox.isolation.pool import TracerPool

NAME = "unsafe"


def open_unsafe(pool_size: int) -> TracerPool:
    """The pool; nothing is checked, since nothing is promised."""
    launch = Launch((str(executable()), *FLAGS, "-m", NURSERY), environment(SOURCE_ROOT))
    return TracerPool(NAME, Nursery(launch), pool_size)
