"""What passes through the two pipes of a sandboxed process, the same on both sides. Nothing but the standard library here.

In:  `frame(order)`, `frame(request)`, sent when there is a job.
Out: `frame(hello)` when ready, `frame(reply)` when done.
A frame is eight bytes of length, most significant first, and that many bytes. The first whole frame after the hello is the reply; what
comes after it is never read, and how the process ends after it says nothing: both are the program's to choose, as the reply itself is.
An end without a whole frame is no success, whatever its status.
"""

from __future__ import annotations

LENGTH_BYTES = 8

EXIT_MEMORY = 81
EXIT_NO_FILTER = 82
"""Statuses of our own: out of memory even while reporting it; the system call filter could not be loaded, so nothing was run."""


def frame(data: bytes) -> bytes:
    """`data` with its length in front."""
    return len(data).to_bytes(LENGTH_BYTES, "big") + data


def is_whole(data: bytes | bytearray) -> bool:
    """Whether the first frame is complete."""
    return len(data) >= LENGTH_BYTES and len(data) >= LENGTH_BYTES + int.from_bytes(data[:LENGTH_BYTES], "big")


def split_frame(data: bytes) -> tuple[bytes, bytes] | None:
    """The first frame's content and what follows it, or None while it is incomplete."""
    if not is_whole(data):
        return None
    end = LENGTH_BYTES + int.from_bytes(data[:LENGTH_BYTES], "big")
    return data[LENGTH_BYTES:end], data[end:]
