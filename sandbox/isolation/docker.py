"""docker: every tracer in a container of its own, used once, started ahead of its job.

What it does not stop: bugs of the kernel, which host and containers share (a runtime such as gVisor's `runsc` puts another kernel in
between), and bugs of the daemon, which is root. It gives a program up to its limits of memory and one processor.

A container has no network, a read-only root, one small folder in memory in which nothing can be executed, no capability, no way to new
privileges, a user that owns nothing, limits on memory without swap, processes and files, docker's filter of system calls and ours, and
no log.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import time
from typing import Any

from sandbox.errors import PrerequisiteMissing, WorkerLost
from sandbox.isolation import owner
from sandbox.isolation.contents import digest
from sandbox.isolation.daemon import IMAGE, OWNER, Daemon
from sandbox.isolation.interpreter import TRACER
from sandbox.isolation.interpreter import settings as environment_settings
from sandbox.isolation.pool import TracerPool
from sandbox.isolation.process import End
from sandbox.records import Limits

NAME = "docker"
USER = 65533
TMP = "size=16m,mode=1777,noexec,nosuid,nodev"
BASE_BYTES = 1 << 30  # what Python and torch take before a program is there
USUAL_BYTES = BASE_BYTES + Limits().memory_bytes
PROCESSES = 16
CHUNK = 1 << 16
POLL_SECONDS = 0.01
_HEADER = struct.Struct(">BxxxL")  # of each part of a container's output: which stream, how many bytes
_STDOUT = 1
RUNTIME = "LOSSMITH_DOCKER_RUNTIME"
"""The variable that names another runtime than the daemon's own for every container, such as `runsc`."""

BUILD = "Build it with `lossmith sandbox build`."


def open_docker(pool_size: int, runtime: str | None = None) -> TracerPool:
    """The pool, once what a crashed run left is swept away. `runtime` is as in `settings`.

    Raises PrerequisiteMissing without a daemon or without a current image.
    """
    daemon = Daemon()
    try:
        check_image(daemon)
        daemon.sweep()
    except BaseException:
        daemon.close()
        raise
    return TracerPool(NAME, Containers(daemon, runtime), pool_size, check_hello)


def check_image(daemon: Daemon) -> None:
    """Raises PrerequisiteMissing unless there is an image of exactly what is here."""
    content = daemon.content()
    if content is None:
        raise PrerequisiteMissing(f"There is no image {IMAGE}.", BUILD)
    if content != digest():
        raise PrerequisiteMissing(f"The image {IMAGE} is stale: it holds other libraries, or another Lossmith, than this one.", BUILD)


def check_hello(hello: dict[str, object]) -> None:
    """What the tracer found when it looked around. Raises PrerequisiteMissing if the walls are not where they should be."""
    seen = {"runs as root": hello.get("uid") != USER, "sees a network": hello.get("network") not in (["lo"], [])}
    seen["has privileges left"] = hello.get("capabilities") != 0
    seen["shares its processes"] = hello.get("first") is not True
    broken = [what for what, found in seen.items() if found]
    if broken:
        raise PrerequisiteMissing(f"docker runs, but the process inside {', '.join(broken)}.", "Use another daemon, or bubblewrap.")


class Containers:
    """A `Source` of tracers in containers."""

    def __init__(self, daemon: Daemon, runtime: str | None) -> None:
        self._daemon = daemon
        self._runtime = runtime

    def start(self) -> ContainerTracer:
        """Creates and starts one. Raises WorkerLost where the daemon fails."""
        return ContainerTracer(self._daemon, settings(self._daemon, self._runtime))

    def close(self) -> None:
        """Ends the connection: every tracer removes its own container."""
        self._daemon.close()


