"""Templates to messages, within a budget of tokens.

What is least useful goes first, in the order of `LEAST_USEFUL`, until the estimate fits: four characters count as one token.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import jinja2

from archive.records import Prompt
from sandbox.errors import UsageError
from synth.prompting.context import Briefing, ProgramView
from synth.prompting.contract import contract
from synth.quoting import fenced, inert, one_line

FOLDER: Final = Path(__file__).parents[2] / "prompts"  # not by import: a user's own folder may have that name
SUFFIX: Final = ".md.j2"
WRITING: Final = ("refine", "crossover", "fresh", "challenge", "simplify")
"""Operators that a campaign may divide its work among, by default all of them."""
OPERATORS: Final = (*WRITING, "repair", "insights", "explain")
CHARACTERS_A_TOKEN: Final = 4


def estimate(prompt: Prompt) -> int:
    """Tokens, roughly."""
    return (len(prompt.system) + len(prompt.user)) // CHARACTERS_A_TOKEN


class Renderer:
    """Renders operators from a folder of templates; what it lacks comes from ours. UsageError says what is wrong with one."""

    def __init__(self, folder: Path | None = None) -> None:
        if folder is not None and not folder.is_dir():
            raise UsageError(f"There is no folder of prompts at {folder}.", f"Copy {FOLDER} and edit it.")
        places = [jinja2.FileSystemLoader(place) for place in (folder, FOLDER) if place is not None]
        self._environment = jinja2.Environment(
            loader=jinja2.ChoiceLoader(places),
            undefined=jinja2.StrictUndefined,
            finalize=lambda value: inert(value) if isinstance(value, str) else value,
            trim_blocks=True,
            lstrip_blocks=True,
            autoescape=False,
        )
        self._environment.filters.update(fence=fenced, line=one_line)

    def render(self, operator: str, briefing: Briefing, most_tokens: int, *, as_short_as_can_be: bool = False) -> Prompt:
        """The messages of one operator, with as much of the briefing as fits.

        If not even the rest does, UsageError, or the rest with `as_short_as_can_be`.
        """
        prompt = self._fill(operator, briefing)
        for drop in LEAST_USEFUL:
            if estimate(prompt) <= most_tokens:
                return prompt
            briefing = drop(briefing)
            prompt = self._fill(operator, briefing)
        if estimate(prompt) > most_tokens and not as_short_as_can_be:
            raise UsageError(
                f"The prompt {operator} needs about {estimate(prompt)} tokens at the least; proposer.context_tokens is {most_tokens}.",
                "Raise it, or shorten the templates.",
            )
        return prompt

    def source(self, operator: str) -> str:
        """A template's text."""
        loader = self._environment.loader
        assert loader is not None  # the constructor sets it
        return loader.get_source(self._environment, operator + SUFFIX)[0]

    def _fill(self, operator: str, briefing: Briefing) -> Prompt:
        texts = [self._text(name, briefing) for name in ("system", operator)]
        return Prompt(operator=operator, system=texts[0], user=texts[1])

    def _text(self, name: str, briefing: Briefing) -> str:
        try:
            text = self._environment.get_template(name + SUFFIX).render(contract=contract(), briefing=briefing)
        except jinja2.TemplateNotFound as error:
            raise UsageError(f"There is no prompt {name!r}.", f"There are {', '.join(OPERATORS)}.") from error
        except jinja2.TemplateSyntaxError as error:
            raise UsageError(f"The prompt {error.name}, line {error.lineno}: {error.message}", "Correct the template.") from error
        except jinja2.TemplateError as error:
            raise UsageError(
                f"The prompt {name}{SUFFIX}: {error.message}.", "`briefing` and `contract` are what templates know."
            ) from error
        return _tidy(text)


def _tidy(text: str) -> str:
    """At most one empty line in a row outside fences; inside them nothing changes."""
    kept: list[str] = []
    fence = ""
    for line in text.split("\n"):
        mark = line[: len(line) - len(line.lstrip("`"))]
        if not fence and len(mark) >= 3:
            fence = mark
        elif fence and line == fence:
            fence = ""
        if line.strip() or fence or (kept and kept[-1].strip()):
            kept.append(line if fence else line.rstrip())
    return "\n".join(kept).strip() + "\n"


def _without_detail(view: ProgramView | None) -> ProgramView | None:
    if view is None:
        return None
    rungs = tuple(
        rung.model_copy(
            update={"tasks": tuple(task.model_copy(update={"curve": (), "loss": (), "gradient_norm": {}}) for task in rung.tasks)}
        )
        for rung in view.rungs
    )
    return view.model_copy(update={"rungs": rungs})


def _change(**changes: Callable[[Briefing], object]) -> Callable[[Briefing], Briefing]:
    return lambda briefing: briefing.model_copy(update={name: change(briefing) for name, change in changes.items()})


LEAST_USEFUL: Final = (
    _change(example=lambda briefing: "" if briefing.parents else briefing.example),  # a parent is an example too
    _change(different=lambda briefing: None),
    _change(attempts=lambda briefing: briefing.attempts[:4], failures=lambda briefing: briefing.failures[:6]),
    _change(best=lambda briefing: _without_detail(briefing.best)),
    _change(best=lambda briefing: None),
    _change(insights=lambda briefing: briefing.insights[:2000]),
    _change(insights=lambda briefing: ""),
    _change(attempts=lambda briefing: (), failures=lambda briefing: ()),
    _change(parents=lambda briefing: tuple(_without_detail(parent) for parent in briefing.parents)),
    _change(example=lambda briefing: ""),
    _change(remarks=lambda briefing: briefing.remarks[-2:], banned=lambda briefing: ()),
)
"""What is dropped, in this order: the example where there is a parent; the most different elite; the older half of attempts; curves of the
best elite, then the elite itself; the end of the lessons, then the lessons; all attempts; curves of the parents; the example; all but the
last two remarks and the banned programs. Contract, parents' code and results, pinned programs, banned ideas and the task always stay."""
