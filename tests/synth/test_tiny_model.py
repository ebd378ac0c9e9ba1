"""A model that this test makes, teaches for a minute and saves: its samples pass the parse gate, and a campaign runs on it."""

from __future__ import annotations

from pathlib import Path

import pytest

from archive.records import Prompt
from archive.store import open_archive
from sandbox.errors import Refusal
from sandbox.language.program import parse
from sandbox.language.reply import find_program
from synth.proposers.model import Question
from synth.proposers.section import ProposerSection
from synth.proposers.transformers_local import LocalModel
from tests.synth.test_models_real import lossmith
from tests.synth.tiny_model import mutated, train

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
STEPS, PROGRAMS, TEMPERATURE, TOKENS = 500, 600, 0.4, 320

SPEC = """
[campaign]
name = "c"
lag = 3
references = ["a2c"]
[budget]
evaluations = 30
calls = 16
[proposer]
kind = "transformers"
model = "model"
prompts = "prompts"
operators = ["fresh"]
insights_every = 0
temperature = {temperature}
max_tokens = {tokens}
[[rung]]
name = "credit"
tasks = ["probe:immediate-credit"]
steps = 5000
seeds = 1
evaluation_episodes = 64
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the model, and prompts as short as those it was taught with."""
    path = tmp_path_factory.mktemp("taught")
    for name, text in (("system", "Write."), ("fresh", "{{ briefing.campaign }}"), ("repair", "{{ briefing.campaign }}")):
        (path / "prompts").mkdir(exist_ok=True)
        (path / "prompts" / f"{name}.md.j2").write_text(text)
    loss = train(path / "model", "Write.\n\n\nc\n\n\n", steps=STEPS, programs=PROGRAMS)
    assert loss < 1.5, "it has learned something"
    (path / "spec.toml").write_text(SPEC.format(temperature=TEMPERATURE, tokens=TOKENS))
    return path


def parsed(text: str) -> str | None:
    try:
        return parse(find_program(text) or "").text
    except Refusal:
        return None


def test_one_sample_in_five_is_a_program_and_not_one_it_was_shown(folder: Path) -> None:
    section = ProposerSection(kind="transformers", model=str(folder / "model"), max_tokens=TOKENS, temperature=TEMPERATURE)
    model = LocalModel(section)
    prompt = Prompt(operator="fresh", system="Write.\n", user="c\n")
    answers = [model(Question(number=0, turn=0, prompt=prompt, seed=seed)) for seed in range(40)]
    programs = {text for answer in answers if (text := parsed(answer.text)) is not None}
    assert sum(parsed(answer.text) is not None for answer in answers) >= 8
    assert programs - set(mutated(PROGRAMS)), "it does not only recite"


def test_a_campaign_runs_on_it(folder: Path) -> None:
    outcome = lossmith(folder, "run", "spec.toml", "--archive", "a.sqlite")
    assert outcome["ending"] == "calls"
    assert outcome["spent"]["calls"] == 16
    assert outcome["spent"]["money"] == 0
    assert outcome["funnel"]["parsed"] >= 1 + 3
    archive = open_archive(folder / "a.sqlite")
    scored = [elite for elite in archive.top("c", 99) if elite.proposer == "model"]
    archive.close()
    assert scored, "some of what it wrote has trained agents"
