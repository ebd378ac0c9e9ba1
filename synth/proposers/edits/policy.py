"""Edits of how advantages move the policy: the form of the policy term, and what becomes of the advantages before it."""

from __future__ import annotations

import ast
from typing import Final

import numpy as np

from synth.proposers.edits.draft import Draft, expression, log_uniform, names_read, pick
from synth.proposers.edits.naming import expanded_code
from synth.proposers.edits.numbers import Mates
from synth.proposers.edits.sketch import sketch
from synth.proposers.edits.tidy import tidy

FORMS: Final = (
    ("-{log_prob} * {advantage}", None, "a plain policy gradient"),
    (
        "-torch.minimum({ratio} * {advantage}, torch.clamp({ratio}, 1 - c.{constant}, 1 + c.{constant}) * {advantage})",
        ("clip", 0.05, 0.4),
        "a clipped ratio",
    ),
    (
        "-({ratio} * {advantage} - torch.abs({advantage}) * ({ratio} - 1) ** 2 / (2 * c.{constant}))",
        ("clip", 0.05, 0.5),
        "a quadratic price on the ratio",
    ),
    ("-torch.exp(torch.clamp({advantage} / c.{constant}, max=2.0)) * {log_prob}", ("heat", 0.2, 3.0), "exponentially weighted actions"),
    (
        "-4 / c.{constant} * torch.sigmoid(c.{constant} * ({ratio} - 1)) * {advantage}",
        ("slope", 1.0, 20.0),
        "a ratio that saturates softly",
    ),
    ("-{log_prob} * torch.sign({advantage}) * torch.sqrt(torch.abs({advantage}) + 1e-6)", None, "square roots of advantages"),
    (
        "-torch.clamp(rl.stop_gradient({ratio}), max=c.{constant}) * {log_prob} * {advantage}",
        ("most", 0.8, 3.0),
        "truncated importance weights",
    ),
    (
        "-torch.where({advantage} > 0, torch.clamp({ratio}, max=1 + c.{constant}), {ratio}) * {advantage}",
        ("clip", 0.05, 0.5),
        "only gains clipped",
    ),
)
TREATMENTS: Final = (
    ("rl.normalize({advantage})", None, "normalised advantages"),
    ("{advantage} - torch.mean({advantage})", None, "centred advantages"),
    ("rl.signed_log({advantage})", None, "logarithmic advantages"),
    ("c.{constant} * torch.tanh({advantage} / c.{constant})", ("width", 0.5, 5.0), "squashed advantages"),
    ("torch.clamp({advantage}, -c.{constant}, c.{constant})", ("width", 0.5, 4.0), "clamped advantages"),
    ("torch.where({advantage} > 0, {advantage}, c.{constant} * {advantage})", ("pessimism", 0.2, 2.0), "bad news weighed differently"),
    ("{advantage} / (torch.mean(torch.abs({advantage})) + 1e-3)", None, "advantages relative to their size"),
    ("{advantage} * (1 + c.{constant} * torch.abs(rl.normalize({advantage})))", ("emphasis", 0.1, 1.0), "emphasis on large advantages"),
)


def change_policy_term(draft: Draft, stream: np.random.Generator, mates: Mates) -> str | None:
    """Writes the policy term in another of the field's forms, with the same advantages."""
    found = sketch(draft)
    index = _policy_term(draft)
    if found.logits is None or found.advantage is None or index is None:
        return None
    terms = draft.terms
    code, constant, phrase = pick(stream, FORMS)
    names = {"advantage": found.advantage, "log_prob": "", "ratio": "", "constant": ""}
    names["log_prob"] = _name_for(draft, "log_prob", f"rl.log_prob(traj.online.{found.logits}[:-1], traj.actions)")
    if "{ratio}" in code:
        names["ratio"] = _name_for(draft, "ratio", f"torch.exp({names['log_prob']} - traj.behaviour.log_prob)")
    if constant is not None:
        name, low, high = constant
        names["constant"] = draft.add_constant(name, log_uniform(stream, low, high))
    sign, old = terms[index]
    filled = expression(code.format(**names))
    if expanded_code(draft, filled).removeprefix("-") == expanded_code(draft, old) and (sign < 0) == code.startswith("-"):
        return None
    draft.set_terms([*terms[:index], (1, filled), *terms[index + 1 :]])
    tidy(draft)
    return phrase


def _policy_term(draft: Draft) -> int | None:
    """Index of the one term that multiplies advantages with the probability of actions."""
    found = sketch(draft)
    if found.advantage is None or found.logits is None:
        return None
    hits = []
    for index, (_, term) in enumerate(draft.terms):
        code = expanded_code(draft, term)
        uses = found.advantage in names_read(expression(code)) or found.advantage in code or found.advantage in names_read(term)
        if uses and "log_prob(" in code and f".{found.logits}" in code and "clamp(" + found.advantage not in code:
            hits.append(index)
    return hits[0] if hits else None


def _name_for(draft: Draft, name: str, code: str) -> str:
    """A local name whose value is `code`: one that is there, or a new one assigned before the return."""
    for statement in draft.loss.body:
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name) and ast.unparse(statement.value) == code:
            return statement.targets[0].id
    name = draft.fresh(name)
    draft.insert(f"{name} = {code}")
    return name


def treat_advantages(draft: Draft, stream: np.random.Generator, mates: Mates) -> str | None:
    """Squashes, normalises or re-weighs the advantages after they are computed; or undoes a normalisation."""
    found = sketch(draft)
    if found.advantage is None:
        return None
    position = draft.assigned(found.advantage)
    assert position is not None  # an advantage is a local that is assigned
    last = draft.loss.body[position]
    if isinstance(last, ast.Assign) and ast.unparse(last.value) == f"rl.normalize({found.advantage})" and stream.random() < 0.4:
        del draft.loss.body[position]
        return "advantages as they are"
    code, constant, phrase = pick(stream, TREATMENTS)
    filled = code.replace("{advantage}", found.advantage)
    if isinstance(last, ast.Assign) and constant is None and ast.unparse(last.value) == ast.unparse(expression(filled)):
        return None
    if constant is not None:
        name, low, high = constant
        filled = filled.replace("{constant}", draft.add_constant(name, log_uniform(stream, low, high)))
    draft.insert(f"{found.advantage} = {filled}", position + 1)
    return phrase
