"""What a training costs, and how many threads it takes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import torch


class Clock:
    """Device-seconds: the processor's on a CPU, the wall's on a GPU. `before` is what an interrupted run had used."""

    def __init__(self, device: str) -> None:
        self._now = time.process_time if device == "cpu" else time.perf_counter
        self._start = self._now()
        self.before = 0.0

    def seconds(self) -> float:
        """Used so far."""
        return self.before + self._now() - self._start


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Torch's sums depend on the number of threads, so nobody computes with as many as the machine happens to have."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def one_thread() -> AbstractContextManager[None]:
    """What small networks are fastest with."""
    return threads(1)
