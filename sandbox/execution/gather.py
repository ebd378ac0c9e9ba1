"""Waits for several runs whose order matters and whose timing must not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
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
                index = waiting.pop(future)
                try:
                    keep(index, future.result())
                except CancelledError:
                    continue  # by us, below
                except ProgramFault as error:
                    if fault is None or index < fault[0]:
                        fault = (index, error)
                        _cancel(futures[index + 1 :])
    except BaseException:
        _cancel(futures)
        raise
    return fault


def _cancel(futures: Sequence[Future[R]]) -> None:
    for future in futures:
        future.cancel()
