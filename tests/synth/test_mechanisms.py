"""What `status` says of the search's mechanisms, and when it warns."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from archive.records import Activity, OperatorCount
from archive.store import open_archive
from synth.cli.tables import mechanism_line
from synth.mechanisms import mechanisms
from synth.spec import CampaignSpec
from tests.synth.doubles import busy, campaign, spec

LIVELY = Activity(
    told=80,
    elites=(3, 2, 1, 4),
    migrations=9,
    last_migration=60,
    reevaluations=12,
    last_reevaluation=75,
    evaluations=50,
    stopped=20,
    runs=200,
    saved=300,
)
SETTINGS = {"islands": 4, "migrate_every": 20, "reevaluations": 2}


def asked(activity: Activity, rows: tuple[OperatorCount, ...] = (), chosen: CampaignSpec | None = None) -> dict[str, Any]:
    archive: Any = SimpleNamespace(activity=lambda campaign, islands: activity, operators=lambda campaign: list(rows))
    return {each.name: each for each in mechanisms(archive, chosen or busy().model_copy(update={"search": spec(search=SETTINGS).search}))}


def test_all_is_well() -> None:
    found = asked(LIVELY)
    assert {name: each.count for name, each in found.items()} == {"islands": 4, "migration": 9, "re-evaluation": 12, "races": 20}
    assert not any(each.warning for each in found.values())
    assert "300 of 500 trainings saved (60%)" in found["races"].text
    assert mechanism_line(found["races"]).plain.startswith("races: 20 of 50 evaluations stopped early")


@pytest.mark.parametrize(
    ("change", "name", "warning"),
    [
        ({"elites": (3, 0, 1, 4)}, "islands", "1 of 4 has no elite"),
        ({"elites": (0, 0, 1, 4)}, "islands", "2 of 4 have no elite"),
        ({"last_migration": None, "migrations": 0}, "migration", "nobody in 80 results, though due every 20"),
        ({"last_reevaluation": 19}, "re-evaluation", "has not happened in 60 results"),
        ({"last_reevaluation": None}, "re-evaluation", "has not happened in 80 results"),
        ({"stopped": 0, "saved": 0}, "races", "has stopped none of 50 evaluations"),
    ],
)
def test_what_is_inert_is_named(change: dict[str, Any], name: str, warning: str) -> None:
    found = asked(LIVELY.model_copy(update=change))
    assert warning in found[name].warning
    assert f"warning: {name}: " in mechanism_line(found[name]).plain
    assert [each.name for each in found.values() if each.warning] == [name]


def test_the_young_are_given_time() -> None:
    young = Activity(
        told=7,
        elites=(1, 0, 0, 0),
        migrations=0,
        last_migration=None,
        reevaluations=0,
        last_reevaluation=None,
        evaluations=5,
        stopped=0,
        runs=20,
        saved=0,
    )
    assert not any(each.warning for each in asked(young).values())


def test_an_operator_that_never_brings_anything_is_named() -> None:
    def row(operator: str, proposed: int, scored: int) -> OperatorCount:
        return OperatorCount(proposer="m", operator=operator, proposed=proposed, scored=scored, kept=0, cost=0.0, tokens=0)

    found = asked(LIVELY, (row("dead", 25, 0), row("new", 3, 0), row("fine", 40, 2)))
    assert found["m: dead"].warning == "none of 25 programs was scored"
    assert not {"m: new", "m: fine"} & set(found)


def test_what_is_switched_off_is_not_mentioned() -> None:
    assert asked(LIVELY, chosen=spec(search={"reevaluations": 0})) == {}


def test_a_whole_campaign_counts() -> None:
    archive = open_archive(None)
    campaign(busy(evaluations=20), archive)[0].run()
    found = {each.name: each for each in mechanisms(archive, busy())}
    assert {"islands", "migration", "re-evaluation", "races"} <= set(found)
    assert all(found[name].count for name in ("islands", "migration", "re-evaluation", "races"))
