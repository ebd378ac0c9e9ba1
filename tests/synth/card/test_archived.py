"""What an archive's programs have on their cards: rungs, skills in units of the baseline, ancestors, and a command that says it all."""

import shlex
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from archive.base import Archive
from archive.store import open_archive
from sandbox.records import program_id
from sandbox.rules.references import reference_text
from sandbox.tasks.probes import META_WORLDS
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


def test_skills_are_measured_from_random_play_to_the_best_policy(archive: Archive, spec: CampaignSpec) -> None:
    """Whatever the campaign's baseline. Returns are out of this world here, 10 for ppo, where Catch's best policy has 1."""
    baseline = archive.find(program_id(reference_text("ppo")))
    catch, delayed = skill_cards(archive.result(baseline), spec)
    assert (catch.task, catch.skill) == ("probe:catch", "credit over a few steps")
    for card, chance, optimum in ((catch, -0.75, 1.0), (delayed, 0.0, 1.0)):
        assert card.score is not None
        assert card.score.mean == pytest.approx((np.mean(card.returns) - chance) / (optimum - chance), rel=0.05)
        assert len(card.returns) == card.score.n >= 2


def test_where_no_best_policy_is_known_returns_stand_alone(archive: Archive, spec: CampaignSpec) -> None:
    baseline = archive.result(archive.find(program_id(reference_text("ppo"))))
    assert baseline is not None
    low, high = (rung.model_copy(update={"tasks": (f"probe:{world}",)}) for rung, world in zip(spec.rung, META_WORLDS, strict=False))
    found = []
    for evaluation, rung in zip(baseline.evaluations, (low, high), strict=True):
        runs = tuple(run.model_copy(update={"task": rung.tasks[0]}) for run in evaluation.runs)
        found.append(evaluation.model_copy(update={"runs": runs}))
    cards = skill_cards(baseline.model_copy(update={"evaluations": tuple(found)}), spec.model_copy(update={"rung": (low, high)}))
    assert [card.task for card in cards] == ["probe:random-mdp", "probe:corridor"]
    assert all(card.score is None and card.returns for card in cards)


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
    agent = spec.agent.model_copy(update={"threads": 2, "num_envs": 8, "hidden": (32,)})
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
        "--threads": "2",
        "--num-envs": "8",
    }
    assert "hidden" in note
    assert reproduce(baseline, archive.result(baseline), spec, Path("a"))[1] == ""
