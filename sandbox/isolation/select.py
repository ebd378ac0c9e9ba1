"""Which sandbox to use, and what `lossmith doctor` says about them."""

from __future__ import annotations

from typing import Literal, NamedTuple

from sandbox.errors import OurFault, PrerequisiteMissing
from sandbox.isolation.bubblewrap import open_bubblewrap
from sandbox.isolation.pool import TracerPool
from sandbox.isolation.unsafe import open_unsafe

Backend = Literal["auto", "bubblewrap", "unsafe"]


class ProbeRow(NamedTuple):
    """One line for `doctor`. `remedy` is empty where all is well."""

    name: str
    ok: bool
    detail: str
    remedy: str


def open_isolation(backend: Backend, pool_size: int = 2) -> TracerPool:
    """An `Isolation`, `pool_size` processes ahead of demand. `auto` is bubblewrap: nothing without walls is ever chosen by itself.

    A process is started and looks around before this returns. Raises PrerequisiteMissing where there is no sandbox that works.
    """
    if backend == "unsafe":
        return open_unsafe(pool_size)
    pool = open_bubblewrap(pool_size)
    try:
        pool.test()
    except OurFault as error:
        pool.close()
        if isinstance(error, PrerequisiteMissing):
            raise
        raise PrerequisiteMissing(f"bubblewrap does not work here. {error.message}", _REMEDY) from error
    except BaseException:
        pool.close()
        raise
    return pool


_REMEDY = (
    "It needs Linux and either root or user namespaces (`apt-get install bubblewrap`); "
    "--unsafe runs programs without a sandbox, with everything you can read open to them."
)


def probe() -> list[ProbeRow]:
    """What works here, found out by starting it."""
    try:
        open_isolation("bubblewrap", pool_size=1).close()
    except OurFault as error:
        row = ProbeRow("bubblewrap", False, error.message, error.remedy)
    else:
        row = ProbeRow("bubblewrap", True, "runs the tracer without network, files or privileges of yours", "")
    return [row, ProbeRow("unsafe", True, "a plain child process, only with --unsafe", "")]
