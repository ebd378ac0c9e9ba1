"""Proposers in the spec: prices, secrets, names, budgets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from sandbox.errors import UsageError
from synth.proposers.section import Price, ProposerSection, prices
from synth.spec import amended_spec, load_spec

SPEC = '[campaign]\nname = "x"\n[budget]\nevaluations = 5\n[[rung]]\nname = "r"\ntasks = ["probe:catch"]\nsteps = 10\n'
MODEL = '[proposer]\nkind = "openai"\nmodel = "gpt-5-mini"\n'


def load(tmp_path: Path, text: str, *overrides: str) -> Any:
    (tmp_path / "spec.toml").write_text(text)
    return load_spec(tmp_path / "spec.toml", overrides)


def test_every_shipped_price_is_sound() -> None:
    table = prices()
    assert len(table) > 5
    assert all(0 < price.cached < price.input < price.output for price in table.values())


def test_a_price_counts_what_was_cached() -> None:
    assert Price(input=2, cached=0.5, output=8).cost(1_000_000, 400_000, 500_000) == pytest.approx(1.2 + 0.2 + 4.0)


def test_the_price_is_kept_with_the_campaign(tmp_path: Path) -> None:
    spec = load(tmp_path, SPEC + MODEL, "budget.money=1").resolved()
    assert spec.proposer[0].price == prices()["gpt-5-mini"]
    assert spec.resolved() == spec


def test_an_unknown_price_refuses_a_budget_of_money(tmp_path: Path) -> None:
    unknown = load(tmp_path, SPEC + MODEL, 'proposer.model="nobody-1"', "budget.money=1")
    with pytest.raises(UsageError, match=r"price of the model 'nobody-1' is not known.*proposer.price"):
        unknown.resolved()
    load(tmp_path, SPEC + MODEL, 'proposer.model="nobody-1"', "budget.tokens=1000").resolved()
    (tmp_path / "own.toml").write_text('["nobody-1"]\ninput = 1\ncached = 0\noutput = 2\n')
    own = f'proposer.prices="{tmp_path / "own.toml"}"'
    assert load(tmp_path, SPEC + MODEL, 'proposer.model="nobody-1"', "budget.money=1", own).resolved().proposer[0].price.output == 2


def test_a_broken_table_of_prices(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text('["x"]\ninput = -1\n')
    with pytest.raises(UsageError, match="no table of prices"):
        prices(str(tmp_path / "own.toml"))
    with pytest.raises(UsageError, match="Cannot read the prices"):
        prices(str(tmp_path / "none.toml"))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "openai"}, "needs `model`"),
        ({"kind": "replay"}, "needs `archive`"),
        ({"base_url": "localhost:8000"}, "no address"),
        ({"base_url": "http://me:secret@host/v1"}, "holds a secret"),
        ({"base_url": "http://host/v1?key=secret"}, "holds a secret"),
        ({"extra": {"api_key": "secret"}}, "hold a secret"),
        ({"kind": "telepathy"}, "Input should be"),
    ],
)
def test_what_cannot_be(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ProposerSection.model_validate(fields)


def test_several_proposers(tmp_path: Path) -> None:
    two = MODEL.replace("[proposer]", "[[proposer]]") + '[[proposer]]\nkind = "mutation"\n'
    assert [section.label for section in load(tmp_path, SPEC + two).proposer] == ["gpt-5-mini", "mutation"]
    with pytest.raises(UsageError, match="share a name"):
        load(tmp_path, SPEC + MODEL.replace("[proposer]", "[[proposer]]") * 2)


def test_a_budget_of_models_without_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no proposer asks one"):
        load(tmp_path, SPEC, "budget.calls=5")


def test_how_an_endpoint_is_reached_may_change(tmp_path: Path) -> None:
    stored = load(tmp_path, SPEC + MODEL).resolved().model_dump_json()
    changed = amended_spec(stored, ['proposer.base_url="http://localhost:1/v1"', "budget.calls=3"])
    assert changed.proposer[0].base_url == "http://localhost:1/v1"
    with pytest.raises(UsageError, match="another campaign"):
        amended_spec(stored, ['proposer.model="other"'])
