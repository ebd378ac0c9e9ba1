"""Where a program comes from on the command line: a file, standard input, the name of a reference, or an id in an archive."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import NamedTuple

from archive.store import default_path, open_archive
from sandbox.errors import UsageError
from sandbox.records import Traced
from sandbox.rules.references import reference_names, reference_text

MOST_BYTES = 1 << 20  # far above what the parse gate lets through, far below what a mistaken path may hold


class Source(NamedTuple):
    """A program's text; its verified graphs where an archive has them; whether it is our own and may be traced without a sandbox."""

    name: str
    text: str
    traced: Traced | None = None
    trusted: bool = False


def read_file(path: str) -> Source:
    """A file, or standard input for `-`. What is no UTF-8 becomes replacement characters, which the parse gate refuses in code."""
    try:
        if path == "-":
            data = sys.stdin.buffer.read(MOST_BYTES)
        else:
            with Path(path).open("rb") as file:
                data = file.read(MOST_BYTES)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(f"Cannot read {path}: {why}.", "Name a file that holds a program, or - for standard input.") from error
    return Source(path, data.decode("utf-8-sig", errors="replace"))


def find_program(source: str, archive: Path | None) -> Source:
    """A file if there is one of that name, else a reference, else a program of the archive by the first digits of its id."""
    if source == "-" or Path(source).is_file():
        return read_file(source)
    if source in reference_names():
        return Source(source, reference_text(source), trusted=True)
    if re.fullmatch(r"[0-9a-f]{4,64}", source):
        return _from_archive(source, archive)
    names = ", ".join(reference_names())
    raise UsageError(f"{source!r} is no file, no reference and no id of a program.", f"The references are {names}.")


def _from_archive(prefix: str, path: Path | None) -> Source:
    archive = open_archive(default_path(path), create=False)
    try:
        elite = archive.find(prefix)
        result = archive.result(elite)
    finally:
        archive.close()
    traced = result.traced if result else None
    return Source(elite.id, elite.text, Traced.model_validate_json(traced) if traced else None)
