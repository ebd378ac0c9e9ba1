"""The sandbox's fork server: imports torch and traces programs of ours once, then forks a tracer for every job, in milliseconds.

It never sees a program: text goes from the parent to the forked tracer alone, over a socket that this process has closed, and nothing
comes back here but the tracer's exit status. A tracer is used once, so no program ever meets what another one has touched.

Started as `python -m sandbox.isolation.nursery`, its standard input being the control socket of `sandbox.execution.zygote`. `--alone`
shuts every tracer off in namespaces of its own (it needs CAP_SYS_ADMIN, which bubblewrap can give); `--filter` demands the filter of
system calls.
"""

from __future__ import annotations

import os
import socket
import sys

from sandbox.execution import limits
from sandbox.execution.zygote import claim_control, serve
from sandbox.isolation import tracer
from sandbox.isolation.namespaces import go_on_alone
from sandbox.isolation.warm_up import rehearse

ALONE = "--alone" in sys.argv[1:]


def live(data: socket.socket, log: int, zygote: int) -> None:
    """What a forked tracer does. Never returns."""
    os.setsid()
    limits.die_with(zygote)
    os.dup2(log, 2)
    wire = data.detach()
    os.closerange(3, wire)
    os.closerange(wire + 1, 4096)  # whatever the server had open is none of the program's business
    if ALONE:
        go_on_alone()
    rehearse(tracer.TINY)  # before control groups count what it takes
    tracer.live(wire, wire)


def main() -> None:
    """Warms up and serves."""
    control = claim_control()
    limits.adopt_orphans()
    tracer.warm_up(tracer.LARGE)
    serve(control, live)


if __name__ == "__main__":
    main()
