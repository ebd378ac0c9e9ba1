"""The executor whose trainings run in containers; everything else runs as on this machine, in processes forked from its zygote.

What is left to processes: the gates, descriptions of tasks, and trainings on a task whose code is the user's own and not in the image.
A container starts in seconds, not milliseconds, so this is for trainings that take minutes, and the default only where they use a GPU.
"""

from __future__ import annotations

import selectors
import time
from collections.abc import Sequence
from typing import Literal

from sandbox.errors import PrerequisiteMissing, RunFault, Verdict, WorkerLost
from sandbox.execution import limits as machine
from sandbox.execution import wire
from sandbox.execution.attempt import judge_answer, too_long, too_much_output
from sandbox.execution.base import Executor, JobResult
from sandbox.execution.container import inside, training_settings
from sandbox.execution.local import LocalExecutor, Running
from sandbox.isolation.contents import has_cuda
from sandbox.isolation.daemon import Daemon
from sandbox.isolation.docker import ContainerTracer, check_image
from sandbox.isolation.process import End
from sandbox.records import TrainJob

Place = Literal["auto", "process", "container"]
IN_THE_IMAGE = ("probe:", "atari")
END_SECONDS = 10.0
START_SECONDS = 120.0  # importing torch; the job's own clock starts after it


def open_executor(workers: int, warm: Sequence[str] = (), num_envs: int = 16, place: Place = "process") -> Executor:
    """Where trainings run. `auto` is in containers where the daemon has a current image and torch was built for a GPU, else in processes.

    Raises PrerequisiteMissing where containers were asked for by name and cannot be had.
    """
    if place == "process" or (place == "auto" and not has_cuda()):
        return LocalExecutor(workers, warm, num_envs)
    try:
        return ContainerExecutor(workers, warm, num_envs)
    except PrerequisiteMissing:
        if place == "container":
            raise
        return LocalExecutor(workers, warm, num_envs)


class ContainerExecutor(LocalExecutor):
    """See the module. Raises PrerequisiteMissing without a daemon or a current image."""

    def __init__(self, workers: int, warm: Sequence[str] = (), num_envs: int = 16) -> None:
        self._daemon = Daemon()
        try:
            check_image(self._daemon)
            self._daemon.sweep()
        except BaseException:
            self._daemon.close()
            raise
        super().__init__(workers, warm, num_envs)

    def close(self) -> None:
        """See `LocalExecutor.close`; containers are removed before it returns."""
        super().close()
        self._daemon.close()

    def _begin(self, request: wire.Request) -> Running:
        job = request.job
        if isinstance(job, TrainJob) and job.task.startswith(IN_THE_IMAGE):
            return ContainerAttempt(self._daemon, job, request)
        return super()._begin(request)


class ContainerAttempt:
    """Runs one training once, in a container of its own. `run` may be called once; `kill` from any thread, at any time."""

    def __init__(self, daemon: Daemon, job: TrainJob, request: wire.Request) -> None:
        self._request = request.model_copy(update={"job": inside(job)})
        self._killed = False
        try:
            self._channel = ContainerTracer(daemon, training_settings(daemon, job))
        except WorkerLost as error:
            if "could not select device driver" in error.message:
                remedy = "Install NVIDIA's container toolkit, or set training = 'process' in the spec's [sandbox]."
                raise PrerequisiteMissing("Docker here has no way to give a container a GPU.", remedy) from error
            raise

    def kill(self) -> None:
        """Ends the job; `run` then raises WorkerLost."""
        self._killed = True
        self._channel.interrupt()

    def run(self) -> JobResult:
        """The job's result, or raises what became of it: RunFault, an error of the job's own, or WorkerLost."""
        try:
            self._channel.bound(self._request.limits)
            answer = self._exchange()
            return self._judge(answer, self._channel.wait(END_SECONDS))
        finally:
            self._channel.close()

    def _exchange(self) -> bytes:
        """What came until the end. Raises RunFault for a limit that was broken."""
        bounds, answer = self._request.limits, bytearray()
        unsent = wire.pack(self._request.model_dump_json().encode())
        deadline = time.monotonic() + START_SECONDS + bounds.seconds
        while True:
            events = self._wait(deadline, writing=bool(unsent))
            if events & selectors.EVENT_WRITE:
                unsent = unsent[self._channel.send(unsent) :]
            if events & selectors.EVENT_READ:
                chunk = self._channel.receive()
                if chunk == b"":
                    return bytes(answer)
                answer += chunk or b""
            if len(answer) > bounds.output_bytes:
                raise too_much_output(bounds.output_bytes)
            if time.monotonic() > deadline:
                raise too_long(bounds.seconds)

    def _wait(self, deadline: float, *, writing: bool) -> int:
        with selectors.DefaultSelector() as selector:
            selector.register(self._channel, selectors.EVENT_READ | (selectors.EVENT_WRITE if writing else 0))
            ready = [events for _, events in selector.select(max(0.0, min(1.0, deadline - time.monotonic())))]
        return ready[0] if ready else 0

    def _judge(self, answer: bytes, end: End | None) -> JobResult:
        if self._killed or end is None or (end.code in (-9, -15) and not end.out_of_memory):
            raise WorkerLost("A training's container was killed by somebody else.", "Run the command again: what is done is not lost.")
        said = self._channel.complaint()
        if end.out_of_memory or (not answer and machine.says_out_of_memory(said)):
            raise RunFault(Verdict.MEMORY_LIMIT, "The job ran out of its memory.", "Use smaller tensors.")
        if len(answer) >= wire.HEADER.size:
            return judge_answer(answer)
        raise RunFault(Verdict.CRASHED, f"The job's container ended with exit code {end.code} and no answer.", said)
