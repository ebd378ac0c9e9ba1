"""A training in a container of its own: what runs inside, `python -m sandbox.execution.container`, and what it is created with.

The code is ours and the graph is verified, so this is a second wall around the first: a mistake in an allowed operation, in an emulator or
in a driver meets no network, no file of the host but a meta-network's, no capability, and limits. It does not stop a bug of the kernel or
of the GPU's driver, whose whole surface a container with a GPU sees.
"""

from __future__ import annotations

import os
import stat
import sys
import threading
from pathlib import Path
from typing import Any

from sandbox.errors import PrerequisiteMissing
from sandbox.execution import child, limits, wire
from sandbox.isolation.daemon import Daemon
from sandbox.isolation.docker import settings
from sandbox.records import LearnedRule, TrainJob

MODULE = "sandbox.execution.container"
TMP = "size=256m,mode=1777,noexec,nosuid,nodev"
PROCESSES = 256  # CUDA starts threads by the dozen
WEIGHTS = "/weights.npz"
READY = b"r"  # what goes out before the answer, once everything is imported


class _Pipe:
    """Standard input, read as a socket is."""

    def recv(self, size: int, /) -> bytes:
        return os.read(0, size)


def main() -> None:
    """One job from standard input, one answer on standard output; what is printed goes to standard error."""
    answer_to = os.dup(1)
    os.dup2(2, 1)
    child.preload()
    os.write(answer_to, READY)
    request = wire.Request.model_validate_json(wire.receive(_Pipe()))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    limits.apply(request.limits, address_space=not on_gpu(request.job))
    answer = child.attempt(lambda: child.run(request.job))
    sys.stdout.flush()
    left = memoryview(wire.pack(answer.model_dump_json().encode()))
    while left:
        left = left[os.write(answer_to, left) :]
    os._exit(0)


def _end_with_parent() -> None:
    """The daemon closes standard input when the one who was attached is gone, be it by a kill: then nobody waits for an answer."""
    while os.read(0, 1):
        pass
    os._exit(1)


def on_gpu(job: object) -> bool:
    """Whether a job trains on a GPU."""
    return isinstance(job, TrainJob) and job.agent.device.startswith("cuda")


def inside(job: TrainJob) -> TrainJob:
    """The same job as it is said inside: the one GPU it gets is the first there, and a meta-network lies where it is bound."""
    changes: dict[str, Any] = {}
    if on_gpu(job):
        changes["agent"] = job.agent.model_copy(update={"device": "cuda:0"})
    if isinstance(job.rule, LearnedRule):
        changes["rule"] = job.rule.model_copy(update={"path": WEIGHTS})
    return job.model_copy(update=changes)


def training_settings(daemon: Daemon, job: TrainJob) -> dict[str, Any]:
    """All that a training's container is created with: a tracer's walls, more room, and one GPU where it needs one."""
    from docker.types import DeviceRequest, Mount

    created = settings(daemon, None)
    host = created["host_config"]
    host["Tmpfs"] = {"/tmp": TMP}
    host["PidsLimit"] = PROCESSES
    if isinstance(job.rule, LearnedRule):
        host["Mounts"] = [Mount(target=WEIGHTS, source=str(readable(job.rule)), type="bind", read_only=True)]
    if on_gpu(job):
        host["DeviceRequests"] = [DeviceRequest(device_ids=[job.agent.device.partition(":")[2] or "0"], capabilities=[["gpu"]])]
    return {**created, "command": ["-m", MODULE]}


def readable(rule: LearnedRule) -> Path:
    """Its file. Raises PrerequisiteMissing where the user inside, who owns nothing, could not read it."""
    path = Path(rule.path).resolve()
    try:
        open_to_all = path.stat().st_mode & stat.S_IROTH
    except OSError as error:
        raise PrerequisiteMissing(
            f"Cannot read the meta-network {path}: {error.strerror}.", "`lossmith baseline list` shows those here."
        ) from error
    if not open_to_all:
        raise PrerequisiteMissing(f"Only its owner may read {path}, and a container runs as nobody.", f"Allow it: chmod a+r {path}")
    return path


if __name__ == "__main__":
    main()
