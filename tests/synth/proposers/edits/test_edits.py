from __future__ import annotations

import ast
from collections.abc import Callable

import numpy as np
import pytest

from sandbox.language.program import parse
from sandbox.rules.references import reference_names, reference_text
from synth.proposers.edits import EDITS
from synth.proposers.edits.draft import Draft, expression
from synth.proposers.edits.kinds import ROWS, STEPS, kind_of, kinds_of
from synth.proposers.edits.printing import print_program, signed_terms, sum_of
from synth.proposers.edits.sketch import discounts, sketch
from synth.proposers.edits.tidy import tidy
from tests.sandbox.language.corpus import valid_programs

DRAFTS = {name: Draft.read(reference_text(name)) for name in reference_names()}
BY_NAME = {edit.name: edit for edit in EDITS}


def outcomes(name: str, tries: int = 6) -> list[tuple[Draft, Draft, str]]:
    """(before, after, phrase) of an edit over all references and a few streams, where it applies."""
    found = []
    for index, before in enumerate(DRAFTS.values()):
        mates = tuple(list(DRAFTS.values())[index - 2 : index] or [DRAFTS["ppo"]])
        for seed in range(tries):
            after = before.copy()
            phrase = BY_NAME[name].apply(after, np.random.default_rng(seed), mates)
            if phrase is not None:
                found.append((before, after, phrase))
    return found


def code(draft: Draft) -> str:
    return ast.unparse(draft.loss)


def declared(draft: Draft, part: str) -> str:
    table = draft.declared(part)
    return ast.unparse(table) if table else ""


def only_declaration(part: str) -> Callable[[Draft, Draft], bool]:
    others = [one for one in ("HEADS", "CONSTANTS", "TRAINING", "ACT") if one != part]

    def check(before: Draft, after: Draft) -> bool:
        same = all(declared(before, one) == declared(after, one) for one in others)
        return same and code(before) == code(after) and declared(before, part) != declared(after, part)

    return check


def more_terms(before: Draft, after: Draft) -> bool:
    return len(after.terms) == len(before.terms) + 1 and len(after.constants) > len(before.constants)


def as_many_terms(before: Draft, after: Draft) -> bool:
    return len(after.terms) == len(before.terms)


def calls(draft: Draft) -> list[str]:
    return sorted(ast.unparse(node.func) for node in ast.walk(draft.tree) if isinstance(node, ast.Call))


SAYS: dict[str, Callable[[Draft, Draft], bool]] = {
    "perturb-constant": lambda before, after: code(before) == code(after) and set(before.constants) == set(after.constants),
    "change-training": only_declaration("TRAINING"),
    "change-exploration": only_declaration("ACT"),
    "tune-literal": lambda before, after: len(after.constants) == len(before.constants) + 1 and as_many_terms(before, after),
    "add-term": more_terms,
    "drop-term": lambda before, after: len(after.terms) == len(before.terms) - 1 and "traj.actions" in code(after),
    "scale-term": lambda before, after: as_many_terms(before, after) and before.constants == after.constants,
    "weigh-term": lambda before, after: as_many_terms(before, after) and "term_cost" in after.constants,
    "change-policy-term": lambda before, after: as_many_terms(before, after) and before.terms != after.terms,
    "treat-advantages": lambda before, after: abs(len(after.loss.body) - len(before.loss.body)) == 1,
    "change-estimator": lambda before, after: calls(before) != calls(after),
    "change-q-target": lambda before, after: as_many_terms(before, after) and "traj.rewards" in code(after),
    "change-view": lambda before, after: len(after.loss.body) == len(before.loss.body),
    "change-error": lambda before, after: as_many_terms(before, after) or "- 1" in code(after),
    "change-rewards": lambda before, after: code(after).count("traj.rewards") <= 2 and "rewards = " in code(after),
    "add-head": lambda before, after: len(after.heads) == len(before.heads) + 1 and len(after.terms) > len(before.terms),
    "carry-average": lambda before, after: (
        (after.function("initial_state") is not None and "rl.ema(" in code(after)) or "log_price" in code(after)
    ),
    "take-term": lambda before, after: " of " in "".join(after.phrases) or code(before) != code(after),
    "swap-function": lambda before, after: calls(before) != calls(after),
    "bound-weights": lambda before, after: len(calls(after)) == len(calls(before)) + 1,
}


@pytest.mark.parametrize("name", BY_NAME)
def test_an_edit_changes_what_it_says_and_gives_valid_programs(name: str) -> None:
    found = outcomes(name)
    assert found, f"{name} applies to no reference"
    valid = 0
    for before, after, phrase in found:
        assert SAYS[name](before, after), (phrase, after.text())
        assert phrase == phrase.strip()
        assert len(phrase) < 90
        text = after.text()
        valid += text == before.program.text or parse(text) is not None
    assert valid == len(found)


