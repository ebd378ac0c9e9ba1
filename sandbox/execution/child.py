"""What a freshly forked process does: bound itself, read one job, run it, send one answer, end."""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sandbox.errors import LossmithError, PrerequisiteMissing, Verdict
from sandbox.execution import limits, wire
from sandbox.execution.base import JobResult
from sandbox.records import DescribeJob, GateJob, TaskDescription, TrainJob


def live(data: socket.socket, log: int, zygote: int) -> None:
    """Runs one job and never returns. The parent learns from the exit status what no answer can tell."""
    os.setsid()
    limits.die_with(zygote)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    _redirect(log)
    request = wire.Request.model_validate_json(wire.receive(data))
    limits.apply(request.limits, address_space=_device(request.job) == "cpu")
    answer = attempt(lambda: run(request.job))
    sys.stdout.flush()
    data.sendall(wire.pack(answer.model_dump_json().encode()))
    os._exit(0)  # no handlers at exit: the answer is out, and whatever libraries registered belongs to the zygote


def _redirect(log: int) -> None:
    with Path(os.devnull).open() as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)


def _device(job: TrainJob | GateJob | DescribeJob) -> str:
    return job.agent.device if isinstance(job, TrainJob) else "cpu"


def attempt(work: Callable[[], JobResult]) -> wire.Done | wire.Failed:
    """The result or the error of `work`, as data.

    An error that no part of ours declares counts as a crash of the job: the same code runs for every other program, so what is
    particular about this run is its program or its task. Callers who know that no program was involved turn it around.
    """
    try:
        return wire.Done(result=work())
    except LossmithError as error:
        return wire.failure(error)
    except ImportError as error:
        return wire.failure(PrerequisiteMissing(f"The job lacks a library: {error}.", "Install it; see `lossmith doctor`."))
    except MemoryError:
        return _out_of_memory()
    except Exception as error:  # noqa: BLE001  the border of the process: whatever it was must cross as data
        if limits.says_out_of_memory(str(error)):
            return _out_of_memory()
        traceback.print_exc()
        return wire.Failed(family="run", message=f"The job raised {type(error).__name__}: {_one_line(error)}.", remedy=_place(error))


def _out_of_memory() -> wire.Failed:
    return wire.Failed(family="run", verdict=Verdict.MEMORY_LIMIT, message="The job ran out of its memory.", remedy="Use smaller tensors.")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:400].rstrip(".")


def _place(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f"Raised in {frames[-1].name}, {Path(frames[-1].filename).name}:{frames[-1].lineno}." if frames else ""


def run(job: TrainJob | GateJob | DescribeJob) -> JobResult:
    """Runs a job in this process."""
    return RUNNERS[type(job)](job)


def _train(job: TrainJob) -> JobResult:
    from sandbox.training.trainer import train  # imports torch, as the next two may: only ever inside a worker

    return train(job)


def _gates(job: GateJob) -> JobResult:
    from sandbox.language.gates import run_gates

    return run_gates(job)


def _describe(job: DescribeJob) -> JobResult:
    from sandbox.tasks.registry import make_task

    task = make_task(job.task, job.task_settings)
    return TaskDescription(task=job.task, num_actions=task.num_actions, observation=task.observation)


RUNNERS: dict[type, Callable[[Any], JobResult]] = {TrainJob: _train, GateJob: _gates, DescribeJob: _describe}


NEEDED = (
    "sandbox.training.trainer",
    "sandbox.tasks.registry",
    *(f"sandbox.language.{name}" for name in ("gates", "tracing", "sense", "identity", "descriptor", "cost")),
    # What torch imports by itself at the first fake tensor: one CPU-second, in every job that verifies a graph.
    "torch._dynamo",
    "torch.fx.experimental.symbolic_shapes",
)


def preload() -> None:
    """Imports all that jobs need, so that forked processes start warm. One thread: a fork after a threaded operation deadlocks."""
    import torch

    torch.set_num_threads(1)
    for module in NEEDED:
        with contextlib.suppress(ImportError):  # the job that needs what is missing says so itself
            importlib.import_module(module)


def warm(tasks: Sequence[str], num_envs: int) -> None:
    """Loads `num_envs` emulators of every Atari game seen as memory; a forked job finds them in the process's cartridge.

    Measured: 1.2 CPU-seconds a game, and as much less in every job of 16 environments. Games seen as pixels step on a thread of their own,
    which no fork takes along: a job would wait for it for ever. Other tasks are cheap to make, or users' code, which only ever runs inside
    a job.
    """
    from sandbox.tasks.registry import make_task

    for task in tasks:
        if task.startswith("atari-ram:"):
            with contextlib.suppress(LossmithError, ImportError):  # the job says so itself
                make_task(task).make(num_envs).close()
