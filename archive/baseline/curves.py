"""The curve of a meta-training: how agents fared, step by step, in points that fit a line of text."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

from pydantic import Field

from archive.baseline import library
from sandbox.errors import UsageError
from sandbox.records import Record

POINTS = 40
"""To which a curve is averaged; as many are kept in the network's file."""


class Curve(Record):
    """Means over equal stretches of meta-steps. Scores are those of all agents alive, of any age."""

    steps: int  # meta-steps done
    scores: dict[str, tuple[float | None, ...]]  # by task
    entropy: tuple[float | None, ...] = ()
    gradient_norm: tuple[float | None, ...] = ()
    card: dict[str, Any] = Field(default_factory=dict)  # what else the network's file says of it


def summarise(points: list[dict[str, Any]], number: int = POINTS) -> Curve:
    """Of the lines of `curves.jsonl`, in order."""
    tasks = sorted({task for point in points for task in point["scores"]})
    bounds = [round(index * len(points) / number) for index in range(number + 1)]
    stretches = [points[start:end] for start, end in pairwise(bounds) if end > start]
    return Curve(
        steps=points[-1]["step"] if points else 0,
        scores={task: tuple(_mean([p["scores"][task] for p in part if task in p["scores"]]) for part in stretches) for task in tasks},
        entropy=tuple(_mean([p["entropy"] for p in part]) for part in stretches),
        gradient_norm=tuple(_mean([p["gradient_norm"] for p in part]) for part in stretches),
    )


def read_curve(path: Path) -> Curve:
    """Of a run's folder, or as it was kept in a network's file. UsageError where there is none."""
    if path.is_dir():
        return summarise(read_points(path))
    card = library.card(path)
    kept = card.pop("curve", None)
    if kept is None:
        raise UsageError(f"{path.name} holds no curve: it was not written by `baseline train`.", "Only a trained network has one.")
    return Curve.model_validate_json(kept).model_copy(update={"card": card})


def read_points(folder: Path) -> list[dict[str, Any]]:
    """The points of a run, in order. UsageError where the folder is none's."""
    path = folder / "curves.jsonl"
    if not path.is_file():
        raise UsageError(f"{folder} is no folder of a meta-training.", "Name one that `baseline train` wrote.")
    return [json.loads(line) for line in whole_lines(path)]


def whole_lines(path: Path) -> list[str]:
    """The lines of a file, none where there is no file; a last one that a kill cut short is left out."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return text[: text.rfind("\n") + 1].splitlines()


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None
