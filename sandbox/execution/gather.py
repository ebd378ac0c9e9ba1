"""Waits for several runs whose order matters and whose timing must not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import TypeVar

from sandbox.errors import ProgramFault

R = TypeVar("R")


def gather(futures: Sequence[Future[R]], keep: Callable[[int, R], None]) -> tuple[int, ProgramFault] | None:
    """Calls `keep(index, result)` for every result as it comes; returns the first failure *in order*, with its index, or None.

    A failure cancels what stands after it and waits for what stands before, so that timing cannot change which failure is reported.
    Any other exception cancels everything and is raised at once.
    """
    fault: tuple[int, ProgramFault] | None = None
    waiting = {future: index for index, future in enumerate(futures)}
    try:
        while waiting:
            done, _ = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                index = waiting.pop(future, None)
                if index is None:  # it stands after a failure that came in the same moment
                    continue
                try:
                    keep(index, future.result())
                except ProgramFault as error:
                    fault = (index, error)
                    for later in futures[index + 1 :]:
                        later.cancel()
                        waiting.pop(later, None)
    except BaseException:
        for future in futures:
            future.cancel()
        raise
    return fault
