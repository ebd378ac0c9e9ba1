"""`lossmith compare`: strategies side by side, from one archive or several."""

from __future__ import annotations

from pathlib import Path

from archive.store import open_archive
from tests.synth import doubles
from tests.synth.cli.conftest import Command


def campaign(path: Path, name: str, **changes: object) -> None:
    archive = open_archive(path)
    doubles.campaign(doubles.spec(name=name, evaluations=7, **changes), archive)[0].run()
    archive.close()


def test_two_strategies_of_one_archive(command: Command, tmp_path: Path) -> None:
    campaign(tmp_path / "lossmith.sqlite", "a")
    campaign(tmp_path / "lossmith.sqlite", "b", search={"strategy": "best-of-n"})
    shown = command("compare", "a", "b")
    assert shown.code == 0
    for word in ("evolve", "best-of-n", "hold-out", "device-seconds", "a against b: "):
        assert word in shown.out
    assert "several campaigns each" in shown.err
    assert "not equal" not in shown.err
    document = command("compare", "a", "b", "--json").json
    assert [each["evaluations"] for each in document["contenders"]] == [7, 7]
    assert document["duels"][0]["word"] in {"better", "level", "worse"}
    assert document["duels"][0]["difference"]["low"] <= document["duels"][0]["difference"]["high"]


def test_unequal_campaigns_are_called_so(command: Command, tmp_path: Path) -> None:
    campaign(tmp_path / "lossmith.sqlite", "a")
    campaign(tmp_path / "other.sqlite", "a", holdout=None, lag=3)
    archive = open_archive(tmp_path / "other.sqlite")
    doubles.campaign(doubles.spec(name="b", evaluations=15), archive)[0].run()
    archive.close()
    shown = command("compare", "a", "other.sqlite:b")
    assert "differ by more than one" in shown.err
    assert "budget.evaluations" in shown.err
    assert "on a hold-out" in command("compare", "a", "other.sqlite:a").err


def test_what_cannot_be_compared(command: Command, finished: Path) -> None:
    for words in (("c",), ("c", "c"), ("c", "nobody")):
        assert command("compare", *words).code == 2, words
    assert command("compare", "c", "none.sqlite:c").code == 5
