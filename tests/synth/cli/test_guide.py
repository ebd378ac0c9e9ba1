"""The page on models, typed as it stands: all its commands of `lossmith`, at a real endpoint, with trainings that are arithmetic."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from archive.base import Archive
from sandbox.records import program_id
from sandbox.rules.references import reference_text
from synth.campaign import Campaign
from synth.proposers.section import ProposerSection
from synth.spec import CampaignSpec, load_spec
from tests.synth.cli.conftest import Command
from tests.synth.endpoint import KEY, Endpoint
from tests.synth.models import model_campaign
from tests.synth.test_models import patient

PAGE = (Path(__file__).parents[3] / "docs" / "models.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
SECTION = (
    '[proposer]\nkind = "openai"\nmodel = "gpt-5-mini"\nbase_url = "{url}"\nmax_tokens = 16000\nextra = {{reasoning_effort = "low"}}\n'
)


def commands() -> list[list[str]]:
    lines = [line for language, block in BLOCKS if not language for line in block.splitlines()]
    return [words[1:] for line in lines if (words := shlex.split(line, comments=True)) and words[0] == "lossmith"]


def test_hours_and_money_come_first() -> None:
    assert re.findall(r"^## (.*)$", PAGE, re.MULTILINE)[0] == "Hours and money"


@pytest.mark.parametrize("block", [block for language, block in BLOCKS if language == "toml"])
def test_every_piece_of_a_spec_can_be_written(block: str) -> None:
    document = tomllib.loads(block)
    sections = document.get("proposer", [])
    for section in sections if isinstance(sections, list) else [sections]:
        ProposerSection.model_validate(section)
    assert document.keys() <= {"proposer", "budget"}
    if "budget" in document:
        CampaignSpec.model_fields["budget"].annotation.model_validate(document["budget"])  # type: ignore[union-attr]


@pytest.mark.slow
def test_every_command_does_what_it_says(command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    @contextmanager
    def arithmetic(spec: CampaignSpec, archive: Archive, interrupted: Any) -> Iterator[Campaign]:
        campaign, stack = model_campaign(spec, archive)
        with stack:
            yield campaign

    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setattr("synth.start.open_campaign", arithmetic)
    (tmp_path / "mine.py").write_text(reference_text("a2c").replace("A2C", "Mine", 1))
    (tmp_path / "lessons.md").write_text("- Haste works.\n")
    typed = commands()
    assert len(typed) >= 14
    with Endpoint(patient) as endpoint:
        for words in typed:
            outcome = command(*spelled(words, command))
            assert outcome.code == 0, (words, outcome.err)
            assert KEY not in outcome.out + outcome.err
            if words[0] == "init":
                _write_the_section(tmp_path / "campaign.toml", endpoint.url)
        assert endpoint.answered
    assert command("status", "--archive", "again.sqlite", "--json").json["spent"] == command("status", "first", "--json").json["spent"]
    people = command("status", "first", "--json").json["people"]
    assert [act["kind"] for act in people["acts"]] == ["note", "pin", "ban", "ban", "add", "lessons"]
    assert people["acts"][4]["text"] == (tmp_path / "mine.py").read_text()
    assert program_id(people["acts"][4]["text"])


def spelled(words: list[str], command: Command) -> list[str]:
    """With names in the place of names: a pin and a ban are of different programs, and `add` needs no bubblewrap here."""
    if words[0] in {"pin", "ban", "note"} and "ID" in words:
        place = {"note": 0, "pin": 1, "ban": 2}[words[0]]
        one = command("top", "first", "--json").json[place]["id"]
        words = [*(one if word == "ID" else word for word in words), "--campaign", "first"]
    elif words[0] in {"ban", "insights", "add"}:
        words = [*words, "--campaign", "first"] if words[0] != "insights" else [words[0], "first", *words[1:]]
    return [*words, "--unsafe"] if words[0] == "add" else words


def _write_the_section(path: Path, url: str) -> None:
    """As the page says: in the file, with a budget; this one at the endpoint of the test."""
    text = re.sub(r'\[proposer\]\nkind = "mutation".*\n', SECTION.format(url=url), path.read_text())
    path.write_text(text.replace("evaluations = 40 ", "money = 2.0\nevaluations = 14 "))
    assert load_spec(path).proposer[0].model == "gpt-5-mini"
