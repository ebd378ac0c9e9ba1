"""Grammar-aware mutation: programs written without any language model, by edits on the syntax tree of what is known.

Needs no key, no network and no money; the same context and stream give the same text.
"""

from __future__ import annotations

import ast
import re
import textwrap
from typing import Final

import numpy as np

from sandbox.errors import Refusal
from sandbox.language.program import parse
from sandbox.rules.references import reference_names, reference_text
from synth.proposers.base import Context, Proposed
from synth.proposers.edits import EDITS, Edit
from synth.proposers.edits.crossover import short_title
from synth.proposers.edits.draft import Draft, pick

_ATTEMPTS: Final = 64
_EDITS_AT_ONCE: Final = ((1, 0.5), (2, 0.35), (3, 0.15))
_TITLE: Final = 110  # characters
_MOST_LINES: Final = 120  # of a text that is still grown; longer ones only lose terms or change numbers
_CHANGES: Final = re.compile(r"\n*^Changed in turn: (.*?)\.\Z", re.MULTILINE | re.DOTALL)
_KEPT_CHANGES: Final = 6
_SHRINKING: Final = frozenset({"perturb-constant", "change-training", "change-exploration", "drop-term", "swap-function", "change-view"})


class MutationProposer:
    """Writes the next program by one to three edits of a parent, or of a reference where there is none."""

    trusted = True

    def __init__(self, name: str = "mutation") -> None:
        self.name = name

    def propose(self, context: Context, stream: np.random.Generator) -> Proposed:
        """A text that satisfies the parse gate and differs from its parents. All randomness comes from `stream`."""
        drafts = _drafts(context, stream)
        for _ in range(_ATTEMPTS):
            position = int(stream.integers(len(drafts)))
            origin, start = drafts[position]
            others = drafts[:position] + drafts[position + 1 :] or [(None, _reference(stream))]
            mates = tuple(draft for _, draft in others)
            outcome = _mutate(start, mates, stream)
            if outcome is not None:
                text, names = outcome
                parents = [origin] + [one for one, _ in others if "take-term" in names]
                return Proposed(text=text, operator=f"mutate:{'+'.join(names)}", parents=tuple(one for one in parents if one))
        return Proposed(text=drafts[0][1].program.text, operator="mutate:none", parents=tuple(one for one, _ in drafts[:1] if one))


def _drafts(context: Context, stream: np.random.Generator) -> list[tuple[str | None, Draft]]:
    """The parents that can be read, with their ids; a reference where there is none."""
    drafts: list[tuple[str | None, Draft]] = []
    for parent in context.parents:
        try:
            drafts.append((parent.id, Draft.read(parent.text)))
        except Refusal:  # written by an earlier version of the language
            continue
    return drafts or [(None, _reference(stream))]


def _reference(stream: np.random.Generator) -> Draft:
    return Draft.read(reference_text(pick(stream, reference_names())))


def _mutate(start: Draft, mates: tuple[Draft, ...], stream: np.random.Generator) -> tuple[str, list[str]] | None:
    """A changed text and the names of the edits; None where none applied or the result is no valid program."""
    draft = start
    names: list[str] = []
    phrases: list[str] = []
    counts, chances = zip(*_EDITS_AT_ONCE, strict=True)
    for _ in range(int(stream.choice(counts, p=chances))):
        edit = _choose(draft, stream)
        changed = draft.copy()
        phrase = edit.apply(changed, stream, mates)
        if phrase is not None and edit.name not in names:
            draft = changed
            names.append(edit.name)
            phrases.append(phrase)
    if not names:
        return None
    _retitle(draft, phrases)
    text = draft.text()
    try:
        program = parse(text)
    except Refusal:  # an edit met a program it does not understand: draw again
        return None
    unchanged = ast.dump(_without_docstring(draft.tree)) == ast.dump(_without_docstring(start.tree))
    return None if unchanged or program.warnings else (text, names)


def _choose(draft: Draft, stream: np.random.Generator) -> Edit:
    long = len(draft.program.text.split("\n")) > _MOST_LINES
    edits = [edit for edit in EDITS if not long or edit.name in _SHRINKING]
    weights = np.array([edit.weight for edit in edits])
    return edits[int(stream.choice(len(edits), p=weights / weights.sum()))]


def _without_docstring(tree: ast.Module) -> ast.Module:
    return ast.Module(tree.body[1:], [])


def _retitle(draft: Draft, phrases: list[str]) -> None:
    """Names the newest changes in the title and keeps the last few in the description; neither grows with generations."""
    title, description = draft.program.title, draft.program.description
    earlier = _CHANGES.search(description)
    history = [*(" ".join(earlier[1].split()).split("; ") if earlier else ()), *phrases][-_KEPT_CHANGES:]
    base = title.partition(", with ")[0] if earlier else short_title(title)
    new_title = f"{base.rstrip('.')}, with {' and '.join(phrases)}."
    if len(new_title) > _TITLE:
        new_title = f"{base.rstrip('.')}, with {phrases[-1]}."
    changes = "\n".join(textwrap.wrap(f"Changed in turn: {'; '.join(history)}.", 120))
    body = "\n\n".join(part for part in (_CHANGES.sub("", description).strip(), changes) if part)
    statement = draft.tree.body[0]
    assert isinstance(statement, ast.Expr)  # the contract: a program begins with its docstring
    draft.tree.body[0] = ast.Expr(ast.Constant(f"{new_title}\n\n{body}\n"))
