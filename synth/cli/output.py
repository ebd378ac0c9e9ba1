"""Results go to stdout, narration to stderr; text from programs is shown with its control characters made visible."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

import typer
from pydantic import BaseModel
from rich.console import Console
from rich.text import Text

from sandbox.errors import LossmithError

console = Console()
narration = Console(stderr=True)


def emit_json(value: Any) -> None:
    """Prints one JSON document on stdout, records included."""
    typer.echo(json.dumps(value, default=_plain, ensure_ascii=True, allow_nan=False))


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    raise TypeError(f"cannot print a {type(value).__name__} as JSON")


def narrate(text: str) -> None:
    """One line for people, on stderr."""
    narration.print(Text(inert(text)))


def narrate_error(error: LossmithError) -> None:
    """One sentence of what was wrong, one of what to do."""
    narration.print(Text(inert(f"lossmith: {error.message}"), style="red"), Text(inert(error.remedy)))


def inert(text: str) -> str:
    """The text with control and direction-changing characters replaced, so that a terminal only shows it."""
    return "".join(
        c if c in "\n\t" or unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Co"} else "\N{REPLACEMENT CHARACTER}" for c in text
    )
