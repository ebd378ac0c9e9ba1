"""The list of command modules, each with a `register(app)`."""

from __future__ import annotations

import typer

from synth.cli import (
    baseline,
    benchmark,
    calls,
    campaigns,
    card,
    compare,
    doctor,
    export,
    people,
    programs,
    prompts,
    reading,
    sandbox,
    simplify,
    tune,
)


def register(app: typer.Typer) -> None:
    """Adds every command to the app."""
    for module in (
        campaigns,
        compare,
        programs,
        reading,
        people,
        prompts,
        calls,
        simplify,
        tune,
        card,
        export,
        baseline,
        benchmark,
        sandbox,
        doctor,
    ):
        module.register(app)
