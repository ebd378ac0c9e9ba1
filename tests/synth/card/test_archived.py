"""What an archive's programs have on their cards: rungs, skills in units of the baseline, ancestors, and a command that says it all."""

import shlex
from itertools import pairwise
from pathlib import Path

import pytest

from archive.base import Archive
from archive.store import open_archive
from sandbox.records import program_id
from sandbox.rules.references import reference_text
from synth.card.archived import ancestor_cards, reproduce, rung_cards, skill_cards
from synth.spec import CampaignSpec
from tests.synth import doubles


@pytest.fixture(scope="module")
def archive() -> Archive:
    """A finished campaign; see `doubles` for what trainings are worth there: random play 0, ppo 10, plus luck below 0.5."""
    archive = open_archive(None)
    doubles.campaign(doubles.spec(), archive)[0].run()
    return archive


@pytest.fixture(scope="module")
def spec(archive: Archive) -> CampaignSpec:
    return CampaignSpec.model_validate_json(archive.campaign_spec("c"))


def test_skills_are_normalised_by_the_trainings_that_the_archive_keeps(archive: Archive, spec: CampaignSpec) -> None:
    baseline = archive.find(program_id(reference_text("ppo")))
    (catch, delayed) = skill_cards(archive, archive.result(baseline), spec)
    assert (catch.task, catch.skill) == ("probe:catch", "credit over a few steps")
    for card in (catch, delayed):
        assert card.score is not None
        assert card.score.mean == pytest.approx(1.0, abs=0.02)
        assert len(card.returns) == card.score.n >= 2
    other = archive.find(program_id(reference_text("a2c")))  # as good as random play
    (card,) = skill_cards(archive, archive.result(other), spec)
    assert card.score is not None
    assert abs(card.score.mean) < 0.05


def test_without_the_anchors_returns_stand_alone(archive: Archive, spec: CampaignSpec) -> None:
    baseline = archive.find(program_id(reference_text("ppo")))
    unknown = spec.model_copy(update={"campaign": spec.campaign.model_copy(update={"seed": 99})})
    assert all(card.score is None and card.returns for card in skill_cards(archive, archive.result(baseline), unknown))


def test_rungs_have_their_scores_and_tasks(archive: Archive, spec: CampaignSpec) -> None:
    baseline = archive.find(program_id(reference_text("ppo")))
    assert [(card.rung, card.tasks) for card in rung_cards(archive.result(baseline), spec)] == [
        ("low", ("probe:catch",)),
        ("high", ("probe:delayed-credit",)),
    ]


def test_ancestors_come_once_each_with_their_depth(archive: Archive) -> None:
    elites = [archive.find(program_id(one.text)) for one in archive.proposals("c", 0)]
    deepest = max(elites, key=lambda elite: len(ancestor_cards(archive, elite)))
    cards = ancestor_cards(archive, deepest)
    assert cards[0].id == deepest.id
    assert len({card.id for card in cards}) == len(cards) > 1
    assert all(later.depth <= earlier.depth + 1 for earlier, later in pairwise(cards))


def test_the_command_says_everything_that_differs(archive: Archive, spec: CampaignSpec) -> None:
    baseline = archive.find(program_id(reference_text("ppo")))
    agent = spec.agent.model_copy(update={"num_envs": 8, "hidden": (32,)})
    changed = spec.model_copy(update={"agent": agent, "campaign": spec.campaign.model_copy(update={"seed": 7})})
    command, note = reproduce(baseline, archive.result(baseline), changed, Path("my archive.sqlite"))
    words = shlex.split(command)
    assert words[:3] == ["lossmith", "evaluate", baseline.id]
    options = dict(zip(words[3::2], words[4::2], strict=True))
    assert options == {
        "--archive": "my archive.sqlite",
        "--tasks": "probe:delayed-credit",
        "--steps": "20",
        "--seeds": "2",
        "--episodes": "16",
        "--seed": "7",
        "--baseline": "ppo",
        "--rung": "high",
        "--num-envs": "8",
    }
    assert "hidden" in note
    assert reproduce(baseline, archive.result(baseline), spec, Path("a"))[1] == ""
