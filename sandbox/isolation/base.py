"""The seam around untrusted text: run one job, return its bytes, always end.

What it promises, whatever the text does: it sees no weights, environments, seeds, keys or results; it ends within its limits by the
caller's clock; only the bytes of its reply come back, and they are verified as data before anything believes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from sandbox.errors import Verdict
from sandbox.records import Limits


@dataclass(frozen=True)
class Reply:
    """How an isolated job ended: `payload` is set exactly when `verdict` is `ok`."""

    verdict: Verdict
    payload: bytes | None
    seconds: float


class Isolation(Protocol):
    """A way to run `python -m sandbox.isolation.tracer` where it can do no harm."""

    name: str

    def run(self, request: bytes, limits: Limits) -> Reply:
        """Runs one job: `request` on its standard input, the reply from its standard output. Safe to call from several threads.

        Raises PrerequisiteMissing when the sandbox itself cannot be had, WorkerLost when it broke for a reason of ours.
        """
        ...

    def close(self) -> None:
        """Ends whatever waits in the pool."""
        ...
