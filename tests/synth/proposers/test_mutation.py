from __future__ import annotations

import collections

import numpy as np
import pytest

from archive.records import Elite
from sandbox.errors import Gate
from sandbox.language import limits
from sandbox.language.program import parse
from sandbox.randomness import numpy_stream
from sandbox.records import GateJob, Shape
from sandbox.rules.references import reference_names, reference_text
from synth.proposers.base import Context, Proposed, Proposer
from synth.proposers.edits import EDITS
from synth.proposers.mutation import MutationProposer
from tests.sandbox.language.corpus import valid_programs

PROPOSER: Proposer = MutationProposer()


def elite(text: str, name: str) -> Elite:
    return Elite(
        id=name, title=name, text=text, proposer="", operator="", parents=(), number=0, campaign="", rung=0, score=None, descriptor=None
    )


REFERENCES = [elite(reference_text(name), name) for name in reference_names()]


def propose(number: int, *parents: Elite, seed: int = 0) -> Proposed:
    return PROPOSER.propose(Context(number=number, parents=parents), numpy_stream(seed, "test", number))


@pytest.fixture(scope="module")
def drawn() -> list[Proposed]:
    """Eight from every reference, half of them with a second parent."""
    return draw(8)


def draw(rounds: int, seed: int = 0) -> list[Proposed]:
    count = len(REFERENCES)
    return [
        propose(index, REFERENCES[index % count], *([REFERENCES[(index * 7 + 3) % count]] if index // count % 2 else []), seed=seed)
        for index in range(rounds * count)
    ]


def test_every_text_is_valid_and_new_and_uses_all_its_constants(drawn: list[Proposed]) -> None:
    check_valid(drawn)


@pytest.mark.slow
def test_hundreds_of_texts_are_valid() -> None:
    check_valid(draw(40, seed=6))


def check_valid(drawn: list[Proposed]) -> None:
    originals = {one.text for one in REFERENCES}
    for proposed in drawn:
        assert parse(proposed.text).warnings == ()
        assert proposed.text not in originals
        assert proposed.operator.startswith("mutate:")
        assert proposed.operator != "mutate:none"
    assert len({proposed.text for proposed in drawn}) > 0.9 * len(drawn)


def test_every_edit_is_drawn(drawn: list[Proposed]) -> None:
    counts = collections.Counter(name for proposed in drawn for name in proposed.operator.removeprefix("mutate:").split("+"))
    assert set(counts) == {edit.name for edit in EDITS}


def test_titles_say_what_changed(drawn: list[Proposed]) -> None:
    for proposed in drawn:
        program = parse(proposed.text)
        assert ", with " in program.title
        assert len(program.title) <= 140
        assert "Changed in turn: " in program.description


def test_parents_are_named(drawn: list[Proposed]) -> None:
    names = {one.id for one in REFERENCES}
    assert all(proposed.parents and set(proposed.parents) <= names for proposed in drawn)
    assert any(len(set(proposed.parents)) == 2 for proposed in drawn)


def test_the_same_stream_gives_the_same_text() -> None:
    for number in range(8):
        first, second = (propose(number, *REFERENCES[number : number + 2]) for _ in range(2))
        assert first == second
    assert len({propose(number, REFERENCES[0]).text for number in range(8)}) == 8


def test_without_parents_it_starts_from_a_reference() -> None:
    for number in range(6):
        proposed = propose(number, seed=1)
        assert proposed.parents == ()
        assert parse(proposed.text)


def test_a_parent_that_no_longer_parses_is_passed_over() -> None:
    proposed = propose(0, elite("not a program", "old"), REFERENCES[0])
    assert proposed.parents == (REFERENCES[0].id,)


def test_titles_and_texts_do_not_grow_without_end() -> None:
    parent = REFERENCES[5]
    for number in range(20):
        parent = elite(propose(number, parent, seed=2).text, str(number))
    program = parse(parent.text)
    assert len(program.title) <= 140
    assert program.title.count(", with ") == 1
    assert program.description.count("Changed in turn:") == 1
    assert len(program.description) < 2_500
    assert len(parent.text.split("\n")) <= limits.LINES


def test_programs_in_any_style_can_be_parents() -> None:
    styles = valid_programs()
    for number, (name, text) in enumerate(styles.items()):
        proposed = propose(number, elite(text, name), seed=3)
        assert parse(proposed.text).warnings == ()
        assert proposed.text != text


def test_untouched_code_stays_as_it_was_written() -> None:
    text = reference_text("ppo").replace("    logits = traj", "    # the policy being learned\n    logits = traj")
    proposed = [propose(number, elite(text, "ppo"), seed=4) for number in range(10)]
    assert sum("    # the policy being learned\n    logits = traj" in one.text for one in proposed) >= 7


@pytest.mark.slow
def test_most_mutants_pass_the_gates() -> None:
    import torch

    from sandbox.language.gates import GATE_SHAPES, run_gates
    from sandbox.language.trace import trace_reply

    torch.set_num_threads(1)
    shape = Shape(16, 4, 4)
    order = np.random.default_rng(0).permutation(len(REFERENCES))
    passed, refusals = 0, []
    for number in range(24):
        program = parse(propose(number, REFERENCES[int(order[number % len(order)])], seed=5).text)
        report = run_gates(GateJob(program=program, trace=trace_reply(program, (*GATE_SHAPES, shape), 0), shapes=(shape,)))
        passed += report.refusal is None
        refusals += [report.refusal] if report.refusal else []
    assert passed >= 0.75 * 24, refusals
    assert all(one.gate != Gate.PARSE for one in refusals)
