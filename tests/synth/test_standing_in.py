"""An endpoint that dies while there are other proposers: it rests, they carry on, it is asked again; a replay repeats who stood in."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from archive.records import Order, Prompt
from archive.store import SqliteArchive, open_archive
from sandbox.errors import ModelUnavailable
from synth import roster
from synth.budget import Ending
from synth.proposers.base import Author
from synth.spec import CampaignSpec
from synth.standing_in import candidates
from tests.synth.doubles import story
from tests.synth.endpoint import KEY, Endpoint
from tests.synth.models import model_spec, run
from tests.synth.test_models import patient, replaying, replies
from tests.synth.test_selection import orders


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def mixed(url: str, others: list[dict[str, Any]], **changes: Any) -> CampaignSpec:
    spec = model_spec(url, proposer={"retries": 1, "insights_every": 6}, **{"proposals": 30, **changes})
    sections = tuple(spec.proposer[0].model_copy(update=other) for other in others)
    return spec.model_copy(update={"proposer": (*spec.proposer, *sections)})


MUTATION = {"kind": "mutation", "name": "m"}


def said(archive: SqliteArchive) -> list[str]:
    return [event.text for event in archive.events("c") if event.kind == "fault"]


@pytest.mark.parametrize(("fault", "why"), [("!500", "status 500"), ("!401", "refuses the key"), ("!404", "has no model")])
def test_a_dead_endpoint_does_not_stop_a_campaign_that_has_another_proposer(fault: str, why: str) -> None:
    archive = open_archive(None)
    with Endpoint(lambda prompt, count: fault) as endpoint:
        spec = mixed(endpoint.url, [MUTATION])
        assert run(spec, archive) == Ending.PROPOSALS
    assert {order.proposer for order in orders(archive)} <= {"reference", "m", "re-evaluation"}
    (only,) = said(archive)
    assert "scripted-1 rests for 60 seconds while m stands in for it" in only
    assert why in only
    assert KEY not in only
    assert len(endpoint.asked) <= 2 * spec.lag, "it is left alone while it rests"
    assert archive.letters.spent("c").calls == 0
    assert archive.funnel("c", ())["novel"] > 10


def test_it_is_asked_again_and_a_replay_repeats_who_stood_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roster, "FIRST_REST", 0.02)
    monkeypatch.setattr(roster, "LONGEST_REST", 0.05)
    recorded, tries = open_archive(tmp_path / "a.sqlite"), itertools.count()
    with Endpoint(lambda prompt, count: "!cut" if 6 <= next(tries) < 16 else patient(prompt, count)) as endpoint:
        spec = mixed(endpoint.url, [MUTATION], proposals=60)
        assert run(spec, recorded) == Ending.PROPOSALS
    events = said(recorded)
    assert "scripted-1 answers again." in events
    numbers = [order.number for order in orders(recorded) if recorded.sendings.stand_ins("c", order.number)]
    assert numbers
    assert any(reply.number > max(numbers) for reply in replies(recorded)), "it works again"
    again = open_archive(None)
    replay = replaying(spec, tmp_path / "a.sqlite")
    replay = replay.model_copy(update={"proposer": (replay.proposer[0].model_copy(update={"name": "scripted-1"}), spec.proposer[1])})
    assert run(replay, again) == Ending.PROPOSALS
    assert story(again) == story(recorded)
    assert orders(again) == orders(recorded)
    assert again.letters.spent("c") == recorded.letters.spent("c")


def test_another_model_works_with_the_same_prompts() -> None:
    archive = open_archive(None)
    with Endpoint(lambda prompt, count: "!500") as dead, Endpoint(patient) as alive:
        other = {"name": "other", "base_url": alive.url, "operators": ("fresh",)}
        assert run(mixed(dead.url, [other]), archive) == Ending.PROPOSALS
    assert {reply.proposer for reply in replies(archive)} == {"other"}
    assert {order.operator for order in orders(archive) if order.proposer == "other"} > {"fresh"}, "whatever it is used to"
    stood = [order for order in orders(archive) if archive.sendings.stand_ins("c", order.number)]
    for order in stood:
        assert archive.letters.reply("c", order.number, 0).prompt_hash == order.prompts[0].hash  # type: ignore[union-attr]


def test_where_nobody_is_left_it_pauses_and_goes_on_later() -> None:
    archive, down = open_archive(None), True
    with Endpoint(lambda prompt, count: "!500" if down else patient(prompt, count)) as endpoint:
        spec = mixed(endpoint.url, [{"name": "other"}])
        with pytest.raises(ModelUnavailable, match="status 500") as caught:
            run(spec, archive)
        assert caught.value.exit_code == 3
        assert archive.events("c")[-1].kind == "paused"
        down = False
        assert run(spec, archive) == Ending.PROPOSALS
    assert {reply.proposer for reply in replies(archive)} == {"scripted-1", "other"}


class Reader:
    """A prompter whose model reads short prompts."""

    def __init__(self, reads: int) -> None:
        self.reads = reads

    def fits(self, prompts: Any) -> bool:
        return all(len(prompt.user) <= self.reads for prompt in prompts)


def test_who_can_stand_in() -> None:
    order = Order(campaign="c", number=1, proposer="a", operator="refine", prompts=(Prompt(operator="refine", system="", user="12345"),))
    people: dict[str, Any] = {
        "short": Author(None, ("refine",), Reader(4)),  # type: ignore[arg-type]
        "right": Author(None, ("fresh", "refine"), Reader(5)),  # type: ignore[arg-type]
        "free": Author(None),  # type: ignore[arg-type]
        "other": Author(None, ("fresh",), Reader(5)),  # type: ignore[arg-type]
    }
    assert candidates(order, people) == [("right", "refine"), ("free", "")]
    assert candidates(order.model_copy(update={"repairs": 0, "operator": "repair"}), people) == [
        ("right", "repair"),
        ("other", "repair"),
        ("free", ""),
    ]
    assert candidates(order, {"other": people["other"], "short": people["short"]}) == [("other", "refine")]
    assert candidates(order, {"short": people["short"]}) == []
