"""Lays a card out as Markdown or HTML. Everything that an author wrote is inert in both: it is shown, and does nothing."""

from __future__ import annotations

import html
import re
from importlib import resources
from typing import Final

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from sandbox.records import Score
from synth.card.records import Card
from synth.cli.output import inert
from synth.cli.tables import interval
from synth.simplify.records import Trial, percent

_MARKDOWN: Final = re.compile(r"([\\`*_\[\]|~$]|^\W|(?<=^\d)\.)")  # what means something anywhere, and what does at the start of a line


def to_html(card: Card) -> str:
    """One self-contained page: no script, nothing from elsewhere, and a policy that allows neither."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"shown": one_line, "inert": inert, "interval": interval, "percent": percent, "why": why, "bar": bar}
    environment.filters["prose"] = prose
    environment.filters["mathml"] = Markup  # made by `mathml.py`, which escapes all that an author wrote
    return environment.from_string(_template("card.html.j2")).render(card=card)


def to_markdown(card: Card) -> str:
    """One page for a repository or a notebook."""
    environment = Environment(autoescape=False, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True)
    environment.filters |= {
        "shown": escape_markdown,
        "interval": interval,
        "percent": percent,
        "why": why,
        "fenced": fenced,
        "code": code_span,
    }
    environment.filters |= {"bar": text_bar, "line": one_line}
    return environment.from_string(_template("card.md.j2")).render(card=card)


def one_line(text: str) -> str:
    """Inert text without line breaks."""
    return " ".join(inert(text).split())


def prose(text: str) -> Markup:
    """One line of HTML in which what stands between backticks is code."""
    parts = one_line(text).split("`")
    if len(parts) % 2 == 0:  # a backtick without its twin
        return Markup.escape(one_line(text))
    code = Markup("<code>{}</code>")
    return Markup("").join(code.format(part) if number % 2 else Markup.escape(part) for number, part in enumerate(parts))


def escape_markdown(text: str) -> str:
    """One line of Markdown that reads as the text: no links, no HTML, no table cells."""
    return html.escape(_MARKDOWN.sub(r"\\\1", one_line(text)), quote=False).replace("\\&", "&")


def fenced(text: str, language: str = "") -> str:
    """A code block whose fence is longer than any run of backticks in it."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{inert(text).rstrip()}\n{fence}"


def code_span(text: str) -> str:
    """A piece of code within a line or a table cell. Code holds no backtick; a bar would end the cell."""
    line = one_line(text).replace("`", "'").replace("|", "\N{BROKEN BAR}")
    return f"`{line}`" if line else ""


def why(trial: Trial) -> str:
    """What stands beside a difference, or in its place."""
    return {"unused": "nothing reads it", "idle": "idle: no gradient depends on it", "paired": ""}.get(trial.ground.value) or trial.detail


def bar(score: Score | None) -> int:
    """A score as a percentage of a bar that ends at the baseline."""
    return 0 if score is None else round(100 * min(1.0, max(0.0, score.mean)))


def text_bar(score: Score | None) -> str:
    """The same in ten characters."""
    full = round(bar(score) / 10)
    return "█" * full + "░" * (10 - full)


def _template(name: str) -> str:
    return resources.files(__package__).joinpath("templates", name).read_text(encoding="utf-8")
