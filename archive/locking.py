"""One process per campaign."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sandbox.errors import ArchiveError


@contextmanager
def hold_campaign(archive: Path, campaign: str) -> Iterator[None]:
    """Holds a campaign of an archive while it runs; the system lets go of it however the process ends. ArchiveError if another has it."""
    path = archive.with_name(f"{archive.name}-{campaign}.lock")
    try:
        file = path.open("w")
    except OSError as error:
        raise ArchiveError(f"Cannot write {path}: {error.strerror}.", "Make the archive's folder writable.") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ArchiveError(
                f"Another process is running the campaign {campaign!r}.", "Watch it with `lossmith status`, or end it with Ctrl-C."
            ) from error
        yield
