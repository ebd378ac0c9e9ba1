"""Which sandbox to use, and what `lossmith doctor` says about them."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from typing import Literal, NamedTuple

from sandbox.errors import OurFault, PrerequisiteMissing
from sandbox.isolation import cgroups
from sandbox.isolation.bubblewrap import open_bubblewrap
from sandbox.isolation.pool import TracerPool
from sandbox.isolation.unsafe import open_unsafe

Backend = Literal["auto", "docker", "bubblewrap", "unsafe"]


class ProbeRow(NamedTuple):
    """One line for `doctor`. `remedy` is empty where all is well."""

    name: str
    ok: bool
    detail: str
    remedy: str


def open_isolation(backend: Backend, pool_size: int = 2) -> TracerPool:
    """An `Isolation`, `pool_size` processes ahead of demand. Nothing without walls is ever chosen by itself.

    `auto` is docker where its daemon and a current image are there, else bubblewrap where it works; docker alone where the variable
    LOSSMITH_DOCKER_RUNTIME asks for a stronger one of its runtimes. A process is started and looks around before this returns.
    Raises PrerequisiteMissing where there is no sandbox that works.
    """
    if backend == "unsafe":
        return open_unsafe(pool_size)
    if backend == "auto" and os.environ.get("LOSSMITH_DOCKER_RUNTIME"):
        backend = "docker"  # bubblewrap would be weaker than what was asked for
    if backend != "auto":
        return _OPENED[backend](pool_size)
    refusals = []
    for open_backend in _OPENED.values():
        try:
            return open_backend(pool_size)
        except PrerequisiteMissing as error:
            refusals.append(error)
    raise PrerequisiteMissing(" ".join(refusal.message for refusal in refusals), _REMEDY)


def _open_docker(pool_size: int) -> TracerPool:
    from sandbox.isolation.docker import open_docker  # the SDK is loaded only where it may be used

    return _tested(lambda: open_docker(pool_size), "docker", "`lossmith doctor` says more; bubblewrap is the other sandbox.")


def _open_bubblewrap(pool_size: int) -> TracerPool:
    return _tested(lambda: open_bubblewrap(pool_size), "bubblewrap", _REMEDY)


_OPENED: dict[str, Callable[[int], TracerPool]] = {"docker": _open_docker, "bubblewrap": _open_bubblewrap}
_REMEDY = (
    "Either install docker (`apt-get install docker.io`) and run `lossmith sandbox build`; or install bubblewrap "
    "(`apt-get install bubblewrap`), which needs Linux and either root or user namespaces. "
    "--unsafe runs programs without a sandbox, with everything you can read open to them."
)


def _tested(open_pool: Callable[[], TracerPool], name: str, remedy: str) -> TracerPool:
    """The pool, after its first process has looked around."""
    pool = open_pool()
    try:
        pool.test()
    except OurFault as error:
        pool.close()
        if isinstance(error, PrerequisiteMissing):
            raise
        raise PrerequisiteMissing(f"{name} does not work here. {error.message}", remedy) from error
    except BaseException:
        pool.close()
        raise
    return pool


def probe() -> list[ProbeRow]:
    """What works here, found out by starting it and attacking it."""
    return [_probe("docker"), _probe("bubblewrap"), ProbeRow("unsafe", True, "a plain child process, only with --unsafe", "")]


def _probe(name: str) -> ProbeRow:
    from sandbox.isolation import probes

    try:
        with closing(_OPENED[name](1)) as pool:
            breached = probes.breaches(pool)
    except OurFault as error:
        return ProbeRow(name, False, error.message, error.remedy)
    if breached:
        return ProbeRow(name, False, f"does not stop: {', '.join(breached)}", "Do not use it on this machine; report this.")
    return ProbeRow(name, True, f"stops all {probes.COUNT} probes; memory {_memory_limit(name)}", "")


def _memory_limit(name: str) -> str:
    """What bounds memory there, and so what is weaker."""
    if name == "docker":
        return "is bounded by the daemon's control groups"
    kind = cgroups.kind()
    if kind:
        return f"is bounded by {kind}"
    return "is bounded for each process alone, since this user may make no control groups: weaker, but a program has only one process"
