"""Where trainings run: in processes of this machine, or in containers. Every command opens its workers here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sandbox.errors import OurFault
from sandbox.execution.base import Executor, Place
from sandbox.execution.docker import ContainerExecutor, check_containers
from sandbox.execution.local import LocalExecutor
from sandbox.isolation.contents import has_cuda


class Choice(NamedTuple):
    """What `auto` comes to here, and why; `remedy` says how to have the other."""

    place: Place
    why: str
    remedy: str


def open_executor(workers: int, warm: Sequence[str] = (), num_envs: int = 16, place: Place = Place.AUTO) -> Executor:
    """See `LocalExecutor` for the arguments. No result depends on `place`.

    Raises PrerequisiteMissing where containers were asked for by name and cannot be had.
    """
    wanted = choose().place if place is Place.AUTO else place
    kind = ContainerExecutor if wanted is Place.CONTAINER else LocalExecutor
    return kind(workers, warm, num_envs)


def choose() -> Choice:
    """What `auto` is on this machine: containers where torch was built for a GPU, docker has a current image and can hand out a GPU.

    A container takes seconds to start, a process milliseconds: trainings on the CPU are not slowed down unasked.
    """
    if not has_cuda():
        return Choice(Place.PROCESS, "torch here was built without CUDA", "Containers all the same: --training container.")
    try:
        check_containers(gpu=True)
    except OurFault as error:
        return Choice(Place.PROCESS, error.message, error.remedy)
    return Choice(Place.CONTAINER, "docker has a current image and can hand out a GPU", "--training process asks for processes.")
