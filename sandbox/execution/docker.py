"""The executor whose trainings run in containers; everything else runs as on this machine, in processes forked from its zygote.

What is left to processes: the gates, descriptions of tasks, and trainings on a task whose code is the user's own and not in the image.
A container starts in seconds, not milliseconds, so this is for trainings that take minutes, and the default only where they use a GPU.
"""

from __future__ import annotations

import selectors
import time
from collections.abc import Sequence
from contextlib import closing

from sandbox.errors import PrerequisiteMissing, RunFault, Verdict, WorkerLost
from sandbox.execution import limits as machine
from sandbox.execution import wire
from sandbox.execution.attempt import judge_answer, too_long, too_much_output
from sandbox.execution.base import JobResult
from sandbox.execution.container import READY, inside, training_settings
from sandbox.execution.local import LocalExecutor, Running
from sandbox.isolation.daemon import Daemon
from sandbox.isolation.docker import CHUNK, ContainerTracer, check_image
from sandbox.isolation.process import End
from sandbox.records import AgentSettings, TrainJob

IN_THE_IMAGE = ("probe:", "atari")
END_SECONDS = 10.0
START_SECONDS = 120.0  # importing torch; the job's own clock starts after it
_ON_A_GPU = TrainJob(rule="random", task="probe:catch", steps=1, seed=0, agent=AgentSettings(device="cuda:0"))


def check_containers(*, gpu: bool) -> None:
    """Raises PrerequisiteMissing without a daemon, a current image or, where it is asked for, a GPU that a container is given."""
    with closing(Daemon()) as daemon:
        check_image(daemon)
        if gpu:
            _start(daemon, _ON_A_GPU).close()


def _start(daemon: Daemon, job: TrainJob) -> ContainerTracer:
    """A job's container. Raises PrerequisiteMissing where it needs a GPU that it cannot be given, WorkerLost where the daemon fails."""
    try:
        return ContainerTracer(daemon, training_settings(daemon, job))
    except WorkerLost as error:
        if "could not select device driver" in error.message or "nvidia" in error.message:
            remedy = "Install NVIDIA's container toolkit, or ask for processes: --training process, `sandbox.training` in a spec."
            raise PrerequisiteMissing("Docker here has no way to give a container a GPU.", remedy) from error
        raise


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
        self._answer = bytearray()
        self._channel = _start(daemon, job)

    def kill(self) -> None:
        """Ends the job; `run` then raises WorkerLost."""
        self._killed = True
        self._channel.interrupt()

    def run(self) -> JobResult:
        """The job's result, or raises what became of it: RunFault, an error of the job's own, or WorkerLost."""
        try:
            self._await_start()
            self._channel.bound(self._request.limits)  # not before: what has ended cannot be given limits, and says why it has
            self._exchange()
            return self._judge(bytes(self._answer), self._channel.wait(END_SECONDS))
        finally:
            self._channel.close()

    def _await_start(self) -> None:
        """Until everything is imported. Raises WorkerLost where it ends before, or takes too long: no job has had a part in that."""
        deadline, open_ = time.monotonic() + START_SECONDS, True
        while not self._answer:
            if not open_ or time.monotonic() > deadline:
                said = "" if self._killed else self._channel.complaint()
                raise WorkerLost("A training's container did not start.", said or "`lossmith doctor` says what is missing.")
            if self._wait(deadline, writing=False):
                open_ = self._read()
        del self._answer[: len(READY)]

    def _exchange(self) -> None:
        """Sends the job and reads until the end. Raises RunFault for a limit that was broken."""
        bounds = self._request.limits
        unsent = wire.pack(self._request.model_dump_json().encode())
        deadline = time.monotonic() + bounds.seconds
        open_ = True
        while open_:
            events = self._wait(deadline, writing=bool(unsent))
            if events & selectors.EVENT_WRITE:
                unsent = unsent[self._channel.send(unsent) :]
            if events & selectors.EVENT_READ:
                open_ = self._read()
            if len(self._answer) > bounds.output_bytes:
                raise too_much_output(bounds.output_bytes)
            if open_ and time.monotonic() > deadline:
                if not self._has_ended_meanwhile():
                    raise too_long(bounds.seconds)
                open_ = False

    def _has_ended_meanwhile(self) -> bool:
        """Whether all of the answer is here already: where this process itself was asleep, the time was not the job's."""
        for _ in range(self._request.limits.output_bytes // CHUNK + 2):  # however fast it writes on
            chunk = self._channel.receive()
            if not chunk:
                return chunk == b""
            self._answer += chunk
        return False

    def _read(self) -> bool:
        """Takes what has come; False at the end."""
        chunk = self._channel.receive()
        self._answer += chunk or b""
        return chunk != b""

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
