"""A campaign whose baseline is a meta-network: anchors, hold-out, cards and prompts, in arithmetic where it is worth what PPO is."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from archive.store import SqliteArchive, open_archive
from sandbox.records import LearnedRule, TrainJob
from synth.campaign import Campaign
from synth.card.archived import reproduce, skill_cards
from synth.holdout import judge_finalists, read_holdout
from synth.prompting.context import Briefer
from synth.prompting.render import Renderer
from synth.remembered import network_evaluation
from synth.spec import CampaignSpec
from tests.networks import write_network
from tests.synth.doubles import campaign, spec


class Searched:
    """A finished campaign; its network is gone since."""

    def __init__(self, cache: Path) -> None:
        write_network(cache / "mine.safetensors")
        self.archive: SqliteArchive = open_archive(None)
        self.spec: CampaignSpec = spec(baseline="mine", references=("a2c", "ppo"))
        self.campaign: Campaign
        self.campaign, executor = campaign(self.spec, self.archive)
        self.campaign.run()
        self.trained: list[TrainJob] = executor.trained
        (cache / "mine.safetensors").unlink()


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Searched:
    with pytest.MonkeyPatch.context() as patch:
        cache = tmp_path_factory.mktemp("cache")
        patch.setenv("LOSSMITH_CACHE", str(cache))
        return Searched(cache)


def test_it_is_trained_on_every_rung_once_and_everything_is_measured_against_it(searched: Searched) -> None:
    jobs = [job for job in searched.trained if isinstance(job.rule, LearnedRule)]
    assert len(jobs) == sum(len(rung.tasks) * rung.seeds for rung in searched.spec.all_rungs)
    assert {job.rule.sha256 for job in jobs if isinstance(job.rule, LearnedRule)} == {
        searched.spec.network and searched.spec.network.sha256
    }
    scores = {elite.operator: elite.score for elite in searched.archive.top("c", 50)}
    assert scores["ppo"] is not None  # as good as the baseline here
    assert scores["ppo"].mean == pytest.approx(1.0, abs=0.1)


def test_the_holdout_names_it_and_compares_the_references_with_it(searched: Searched) -> None:
    report = read_holdout(searched.archive, "c")
    assert report is not None
    assert report.baseline_name == "mine"
    assert report.baseline.score is not None
    assert [reference.id for reference in report.references] == ["a2c", "ppo"]
    assert all(finalist.against[0].rival == "mine" for finalist in report.finalists)


def test_without_its_file_what_was_trained_is_still_known(searched: Searched) -> None:
    for rung in searched.spec.all_rungs:
        evaluation = network_evaluation(searched.archive, searched.spec, rung)
        assert evaluation is not None
        assert evaluation.score is not None
        assert evaluation.score.mean == pytest.approx(1.0, abs=0.05)
    other = searched.spec.model_copy(
        update={"network": searched.spec.network and searched.spec.network.model_copy(update={"learning_rate": 0.1})}
    )
    assert network_evaluation(searched.archive, other, other.rung[0]) is None
    with pytest.raises(Exception, match="baseline import"):
        judge_finalists(searched.archive, searched.campaign.crew.judge, searched.spec, searched.archive)


def test_cards_have_skills_and_the_command_names_it(searched: Searched) -> None:
    best = searched.archive.top("c", 1)[0]
    result = searched.archive.result(best)
    cards = skill_cards(result, searched.spec)
    assert cards[0].score is not None
    command, note = reproduce(best, result, searched.spec, Path("a.sqlite"))
    words = shlex.split(command)
    assert words[words.index("--baseline") + 1] == "mine"
    assert words[words.index("--network-learning-rate") + 1] == "0.01"
    assert not note


def test_the_challenge_describes_it_and_says_where_a_program_stands(searched: Searched) -> None:
    worst = searched.archive.top("c", 50)[-1]
    briefing = Briefer(searched.spec, searched.archive).brief([worst])
    text = Renderer().render("challenge", briefing, 50_000).user
    assert "# The baseline to beat: mine" in text
    assert "no program but a learned update rule" in text
    assert "On `low`: score 1.0" in text
    assert "Against the baseline:\n- `probe:catch`: It ends " in text
    assert "way of making targets" in text
    refining = Renderer().render("refine", briefing, 50_000).user
    assert "Against the baseline:\n- `probe:catch`: It ends " in refining
    assert "# The baseline to beat" not in refining