def settings(daemon: Daemon, runtime: str | None) -> dict[str, Any]:
    """All that a tracer's container is created with. `runtime` is that of the variable RUNTIME, else the daemon's own, if not named."""
    from docker.types import LogConfig, Ulimit

    host = daemon.call(
        lambda api: api.create_host_config(
            network_mode="none",
            read_only=True,
            tmpfs={"/tmp": TMP},
            cap_drop=["ALL"],
            security_opt=["no-new-privileges:true"],
            mem_limit=USUAL_BYTES,
            memswap_limit=USUAL_BYTES,
            pids_limit=PROCESSES,
            nano_cpus=1_000_000_000,
            ulimits=[Ulimit(name="core", soft=0, hard=0), Ulimit(name="nofile", soft=256, hard=256)],
            log_config=LogConfig(type="none"),
            ipc_mode="none",
            runtime=runtime or os.environ.get(RUNTIME) or None,
        )
    )
    return {
        "image": IMAGE,
        "command": ["-m", TRACER],
        "user": f"{USER}:{USER}",
        "environment": environment_settings(),
        "working_dir": "/tmp",
        "hostname": "sandbox",
        "network_disabled": True,
        "stdin_open": True,
        "labels": {OWNER: owner.mark()},
        "host_config": host,
    }


class ContainerTracer:
    """A `Channel` to a tracer in a container."""

    def __init__(self, daemon: Daemon, created_with: dict[str, Any]) -> None:
        self._daemon = daemon
        self._input = bytearray()
        self._stderr = bytearray()
        self._interrupted = False
        self._closed = False
        self._id: str = daemon.call(lambda api: api.create_container(**created_with))["Id"]
        try:
            streams = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
            self._stream = daemon.call(lambda api: api.attach_socket(self._id, params=streams))
        except BaseException:
            daemon.remove(self._id)
            raise
        self._socket: socket.socket = getattr(self._stream, "_sock", self._stream)
        self._socket.setblocking(False)
        try:
            daemon.call(lambda api: api.start(self._id))
        except BaseException:
            self.close()
            raise

    def fileno(self) -> int:
        """The attached socket's."""
        return self._socket.fileno()

    def bound(self, limits: Limits) -> None:
        """Memory, and no swap beyond it."""
        memory = BASE_BYTES + limits.memory_bytes
        if memory == USUAL_BYTES:  # what it was created with; asking the daemon takes 10 ms
            return
        self._daemon.call(lambda api: api.update_container(self._id, mem_limit=memory, memswap_limit=memory))

    def send(self, data: bytes) -> int:
        """Sends what fits."""
        try:
            return self._socket.send(data)
        except BlockingIOError:
            return 0
        except OSError:  # it has ended: its state says how
            return len(data)

    def receive(self) -> bytes | None:
        """What has come on its standard output."""
        try:
            chunk = self._socket.recv(CHUNK)
        except BlockingIOError:
            return None
        except OSError:
            return b""
        self._input += chunk
        return self._split() or (None if chunk else b"")

    def wait(self, seconds: float) -> End | None:
        """How it ended; exit codes above 128 are signals, since the filter lets no program end with one of them."""
        deadline = time.monotonic() + seconds
        while True:
            state = self._daemon.call(lambda api: api.inspect_container(self._id))["State"]
            if not state["Running"] and state["Status"] != "created":
                code = int(state["ExitCode"])
                return End(128 - code if code > 128 else code, out_of_memory=bool(state["OOMKilled"]))
            if time.monotonic() >= deadline:
                return None
            time.sleep(POLL_SECONDS)

    def interrupt(self) -> None:
        """Ends the stream first: a container that floods it cannot be killed before."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(WorkerLost):
            self._daemon.call(lambda api: api.kill(self._id))

    def close(self) -> None:
        """Removes it. Where the daemon is gone, the next start sweeps it away."""
        if self._closed:
            return
        self._closed = True
        with contextlib.suppress(OSError):
            self._socket.close()
        with contextlib.suppress(OSError):
            self._stream.close()
        with contextlib.suppress(WorkerLost):
            self._daemon.remove(self._id)

    def complaint(self) -> str:
        """Its last line on standard error."""
        lines = self._stderr.decode(errors="replace").strip().splitlines()
        return lines[-1][:300] if lines else ""

    def _split(self) -> bytes:
        """Takes the whole parts that have come apart; of standard error the end is kept."""
        output = bytearray()
        while len(self._input) >= _HEADER.size:
            stream, size = _HEADER.unpack_from(self._input)
            if len(self._input) < _HEADER.size + size:
                break
            part = self._input[_HEADER.size : _HEADER.size + size]
            del self._input[: _HEADER.size + size]
            if stream == _STDOUT:
                output += part
            else:
                self._stderr = (self._stderr + part)[-CHUNK:]
        return bytes(output)
