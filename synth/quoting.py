"""Text from programs, models and users, made harmless to show: to a terminal, and inside a prompt."""

from __future__ import annotations

import re
import unicodedata


def inert(text: str) -> str:
    """The text with control and direction-changing characters replaced, so that a terminal, or a model, only reads it."""
    return "".join(
        c if c in "\n\t" or unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Co"} else "\N{REPLACEMENT CHARACTER}" for c in text
    )


def one_line(text: str, most: int = 300) -> str:
    """On one line of at most `most` characters, without backticks, so that it can stand in a sentence."""
    line = " ".join(inert(text).split()).replace("`", "'")
    return line if len(line) <= most else line[: most - 1] + "…"


def fenced(text: str, language: str = "") -> str:
    """In a fence that nothing in the text can close: longer than every run of backticks or tildes in it."""
    longest = max((len(run) for run in re.findall(r"`+|~+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{inert(text).rstrip()}\n{fence}"
