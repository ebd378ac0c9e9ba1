"""What a training costs, and how many threads it takes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

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
def one_thread() -> Iterator[None]:
    """Torch's sums depend on the number of threads, and small networks are fastest with one."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
