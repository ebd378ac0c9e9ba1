"""People in the loop: what they do reaches prompts and selection, is decided once, and repeats."""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from archive.records import Act, ActKind, Order
from archive.store import SqliteArchive, open_archive
from sandbox.records import program_id
from sandbox.rules.references import reference_text
from synth.budget import Ending
from synth.holdout import holdout_is_due, read_holdout
from synth.spec import CampaignSpec
from tests.synth.doubles import busy, campaign, spec, story
from tests.synth.endpoint import KEY, Endpoint, mixture
from tests.synth.models import model_spec, run
from tests.synth.test_models import patient, replaying, replies
from tests.synth.test_selection import orders


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def do(archive: SqliteArchive, kind: ActKind, program: str | None = None, text: str = "") -> None:
    archive.acts.do(Act(time=5.0, campaign="c", kind=kind, program_id=program, text=text))


def acting(archive: SqliteArchive, at: dict[int, Any]) -> None:
    """Has somebody act when so many results are told: after `tell`, when an order may be under way already."""
    tell = archive.tell

    def telling(result: Any) -> Any:
        status = tell(result)
        if result.number + 1 in at:
            at[result.number + 1]()
        return status

    archive.tell = telling  # type: ignore[method-assign]


def searched(wanted: CampaignSpec, at: Any = lambda archive: {}) -> SqliteArchive:
    archive = open_archive(None)
    run, _ = campaign(wanted, archive)
    acting(archive, at(archive))
    run.run()
    return archive


def parents(archive: SqliteArchive, start: int = 0) -> Counter[str]:
    return Counter(parent for order in orders(archive) if order.number >= start for parent in order.parents)


def test_what_is_pinned_is_a_parent_more_often() -> None:
    quiet = spec(evaluations=60, search={"reevaluations": 0})
    before = parents(searched(quiet))
    worst = reference_id("a2c")
    after = parents(searched(quiet, lambda archive: {2: lambda: do(archive, "pin", worst)}))
    assert before[worst] < 8
    assert after[worst] > 2 * before[worst] + 4


def reference_id(name: str) -> str:
    return program_id(reference_text(name))


def test_what_is_banned_is_never_a_parent_again_and_never_claimed() -> None:
    free = searched(spec(evaluations=40))
    claimed = read_holdout(free, "c")
    assert claimed is not None
    best = next(finalist.id for finalist in claimed.finalists if parents(free)[finalist.id])
    first = next(order.number for order in orders(free) if best in order.parents)

    def ban(archive: SqliteArchive) -> dict[int, Any]:
        return {first + 1: lambda: do(archive, "ban", best)}

    banned = searched(spec(evaluations=40), ban)
    (act,) = banned.acts.all("c")
    assert act.number is not None
    assert parents(banned)[best] > 0
    assert parents(banned, act.number)[best] == 0
    assert best not in [elite.id for elite in banned.top("c", 99)]
    report = read_holdout(banned, "c")
    assert report is not None
    assert len(report.finalists) == 2
    assert best not in [finalist.id for finalist in report.finalists]


def test_a_finalist_that_is_banned_after_the_end_is_claimed_no_more_and_another_is_judged() -> None:
    archive = searched(spec())
    report = read_holdout(archive, "c")
    assert report is not None
    do(archive, "ban", report.finalists[0].id)
    left = read_holdout(archive, "c")
    assert left is not None
    assert left.finalists == report.finalists[1:]
    assert holdout_is_due(archive, spec())
    campaign(spec(), archive)[0].run()
    again = read_holdout(archive, "c")
    assert again is not None
    assert again.finalists[0].id == report.finalists[1].id
    assert len(again.finalists) == 2


def test_a_program_by_hand_is_judged_like_any_other_and_nothing_after_it_is_trusted() -> None:
    archive = open_archive(None)
    run, _ = campaign(spec(search={"reevaluations": 0}), archive)
    acting(archive, {9: lambda: do(archive, "add", text="by hand 1#"), 10: lambda: do(archive, "add", text="by hand 2#")})
    run.run()
    made = {proposal.text: proposal for proposal in archive.proposals("c", 0) if proposal.proposer == "hand"}
    assert list(made) == ["by hand 1#", "by hand 2#"]
    for text, proposal in made.items():
        result = archive.result(archive.find(program_id(text)))
        assert (proposal.operator, proposal.parents) == ("add", ())
        assert result is not None
        assert result.evaluations or result.refusal
    first = min(proposal.number for proposal in made.values())
    assert {proposal.number < first for proposal in archive.proposals("c", 2) if run.desk.trusts(proposal)} == {True}
    assert not any(run.desk.trusts(proposal) for proposal in archive.proposals("c", first))
    assert all(run.desk.trusts(proposal) for proposal in archive.proposals("c", 0) if 0 <= proposal.number < first)


def test_an_act_between_a_decision_and_its_record_has_it_decided_again() -> None:
    archive = open_archive(None)
    run, _ = campaign(spec(), archive)
    place = archive.letters.place
    late = iter([lambda: do(archive, "add", text="late#")])

    def placing(order: Order) -> bool:
        if order.number == 12:
            next(late, lambda: None)()
        return place(order)

    archive.letters.place = placing  # type: ignore[method-assign]
    run.run()
    order = archive.letters.order("c", 12)
    assert order is not None
    assert order.proposer == "hand"
    assert [act.number for act in archive.acts.all("c")] == [12]


