"""What passes through the two pipes of a sandboxed process, the same on both sides. Nothing but the standard library here.

In:  `frame(order)`, `frame(request)`, sent when there is a job.
Out: `frame(hello)` when ready, `frame(reply)` and the end of the stream when done.
A frame is eight bytes of length, most significant first, and that many bytes. A reply counts only if its one frame is complete, nothing
follows it, and the process ended with status 0: an end with status 0 alone means nothing, since the program can end the process too.
"""

from __future__ import annotations

LENGTH_BYTES = 8

EXIT_MEMORY = 81
EXIT_NO_FILTER = 82
"""Statuses of our own: out of memory even while reporting it; the system call filter could not be loaded, so nothing was run."""


def frame(data: bytes) -> bytes:
    """`data` with its length in front."""
    return len(data).to_bytes(LENGTH_BYTES, "big") + data


def split_frame(data: bytes) -> tuple[bytes, bytes] | None:
    """The first frame's content and what follows it, or None while it is incomplete."""
    if len(data) < LENGTH_BYTES:
        return None
    end = LENGTH_BYTES + int.from_bytes(data[:LENGTH_BYTES], "big")
    return (data[LENGTH_BYTES:end], data[end:]) if len(data) >= end else None
