"""`lossmith prompts`, `insights` and `note`: what models are told, what they learned, and what people add to it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.markdown import Markdown
from rich.text import Text

from archive.records import Elite, Prompt, Remark
from archive.store import SqliteArchive, default_path, open_archive
from sandbox.errors import UsageError
from synth.cli.campaigns import ArchiveOption, JsonOption, named
from synth.cli.models import show_prompt
from synth.cli.output import console, emit_json, narrate
from synth.cli.tables import plain_table
from synth.proposers.section import ProposerSection
from synth.quoting import inert
from synth.spec import CampaignSpec

CampaignOption = Annotated[str | None, typer.Option("--campaign", metavar="NAME", help="The campaign; the newest if not named.")]
FolderOption = Annotated[Path | None, typer.Option("--prompts", help="A folder of templates; default: the campaign's, else ours.")]
OperatorArgument = Annotated[str, typer.Argument(metavar="OPERATOR", help="`lossmith prompts list` names them.")]
IdsArgument = Annotated[list[str] | None, typer.Argument(metavar="[ID]…", help="Parents; default: the best ones.")]
PARENTS = {"refine": 1, "crossover": 2, "simplify": 1, "challenge": 1, "repair": 1, "explain": 1}
"""How many parents an operator takes."""

prompts_app = typer.Typer(help="Show, render and try the prompts.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    for command, name in ((list_prompts, "list"), (render, "render"), (try_prompt, "try")):
        prompts_app.command(name)(command)
    app.add_typer(prompts_app, name="prompts")
    app.command()(insights)
    app.command()(note)


def list_prompts(folder: FolderOption = None, as_json: JsonOption = False) -> None:
    """List the prompts, one file an operator, and what each asks for."""
    from synth.prompting.render import FOLDER, OPERATORS, SUFFIX, Renderer

    renderer = Renderer(folder)
    rows = [
        {"operator": name, "file": str(_file(name + SUFFIX, folder, FOLDER)), "asks": _task(renderer.source(name))} for name in OPERATORS
    ]
    if as_json:
        emit_json(rows)
        return
    table = plain_table("operator", "asks", title=f"Prompts in {folder or FOLDER}; each with system{SUFFIX} before it")
    for row in rows:
        table.add_row(row["operator"], Text(inert(row["asks"])))
    console.print(table)


def render(
    operator: OperatorArgument,
    parents: IdsArgument = None,
    campaign: CampaignOption = None,
    folder: FolderOption = None,
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a prompt in full, as it would be sent now."""
    with _opened(archive) as opened:
        prompt, section = _prompt(opened, operator, parents or (), campaign, folder)
    from synth.prompting.render import estimate

    if as_json:
        emit_json({**prompt.model_dump(), "tokens": estimate(prompt)})
        return
    show_prompt(prompt)
    narrate(f"About {estimate(prompt)} tokens of at most {section.context_tokens}.")


def try_prompt(
    operator: OperatorArgument,
    parents: IdsArgument = None,
    campaign: CampaignOption = None,
    folder: FolderOption = None,
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask the campaign's model once and show its answer; the campaign learns nothing of it. This costs one call."""
    from sandbox.errors import Refusal
    from sandbox.language.program import parse
    from sandbox.language.reply import find_program
    from synth.proposers.model import Question
    from synth.start import make_model

    with _opened(archive) as opened, ExitStack() as stack:
        prompt, section = _prompt(opened, operator, parents or (), campaign, folder)
        answer = make_model(section, stack)(Question(number=0, turn=0, prompt=prompt, seed=time.time_ns() % 2**62))
    program = find_program(answer.text)
    try:
        verdict = "No program in it." if program is None else f"The parse gate takes the program: {parse(program).title}"
    except Refusal as refusal:
        verdict = f"The parse gate refuses the program ({refusal.code}, line {refusal.line}): {refusal}"
    if as_json:
        emit_json({"answer": answer, "program": program, "verdict": verdict})
        return
    console.print(Text(inert(answer.text)), soft_wrap=True)
    narrate(f"{answer.prompt_tokens} + {answer.completion_tokens} tokens. {verdict}")


def insights(
    campaign: Annotated[str | None, typer.Argument(metavar="[NAME]", help="The campaign; the newest if not named.")] = None,
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the lessons that a campaign's models drew last; they stand in its prompts."""
    with _opened(archive) as opened:
        name = named(opened, campaign)
        reply = opened.letters.last_reply(name, "insights", opened.progress(name)[1])
        remarks = opened.letters.remarks(name)
    if as_json:
        emit_json({"campaign": name, "insights": reply, "remarks": remarks})
        return
    if reply is None:
        narrate(f"The models of {name} drew no lessons yet: they do every proposer.insights_every proposals.")
    else:
        console.print(Text(f"{name}, at proposal {reply.number}, by {inert(reply.proposer)}", style="dim"))
        console.print(Markdown(inert(reply.text)))
    for remark in remarks:
        console.print(Text(inert(f"{time.strftime('%Y-%m-%d %H:%M', time.localtime(remark.time))}  {remark.text}")))


def note(
    target: Annotated[str, typer.Argument(metavar="ID|CAMPAIGN", help="The beginning of a program's id, or a campaign's name.")],
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What the next prompts are to say of it.")],
    campaign: CampaignOption = None,
    archive: ArchiveOption = None,
) -> None:
    """Tell the models something about a program or a campaign; the next prompts show it."""
    if not text.strip() or len(text) > 4000:
        raise UsageError("A note has between 1 and 4000 characters.", "Say it in a few sentences.")
    with _opened(archive) as opened:
        program = None if target in opened.campaigns() else opened.find(target)
        name = target if program is None else campaign or program.campaign
        opened.campaign_spec(name)  # raises for one that is not there
        opened.letters.remark(Remark(time=time.time(), campaign=name, program_id=program.id if program else None, text=text.strip()))
    narrate(f"Noted for the next prompts of {name}.")


# ------------------------------------------------------------------------------------------------------------ shared
@contextmanager
def _opened(path: Path | None) -> Iterator[SqliteArchive]:
    archive = open_archive(default_path(path), create=False)
    try:
        yield archive
    finally:
        archive.close()


def _prompt(
    archive: SqliteArchive, operator: str, ids: Sequence[str], campaign: str | None, folder: Path | None
) -> tuple[Prompt, ProposerSection]:
    from synth.prompting.prompter import ModelPrompter

    name = named(archive, campaign)
    spec = CampaignSpec.model_validate_json(archive.campaign_spec(name))
    section = next((each for each in spec.proposer if each.asks_a_model), ProposerSection())
    if folder is not None:
        section = section.model_copy(update={"prompts": str(folder)})
    return ModelPrompter(spec, section, archive).prompt(operator, _parents(archive, operator, ids, name)), section


def _parents(archive: SqliteArchive, operator: str, ids: Sequence[str], name: str) -> list[Elite]:
    count = PARENTS.get(operator, 0)
    parents = [archive.find(each) for each in ids] or archive.top(name, count)
    if len(parents) != count:
        raise UsageError(f"The prompt {operator} takes {count} programs, not {len(parents)}.", "`lossmith top` lists the campaign's best.")
    return parents


def _file(name: str, folder: Path | None, ours: Path) -> Path:
    return folder / name if folder is not None and (folder / name).is_file() else ours / name


def _task(source: str) -> str:
    """The first sentence under the last heading."""
    text = " ".join(source.rpartition("# The task")[2].split())
    return text.partition(". ")[0].rstrip(".") + "."
