"""The parent's handle of a zygote: start it, ask it for processes, know when it is lost."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from typing import IO

from sandbox.errors import WorkerLost

ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "MKL", "OPENBLAS", "NUMEXPR")}
SECRET = "OPENAI_API_KEY"  # workers have no use for it
TAIL_BYTES = 2000
END_SECONDS = 10.0


class Server:
    """One zygote process, `command` in `environment`. Raises OSError where it cannot be started.

    It leads a session of its own, so that Ctrl-C reaches the parent alone, which then ends it in order.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        ours, theirs = socket.socketpair()
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  closed in `close`
        self._control = ours
        self._lock = threading.Lock()
        self._lost = False
        self._said = ""
        try:
            with theirs:
                self._process = subprocess.Popen(
                    list(command), stdin=theirs.fileno(), stdout=self._log, stderr=self._log, env=dict(environment), start_new_session=True
                )
        except OSError:
            ours.close()
            self._log.close()
            raise

    @property
    def alive(self) -> bool:
        """False once the zygote has ended or was given up."""
        return not self._lost and self._process.poll() is None

    def give_up(self) -> None:
        """It no longer answers: the closed socket of a dying process is seen before its end is."""
        self._lost = True

    def fork(self, data: socket.socket, status: socket.socket, log: int) -> None:
        """Asks for a process with these descriptors. Raises WorkerLost where the zygote is gone."""
        try:
            with self._lock:
                socket.send_fds(self._control, [b"j"], [data.fileno(), status.fileno(), log])
        except OSError as error:
            self.give_up()
            raise WorkerLost("The server of worker processes is gone.", self.last_words()) from error

    def last_words(self) -> str:
        """The end of what the zygote printed, where it printed anything."""
        return self._said if self._log.closed else tail(self._log.fileno())

    def close(self) -> None:
        """Ends the zygote and every job. Returns when they are gone. Any number of times."""
        if self._log.closed:
            return
        if not self._ready():  # still importing, or ended: it has no jobs
            self._process.kill()
        self._control.close()  # which the zygote takes for the parent's end
        try:
            self._process.wait(timeout=END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()  # its children follow it
            self._process.wait()
        self._said = tail(self._log.fileno())
        self._log.close()

    def _ready(self) -> bool:
        self._control.setblocking(False)
        try:
            return bool(self._control.recv(1))
        except OSError:
            return False


def executor_zygote(warm: Sequence[str] = (), num_envs: int = 1) -> Server:
    """The one that runs an executor's jobs, with `num_envs` emulators of the Atari games among the tasks `warm`."""
    command = [sys.executable, "-m", "sandbox.execution.zygote", str(num_envs), *warm]
    environment = {name: value for name, value in os.environ.items() if name != SECRET}
    return Server(command, {**environment, **ONE_THREAD})


def tail(descriptor: int) -> str:
    """The last bytes of a log, as text."""
    size = os.fstat(descriptor).st_size
    return os.pread(descriptor, TAIL_BYTES, max(0, size - TAIL_BYTES)).decode(errors="replace").strip()


def kill_group(pid: int) -> None:
    """Ends a job's whole process group from here: only for jobs whose zygote no longer can."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
