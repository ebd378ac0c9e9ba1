"""`lossmith calls` and `cost`: every question to a model with its answer, and what they cost."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.text import Text

from archive.records import Call, Cost, Order
from archive.store import SqliteArchive, default_path, open_archive
from sandbox.errors import UsageError
from synth.cli.campaigns import ArchiveOption, JsonOption, NameArgument, named
from synth.cli.models import show_prompt
from synth.cli.output import console, emit_json, narrate
from synth.cli.tables import plain_table, shown
from synth.quoting import inert
from synth.spec import CampaignSpec

PARAMETERS = {"kind", "base_url", "temperature", "max_tokens", "extra", "device", "dtype"}
"""Of a section: what a request says beside the messages, and to whom."""


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command()(calls)
    app.command()(cost)


def calls(
    name: NameArgument = None,
    number: Annotated[int | None, typer.Option("--proposal", min=0, help="This proposal's calls, in full.")] = None,
    grep: Annotated[str, typer.Option(metavar="TEXT", help="Only calls whose answer or outcome holds it, whatever its case.")] = "",
    asked: Annotated[bool, typer.Option("--asked", help="Let --grep search the prompts, too.")] = False,
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what models were asked and answered: tokens, dollars, seconds, outcome; or search it."""
    opened = open_archive(default_path(archive), create=False)
    try:
        name = named(opened, name)
        spec = CampaignSpec.model_validate_json(opened.campaign_spec(name))
        text = grep.lower()
        found = [
            call
            for call in opened.letters.calls(name)
            if number in {None, call.reply.number} and (_holds(call, text) or (asked and _asks(opened, call, text)))
        ]
        order = None if number is None else opened.letters.order(name, number)
    finally:
        opened.close()
    if number is not None and not found:
        raise UsageError(f"No model was asked for proposal {number} of {name}.", "`lossmith calls` lists the calls there are.")
    if as_json:
        emit_json([_document(spec, order, call) for call in found])
    elif number is None:
        _list(found)
    else:
        _show(order, found)


def _holds(call: Call, text: str) -> bool:
    return text in call.reply.text.lower() or text in call.outcome.lower()


def _asks(archive: SqliteArchive, call: Call, text: str) -> bool:
    order = archive.letters.order(call.reply.campaign, call.reply.number)
    assert order is not None, "what was asked was ordered"
    prompt = order.prompts[call.reply.turn]
    return text in f"{prompt.system}\n{prompt.user}".lower()


def _document(spec: CampaignSpec, order: Order | None, call: Call) -> dict[str, Any]:
    """One call with the parameters that its proposer has; with the prompt where one proposal's are shown."""
    section = next((each for each in spec.proposer if each.label == call.reply.proposer), None)
    parameters = section.model_dump(mode="json", include=PARAMETERS) if section else {}
    prompt = None if order is None else order.prompts[call.reply.turn].model_dump()
    return {"outcome": call.outcome, **call.reply.model_dump(), "parameters": parameters, "prompt": prompt}


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
