"""`lossmith calls` and `cost`: every question to a model with its answer, and what they cost."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from archive.records import Call, Cost, Order
from archive.store import default_path, open_archive
from sandbox.errors import UsageError
from synth.cli.campaigns import ArchiveOption, JsonOption, NameArgument, named
from synth.cli.models import show_prompt
from synth.cli.output import console, emit_json, narrate
from synth.cli.tables import plain_table, shown
from synth.quoting import inert


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command()(calls)
    app.command()(cost)


def calls(
    name: NameArgument = None,
    number: Annotated[int | None, typer.Option("--proposal", min=0, help="This proposal's calls, in full.")] = None,
    grep: Annotated[str, typer.Option(metavar="TEXT", help="Only answers that hold it, whatever its case.")] = "",
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what models were asked and answered: tokens, dollars, seconds, outcome; or search it."""
    opened = open_archive(default_path(archive), create=False)
    try:
        name = named(opened, name)
        opened.campaign_spec(name)  # raises for one that is not there
        found = [call for call in opened.letters.calls(name) if _meant(call, number, grep.lower())]
        order = None if number is None else opened.letters.order(name, number)
    finally:
        opened.close()
    if number is not None and not found:
        raise UsageError(f"No model has answered for proposal {number} of {name}.", "`lossmith calls` lists the answers there are.")
    if as_json:
        emit_json([{"outcome": call.outcome, **call.reply.model_dump(), "prompt": _prompt(order, call)} for call in found])
    elif number is None:
        _list(found)
    else:
        _show(order, found)


def _meant(call: Call, number: int | None, text: str) -> bool:
    return number in {None, call.reply.number} and text in call.reply.text.lower()


def _prompt(order: Order | None, call: Call) -> dict[str, str] | None:
    return None if order is None else order.prompts[call.reply.turn].model_dump()


def _list(found: list[Call]) -> None:
    table = plain_table("proposal", "model", "operator", "tokens in", "out", "dollars", "seconds", "tries", "outcome")
    for call in found:
        reply = call.reply
        numbers = (str(reply.prompt_tokens), str(reply.completion_tokens), f"{reply.cost:.4f}", f"{reply.seconds:.1f}", str(reply.tries))
        table.add_row(str(reply.number), shown(reply.model), reply.operator, *numbers, shown(call.outcome))
    console.print(table)


def _show(order: Order | None, found: list[Call]) -> None:
    for call in found:
        if order is not None:
            show_prompt(order.prompts[call.reply.turn])
        console.print(Text(f"──── {inert(call.reply.model)}: {call.outcome} ────", style="bold"))
        console.print(Text(inert(call.reply.text)), soft_wrap=True)


def cost(name: NameArgument = None, archive: ArchiveOption = None, as_json: JsonOption = False) -> None:
    """Show what a campaign's models cost, by model, operator and outcome."""
    opened = open_archive(default_path(archive), create=False)
    try:
        name = named(opened, name)
        opened.campaign_spec(name)  # raises for one that is not there
        rows, total = opened.letters.costs(name), opened.letters.spent(name)
    finally:
        opened.close()
    if as_json:
        emit_json({"campaign": name, "total": total, "rows": rows})
        return
    table = plain_table("model", "operator", "calls", "retries", "tokens in", "cached", "out", "dollars", "seconds", "outcome")
    for row in rows:
        table.add_row(shown(row.model), row.operator, *_numbers(row), shown(row.outcome))
    console.print(table)
    narrate(f"{name}: {total.calls} calls, {total.tokens:,} tokens, ${total.money:.4f}.")


def _numbers(row: Cost) -> tuple[str, ...]:
    counts = (row.calls, row.retries, row.prompt_tokens, row.cached_tokens, row.completion_tokens)
    return (*map(str, counts), f"{row.money:.4f}", f"{row.seconds:.1f}")