def test_acts_reach_the_prompts_from_their_number_on() -> None:
    archive = open_archive(None)
    ppo, a2c = reference_id("ppo"), reference_id("a2c")

    def act() -> None:
        do(archive, "note", text="Try target heads.")
        do(archive, "note", ppo, "A classic.")
        do(archive, "ban", text="reward clipping")
        do(archive, "ban", a2c)
        do(archive, "pin", ppo)
        do(archive, "lessons", text="- Patience is overrated.")

    acting(archive, {12: act})
    with Endpoint(patient) as endpoint:
        run(model_spec(endpoint.url, calls=30, proposer={"insights_every": 0}), archive)
    number = archive.acts.all("c")[0].number
    assert number is not None
    written = [order for order in orders(archive) if order.prompts]
    marks = ("Try target heads.", "reward clipping", "They think highly of these programs", "They have ruled these programs out")
    for order in written:
        said = order.prompts[0].user
        for mark in marks:
            assert (mark in said) == (order.number >= number), (order.number, mark)
        lessons = "Patience is overrated." in said
        assert lessons == (order.number >= number and order.operator != "repair")
        if ppo in order.parents and order.number >= number:
            assert "A classic." in said
    assert sum(order.number >= number for order in written) > 5
    assert sum(order.number < number for order in written) > 5


def test_a_model_that_knows_lessons_by_hand_writes_the_next() -> None:
    archive = open_archive(None)
    acting(archive, {6: lambda: do(archive, "lessons", text="- Patience is overrated.")})
    with Endpoint(patient) as endpoint:
        run(model_spec(endpoint.url, calls=40, proposer={"insights_every": 12}), archive)
    said = [order.prompts[0].user for order in orders(archive) if order.prompts and order.operator != "repair"]
    kinds = ["hand" if "Patience is overrated." in text else "model" if "Nothing works but patience." in text else "none" for text in said]
    assert list(dict.fromkeys(kinds)) == ["none", "hand", "model"]


def test_a_recording_repeats_what_people_did_when_they_did_it(tmp_path: Path) -> None:
    """Somebody acts now and then, over a connection of their own; the recording alone gives the same campaign."""
    recorded, again = open_archive(tmp_path / "a.sqlite"), open_archive(None)
    ppo, a2c = reference_id("ppo"), reference_id("a2c")
    acts: list[tuple[ActKind, str | None, str]] = [
        ("pin", ppo, ""),
        ("note", None, "More."),
        ("ban", a2c, ""),
        ("ban", None, "reward clipping"),
        ("unpin", ppo, ""),
        ("ban", ppo, ""),
        ("unban", a2c, ""),
        ("lessons", None, "- None."),
        ("unban", ppo, ""),
    ]
    person = open_archive(tmp_path / "a.sqlite")
    with Endpoint(mixture) as endpoint:
        wanted = model_spec(endpoint.url, calls=40, search={"islands": 2, "migrate_every": 5, "reevaluations": 1})
        recorded.create_campaign("c", wanted.model_dump_json())
        acting(recorded, {3 * place + 4: partial(do, person, *act) for place, act in enumerate(acts)})
        run(wanted, recorded)
    person.close()
    known = recorded.acts.all("c")
    assert len([act for act in known if act.number is not None]) == len(acts)
    assert run(replaying(wanted, tmp_path / "a.sqlite"), again) == Ending.CALLS
    assert story(again) == story(recorded)
    assert replies(again) == replies(recorded)
    assert orders(again) == orders(recorded)
    assert again.acts.all("c") == known
    assert again.occupancy("c") == recorded.occupancy("c")


class Killed(BaseException):
    """As a SIGKILL: nothing of ours catches it."""


@pytest.mark.parametrize("fatal", range(1, 5))
def test_killed_around_an_act_it_goes_on_as_if_it_never_had_been(fatal: int, tmp_path: Path) -> None:
    wanted = busy(evaluations=18)
    best = reference_id("ppo")

    def acts(archive: SqliteArchive) -> dict[int, Any]:
        return {
            8: lambda: do(archive, "ban", best),
            11: lambda: do(archive, "add", text="by hand#"),
            14: lambda: do(archive, "unban", best),
        }

    whole = searched(wanted, acts)
    archive = open_archive(tmp_path / "a.sqlite")
    doomed, _ = campaign(wanted, archive, jitter=0.005)
    acting(archive, acts(archive))
    writes = 0
    for owner, name in ((archive.letters, "place"), (archive.acts, "adopt")):

        def dying(*arguments: Any, write: object = getattr(owner, name)) -> Any:
            nonlocal writes
            if archive.acts.all("c"):
                writes += 1
                if writes == 2 * fatal:
                    raise Killed
            return write(*arguments)  # type: ignore[operator]

        setattr(owner, name, dying)
    with pytest.raises(Killed):
        doomed.run()
    archive.close()
    resumed = open_archive(tmp_path / "a.sqlite")
    left = {told: act for told, act in acts(resumed).items() if told > resumed.progress("c")[1]}
    acting(resumed, left)
    campaign(wanted, resumed, jitter=0.005)[0].run()
    assert story(resumed) == story(whole)
    assert [act.number for act in resumed.acts.all("c")] == [act.number for act in whole.acts.all("c")]
    assert resumed.occupancy("c") == whole.occupancy("c")