@pytest.mark.parametrize("name", BY_NAME)
def test_an_edit_leaves_its_parent_alone(name: str) -> None:
    texts = {key: draft.text() for key, draft in DRAFTS.items()}
    outcomes(name, tries=2)
    assert {key: draft.text() for key, draft in DRAFTS.items()} == texts


@pytest.mark.parametrize("text", [*map(reference_text, reference_names()), *valid_programs().values()])
def test_an_unchanged_draft_prints_as_it_was_written(text: str) -> None:
    assert Draft.read(text).text() == text


@pytest.mark.parametrize("text", [*map(reference_text, reference_names()), *valid_programs().values()])
def test_a_program_printed_anew_means_the_same(text: str) -> None:
    tree = ast.parse(text)  # nothing remembered: every statement is laid out by the printer
    printed = print_program(tree)
    parsed = parse(printed)
    assert ast.dump(ast.parse(printed)) == ast.dump(ast.parse(text)) or _sums_equal(printed, text)
    assert parsed.heads == parse(text).heads


def _sums_equal(first: str, second: str) -> bool:
    """Long sums may be printed with their signs moved: `-a + b` and `b - a` are compared term by term."""
    results = [Draft.read(text).terms for text in (first, second)]
    return [(sign, ast.unparse(term)) for sign, term in results[0]] == [(sign, ast.unparse(term)) for sign, term in results[1]]


def test_statements_that_share_a_line_are_printed_apart() -> None:
    text = (
        reference_text("dqn")
        .replace("    best = ", "    one = 1; two = 2\n    best = ")
        .replace("+ c.discount", "+ one * two / 2 * c.discount")
    )
    draft = Draft.read(text)
    draft.declare("TRAINING", "epochs", 2)
    draft.insert("spare = 1")
    assert "one = 1\n" in draft.text()
    assert parse(draft.text()).training.epochs == 2


def test_terms_are_read_with_their_signs() -> None:
    terms = signed_terms(expression("-a + (b - c * d) - (-e) - 2 * (f + g)"))
    assert [(sign, ast.unparse(term)) for sign, term in terms] == [
        (-1, "a"),
        (1, "b"),
        (-1, "c * d"),
        (1, "e"),
        (-1, "2 * (f + g)"),
    ]
    values = {"a": 1.0, "b": 2.0, "c": 3.0, "d": 5.0, "e": 7.0, "f": 11.0, "g": 13.0}
    assert eval(ast.unparse(sum_of(terms)), values) == eval("-a + (b - c * d) - (-e) - 2 * (f + g)", values)


def test_kinds_follow_shapes() -> None:
    draft = DRAFTS["ppo"]
    kinds = kinds_of(draft)
    assert kinds["advantages"] == kinds["ratio"] == kinds["value_loss"] == STEPS
    assert kinds["logits"] == ("T", "B", "A")
    for text, kind in (
        ("traj.online.value", ROWS),
        ("traj.rewards + traj.online.value", None),
        ("torch.mean(traj.online.logits ** 2, -1)", ROWS),
        ("torch.mean(traj.rewards)", ()),
        ("(c.discount * traj.continues).unsqueeze(-1)", (*STEPS, "1")),
        ("rl.select(traj.online.logits[1:], traj.actions)", STEPS),
        ("something(traj)", None),
    ):
        assert kind_of(expression(text), kinds, draft) == kind, text


def test_a_sketch_names_the_parts() -> None:
    assert sketch(DRAFTS["ppo"]).names() == {"logits": "logits", "value": "value", "advantage": "advantages"}
    assert sketch(DRAFTS["dqn"]).names() == {"q": "q"}
    assert sketch(DRAFTS["categorical_retrace"]).names() == {}
    assert discounts(DRAFTS["ppo"]) == "c.discount * traj.continues"


def test_tidy_removes_what_nothing_reads() -> None:
    draft = DRAFTS["ppo"].copy()
    draft.set_terms(draft.terms[:1])
    tidy(draft)
    assert set(draft.heads) == {"logits", "value"}  # the value is still the critic
    assert set(draft.constants) == {"discount", "gae_lambda", "clip"}
    assert "value_loss" not in draft.text()
    assert parse(draft.text()).warnings == ()


def test_bounds_of_a_constant_are_kept() -> None:
    draft = Draft.read(valid_programs()["soft_q"])
    for seed in range(12):
        changed = draft.copy()
        BY_NAME["perturb-constant"].apply(changed, np.random.default_rng(seed), ())
        temperature = next(one for one in parse(changed.text()).constants if one.name == "temperature")
        assert 0.01 <= temperature.value <= 1.0
