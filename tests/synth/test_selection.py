"""Re-evaluation, islands and races inside a campaign: what they promise, whatever the timing and whatever kills it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from archive.base import Archive
from archive.records import Order
from archive.store import open_archive
from sandbox.errors import BudgetExhausted
from synth.holdout import read_holdout
from tests.synth.doubles import busy, campaign, spec, story


def orders(archive: Archive) -> list[Order]:
    placed = (archive.letters.order("c", number) for number in range(archive.progress("c")[0]))
    return [order for order in placed if order is not None]


def whole(**changes: object) -> Archive:
    archive = open_archive(None)
    campaign(busy(**changes), archive)[0].run()
    return archive


def test_a_program_is_a_parent_once_before_it_is_evaluated_again() -> None:
    """While it is being so it rests: proposal k knows results up to k − lag."""
    archive = whole()
    ids = {proposal.number: archive.result_of("c", proposal.number) for proposal in archive.proposals("c", 0) if proposal.again is None}
    first: dict[str, int] = {}
    uses: Counter[str] = Counter()
    rested: list[int] = []
    for order in orders(archive):
        if order.again is not None:
            found = ids[order.again]
            assert found is not None
            first.setdefault(found.program_id, order.number)
            rested.append(order.number)
        for parent in order.parents:
            uses[parent] += 1
            assert uses[parent] == 1 or first[parent] + 5 <= order.number, f"{parent} at {order.number}"
    assert len(rested) > 5
    assert max(uses.values()) > 2


def test_the_best_has_been_evaluated_as_often_as_may_be_when_the_search_had_time_for_it() -> None:
    archive = whole(evaluations=60)
    settled = [elite for elite in archive.top("c", 3) if elite.evaluated == 3]
    assert settled
    for elite in settled:
        result = archive.result(elite)
        assert result is not None
        runs = result.evaluations[elite.rung].runs
        assert len({(run.task, run.seed) for run in runs}) == len(runs) == 2 * 5 * 3, "two tasks, five seeds, three times, none twice"
        assert elite.score is not None
        assert elite.score.n == len(runs)
    assert max(elite.evaluated for elite in archive.top("c", 99)) == 3, "and no oftener"


def test_no_reevaluations_where_none_are_wanted() -> None:
    archive = open_archive(None)
    campaign(spec(search={"reevaluations": 0}), archive)[0].run()
    assert all(order.again is None for order in orders(archive))
    assert archive.activity("c").reevaluations == 0


def test_every_island_has_its_programs_and_gets_the_best_of_another() -> None:
    archive = whole()
    activity = archive.activity("c", 3)
    assert all(activity.elites)
    assert activity.migrations > 2
    assert activity.last_migration is not None
    assert activity.last_migration % 4 == 0
    born = {proposal.number % 3 for proposal in archive.proposals("c", 0)}
    assert born == {0, 1, 2}


def test_races_save_trainings_and_stop_only_what_is_below_its_bar() -> None:
    archive = whole()
    activity = archive.activity("c", 3)
    assert activity.stopped > 2
    assert activity.saved >= 2 * activity.stopped
    for *_, result in story(archive):
        for evaluation in result.evaluations:
            if evaluation.saved:
                assert evaluation.score is not None
                assert evaluation.bar is not None
                assert evaluation.won or evaluation.score.mean < evaluation.bar
                assert evaluation.score.n + evaluation.saved == 10


def test_timing_changes_nothing() -> None:
    stories = []
    for jitter, workers in ((0.0, 1), (0.02, 4)):
        archive = open_archive(None)
        campaign(busy(evaluations=20), archive, jitter=jitter, workers=workers)[0].run()
        stories.append((story(archive), orders(archive), archive.occupancy("c"), archive.activity("c", 3), read_holdout(archive, "c")))
    assert stories[0] == stories[1]


class Killed(BaseException):
    """As a SIGKILL: nothing of ours catches it."""


@pytest.mark.parametrize("fatal", [3, 14, 23, 31, 40])
def test_killed_between_any_two_writes(fatal: int, tmp_path: Path) -> None:
    """The writes that decide: orders, results, and migrations, the last of which come between a result and the next order."""
    expected = whole(evaluations=15)
    archive = open_archive(tmp_path / "a.sqlite")
    run, _ = campaign(busy(evaluations=15), archive, jitter=0.005)
    writes = 0
    for owner, name in ((archive.letters, "place"), (archive, "tell"), (archive, "migrate")):

        def dying(*arguments: object, write: object = getattr(owner, name)) -> object:
            nonlocal writes
            writes += 1
            if writes == fatal:
                raise Killed
            return write(*arguments)  # type: ignore[operator]

        setattr(owner, name, dying)
    with pytest.raises(Killed):
        run.run()
    archive.close()
    resumed = open_archive(tmp_path / "a.sqlite")
    try:
        campaign(busy(evaluations=15), resumed, jitter=0.005)[0].run()
    except BudgetExhausted:
        pytest.fail("it had more to do")
    assert story(resumed) == story(expected)
    assert orders(resumed) == orders(expected)[: len(orders(resumed))]
    assert resumed.activity("c", 3) == expected.activity("c", 3)
    assert read_holdout(resumed, "c") == read_holdout(expected, "c")
