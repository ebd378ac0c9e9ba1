"""Where a rule comes from on the command line: a file, standard input, a reference, an id in an archive, or a meta-network."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import NamedTuple

from archive.baseline import library
from archive.store import default_path, open_archive
from sandbox.errors import UsageError
from sandbox.records import LearnedRule, Traced
from sandbox.rules.references import reference_names, reference_text
from synth.network import learned_rule

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


def find_rule(source: str, archive: Path | None, learning_rate: float | None = None) -> Source | LearnedRule:
    """A meta-network where its file or name is given (at a learning rate of its own unless one is), else a program: see `find_program`.

    What is both a reference and a meta-network is the reference; what is both a meta-network and an id is the meta-network.
    """
    if library.is_file_name(source) or source in library.FETCHABLE:
        return learned_rule(source, learning_rate)
    if source in library.names() and source not in reference_names() and not Path(source).is_file():
        return learned_rule(source, learning_rate)
    return find_program(source, archive)


def find_program(source: str, archive: Path | None) -> Source:
    """A file if there is one of that name, else a reference, else a program of the archive by the first digits of its id."""
    if source == "-" or Path(source).is_file():
        return read_file(source)
    if source in reference_names():
        return Source(source, reference_text(source), trusted=True)
    if re.fullmatch(r"[0-9a-f]{4,64}", source):
        return _from_archive(source, archive)
    names = ", ".join(reference_names())
    raise UsageError(
        f"{source!r} is no file, no reference and no id of a program.",
        f"The references are {names}; `lossmith baseline list` shows the meta-networks, for commands that take one.",
    )


def _from_archive(prefix: str, path: Path | None) -> Source:
    archive = open_archive(default_path(path), create=False)
    try:
        elite = archive.find(prefix)
        result = archive.result(elite)
    finally:
        archive.close()
    traced = result.traced if result else None
    return Source(elite.id, elite.text, Traced.model_validate_json(traced) if traced else None)
