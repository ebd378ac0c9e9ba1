"""Results go to stdout, narration to stderr; text from programs is shown with its control characters made visible."""

from __future__ import annotations

import json
import math
from typing import Any

import typer
from pydantic import BaseModel
from rich.console import Console
from rich.text import Text

from sandbox.errors import LossmithError
from synth.quoting import inert

__all__ = ["console", "emit_json", "inert", "narrate", "narrate_error", "narration"]

console = Console()
narration = Console(stderr=True)


def emit_json(value: Any) -> None:
    """Prints one JSON document on stdout, records included. Numbers that are not finite become null, since JSON has none."""
    typer.echo(json.dumps(_plain(value), ensure_ascii=True, allow_nan=False))


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return _plain(value.model_dump(mode="json"))
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def narrate(text: str) -> None:
    """One line for people, on stderr."""
    narration.print(Text(inert(text)))


def narrate_error(error: LossmithError) -> None:
    """One sentence of what was wrong, one of what to do."""
    narration.print(Text(inert(f"lossmith: {error.message}"), style="red"), Text(inert(error.remedy)))
