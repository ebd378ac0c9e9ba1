"""One spec under every strategy: equal budgets, proposals made as the strategy says, and words only where the intervals allow them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from archive.records import Order
from archive.store import SqliteArchive, open_archive
from sandbox.records import Evaluation, Score
from sandbox.rules.references import reference_names, reference_text
from synth.claims import Word
from synth.holdout import KEY, HoldoutReport
from synth.proposers.edits.draft import Draft
from synth.spec import CampaignSpec
from synth.strategies import Comparison, compare_strategies
from tests.synth.doubles import spec
from tests.synth.endpoint import KEY as SECRET
from tests.synth.endpoint import Endpoint, good
from tests.synth.models import model_spec, run

STRATEGIES = ("evolve", "best-of-n", "random")
HOLDOUT = {"name": "holdout", "tasks": ("probe:two-armed",), "steps": 20, "seeds": 4}


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)


def wanted(strategy: str, url: str = "http://unused/v1", **changes: Any) -> CampaignSpec:
    return model_spec(url, name=strategy, search={"strategy": strategy}, **{"holdout": HOLDOUT, "evaluations": 20, **changes})


def orders(archive: SqliteArchive, name: str) -> list[Order]:
    placed = (archive.letters.order(name, number) for number in range(archive.progress(name)[0]))
    return [order for order in placed if order is not None and order.again is None and order.proposer != "reference"]


def compared(archive: SqliteArchive, specs: list[CampaignSpec]) -> Comparison:
    for each in specs:
        run(each, archive)
    return compare_strategies([(archive, each) for each in specs])


def check(comparison: Comparison) -> None:
    counts = [contender.evaluations for contender in comparison.contenders]
    assert max(counts) - min(counts) <= 1
    assert comparison.equal
    assert comparison.differs == ()
    assert comparison.on_holdout
    assert len(comparison.duels) == 3
    for duel in comparison.duels:
        gap = duel.difference
        assert gap is not None
        assert duel.word == (Word.BETTER if gap.low > 0 else Word.WORSE if gap.high < 0 else Word.LEVEL)
    for contender in comparison.contenders:
        assert contender.holdout is not None
        assert contender.holdout.n == 4
        assert contender.device_seconds >= 2 * contender.evaluations


def test_with_a_model() -> None:
    """The same answers are to be had by all; who asks no model spends no tokens."""
    archive = open_archive(None)
    with Endpoint(lambda prompt, count: f"```python\n{good(prompt).replace('0.5}', f'0.{count + 1:03}' + '}')}```") as endpoint:
        specs = [wanted(strategy, endpoint.url) for strategy in STRATEGIES]
        comparison = compared(archive, specs)
    check(comparison)
    calls = {contender.strategy: contender.spent.calls for contender in comparison.contenders}
    assert calls["random"] == 0
    assert calls["best-of-n"] >= 16
    assert calls["evolve"] >= 16
    samples = [order for order in orders(archive, "best-of-n") if order.operator != "repair"]
    assert {order.operator for order in samples} == {"fresh"}
    assert {order.parents for order in samples} == {()}
    assert len({order.prompts for order in samples}) == 1, "independent: nothing that the search finds reaches a prompt"
    assert len({order.prompts for order in orders(archive, "evolve")}) > 10
    assert {order.proposer for order in orders(archive, "random")} == {"mutation"}
    assert any(order.parents for order in orders(archive, "random"))


def test_with_mutation() -> None:
    archive = open_archive(None)
    specs = [spec_of_mutation(strategy) for strategy in STRATEGIES]
    check(compared(archive, specs))
    assert {order.parents for order in orders(archive, "best-of-n")} == {()}
    titles = {Draft.read(reference_text(name)).program.title.split(":")[0].rstrip(".") for name in reference_names()}
    for proposal in archive.proposals("best-of-n", 2):
        if proposal.again is None:
            assert proposal.parents == ()
            assert any(proposal.text.startswith(f'"""{title}') for title in titles), proposal.text[:80]
    assert all(order.parents for order in orders(archive, "evolve")[4:])


def spec_of_mutation(strategy: str) -> CampaignSpec:
    return spec(name=strategy, search={"strategy": strategy}, holdout=HOLDOUT, evaluations=20)


def test_random_parents_are_drawn_whatever_their_score() -> None:
    archive = open_archive(None)
    run(spec(name="random", search={"strategy": "random"}, evaluations=60, references=reference_names()), archive)
    scored = {elite.id for elite in archive.top("random", 99)}
    held = set(archive.occupancy("random").values())
    parents = {parent for order in orders(archive, "random") for parent in order.parents}
    assert parents <= scored
    assert parents - held, "who holds no cell is a parent too"
    assert not archive.activity("random").reevaluations or {order.again for order in orders(archive, "random")} == {None}


def test_what_differs_is_said() -> None:
    archive = open_archive(None)
    one, other = spec(name="a", evaluations=6), spec(name="b", evaluations=9, lag=3, seed=4)
    comparison = compared(archive, [one, other])
    assert comparison.differs == ("budget.evaluations", "campaign.lag")
    assert not comparison.equal


def test_without_a_holdout_words_need_intervals_that_do_not_touch() -> None:
    archive = open_archive(None)
    comparison = compared(archive, [spec(name=name, holdout=None, evaluations=6) for name in ("a", "b")])
    assert not comparison.on_holdout
    (duel,) = comparison.duels
    assert (duel.word, duel.difference) == (Word.LEVEL, None), "the same seed, the same search"


@pytest.mark.parametrize(("mean", "word"), [(0.5, Word.LEVEL), (5.0, Word.WORSE), (-5.0, Word.BETTER)])
def test_reports_whose_runs_cannot_be_compared_are_compared_by_interval(mean: float, word: Word, tmp_path: Path) -> None:
    archive = open_archive(tmp_path / "a.sqlite")
    specs = [spec(name=name, evaluations=6) for name in ("a", "b")]
    for each in specs:
        run(each, archive)
    report = HoldoutReport.model_validate_json(archive.get_value("b", KEY) or "")
    score = Score(mean=mean, low=mean - 0.1, high=mean + 0.1, n=2)
    first = report.finalists[0].model_copy(update={"evaluation": Evaluation(rung="holdout", score=score)})
    own = HoldoutReport.model_validate_json(archive.get_value("a", KEY) or "")
    level = Score(mean=0.5, low=0.3, high=0.7, n=2)
    ours = own.finalists[0].model_copy(update={"evaluation": Evaluation(rung="holdout", score=level)})
    archive.set_value("a", KEY, own.model_copy(update={"finalists": (ours,)}).model_dump_json())
    archive.set_value("b", KEY, report.model_copy(update={"finalists": (first,)}).model_dump_json())
    (duel,) = compare_strategies([(archive, each) for each in specs]).duels
    assert (duel.word, duel.difference) == (word, None)
