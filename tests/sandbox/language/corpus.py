"""Programs kept as files: valid ones in many styles, and bad ones whose first line says what must be found where."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

PROGRAMS = Path(__file__).parents[2] / "data" / "programs"


class Bad(NamedTuple):
    """One bad program. `place` is `line:column`, or `*` where any will do."""

    name: str
    text: str
    code: str
    place: str


def valid_programs() -> dict[str, str]:
    return {path.stem: path.read_text(encoding="utf-8") for path in sorted((PROGRAMS / "valid").glob("*.py"))}


def bad_programs() -> list[Bad]:
    return [_bad(path) for path in sorted((PROGRAMS / "bad").glob("*.py"))]


def _bad(path: Path) -> Bad:
    text = path.read_bytes().decode()  # as it is: some hold carriage returns
    _, _, code, place = text.split("\n", 1)[0].split(" ")
    return Bad(path.stem, text, code, place)
