"""`lossmith prompts` and `insights`: what models are told, and what they learned."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markdown import Markdown
from rich.text import Text

from archive.records import Act, Elite, Prompt, Reply, Spent
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
UNLESS = re.compile(r"\{% if .*?\{% else %\}|\{% \w+ %\}", re.DOTALL)
MOST_LESSONS = 8000  # characters
PARENTS = {"refine": 1, "crossover": 2, "simplify": 1, "challenge": 1, "repair": 1, "explain": 1}
"""How many parents an operator takes."""

prompts_app = typer.Typer(help="Show, render and try the prompts.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    for command, name in ((list_prompts, "list"), (render, "render"), (try_prompt, "try")):
        prompts_app.command(name)(command)
    app.add_typer(prompts_app, name="prompts")
    app.command()(insights)


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

    worst = _worst(section, prompt)
    if as_json:
        emit_json({**prompt.model_dump(), "tokens": estimate(prompt), "worst": worst if section.price else None})
        return
    show_prompt(prompt)
    money = "at an unknown price" if section.price is None else f"at most ${worst.money:.4f}"
    narrate(f"About {estimate(prompt)} tokens of at most {section.context_tokens}; with its answer {money}.")


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
        answer = make_model(section, named(opened, campaign), stack)(Question(number=0, turn=0, prompt=prompt, seed=time.time_ns() % 2**62))
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
    edited: Annotated[Path | None, typer.Option("--edit", metavar="FILE", help="Let the lessons in this file take their place.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All versions, oldest first.")] = False,
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the lessons that stand in a campaign's prompts, by its models or by you; every version is kept."""
    with _opened(archive) as opened:
        name = named(opened, campaign)
        if edited is not None:
            opened.acts.do(Act(time=time.time(), campaign=name, kind="lessons", text=_lessons(edited)))
            narrate(f"Recorded. The next prompts of {name} show them, until a model draws others from them.")
            return
        versions = _versions(opened, name)
        notes = opened.acts.notes(name)
    if as_json:
        emit_json({"campaign": name, "insights": versions if every else versions[-1:], "notes": notes})
        return
    if not versions:
        narrate(f"The models of {name} drew no lessons yet: they do every proposer.insights_every proposals.")
    for version in versions if every else versions[-1:]:
        where = "the next proposal" if version["number"] is None else f"proposal {version['number']}"
        console.print(Text(inert(f"{name}, at {where}, by {version['by']}"), style="dim"))
        console.print(Markdown(inert(version["text"])))
    for each in notes:
        console.print(Text(inert(f"{time.strftime('%Y-%m-%d %H:%M', time.localtime(each.time))}  {each.text}")))


def _versions(archive: SqliteArchive, name: str) -> list[dict[str, Any]]:
    """Every list of lessons, the one that stands in the prompts last."""
    drawn: list[Reply | Act] = list(archive.letters.replies_to(name, "insights", archive.progress(name)[1]))
    written: list[Reply | Act] = [act for act in archive.acts.all(name) if act.kind == "lessons"]
    last = float("inf")  # by hand, and no proposal knows it yet
    ordered = sorted(written + drawn, key=lambda each: last if each.number is None else each.number)
    return [
        {"number": each.number, "by": "hand" if isinstance(each, Act) else each.proposer, "text": each.text, "time": each.time}
        for each in ordered
    ]


def _lessons(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"Cannot read {path}.", "Name a text file that holds the lessons.") from error
    if not 0 < len(text) <= MOST_LESSONS:
        raise UsageError(f"{path} has {len(text)} characters.", f"Lessons have between 1 and {MOST_LESSONS}; ten lines do.")
    return text


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


def _worst(section: ProposerSection, prompt: Prompt) -> Spent:
    from synth.prompting.prompter import worst_of

    return worst_of(section, [prompt])


def _parents(archive: SqliteArchive, operator: str, ids: Sequence[str], name: str) -> list[Elite]:
    count = PARENTS.get(operator, 0)
    parents = [archive.find(each, name) for each in ids] or archive.top(name, count)
    if len(parents) != count:
        raise UsageError(f"The prompt {operator} takes {count} programs, not {len(parents)}.", "`lossmith top` lists the campaign's best.")
    return parents


def _file(name: str, folder: Path | None, ours: Path) -> Path:
    return folder / name if folder is not None and (folder / name).is_file() else ours / name


def _task(source: str) -> str:
    """The first sentence under the last heading, as it mostly reads: without what the template says in special cases."""
    text = " ".join(UNLESS.sub("", source.rpartition("# The task")[2]).split())
    return text.partition(". ")[0].rstrip(".") + "."
