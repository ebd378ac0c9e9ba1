"""Prompts that are longer than a model's context: later ones are shorter, until they fit or cannot be shorter."""

from __future__ import annotations

from pathlib import Path

import pytest

from archive.records import Prompt
from archive.store import open_archive
from sandbox.errors import ModelUnavailable
from synth.budget import Ending
from synth.prompting.render import estimate
from tests.synth.doubles import story
from tests.synth.endpoint import KEY, Endpoint
from tests.synth.models import model_spec, run
from tests.synth.test_models import patient, replaying, replies
from tests.synth.test_selection import orders
from tests.synth.test_standing_in import MUTATION, mixed

READS = 3700
"""Tokens; what prompts have at the least is below, and what they grow to is above."""


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def short_sighted(prompt: Prompt, count: int) -> str:
    return "!long" if estimate(prompt) > READS else patient(prompt, count)


def test_later_prompts_are_shorter_until_they_fit_and_a_replay_repeats_it(tmp_path: Path) -> None:
    recorded, again = open_archive(tmp_path / "a.sqlite"), open_archive(None)
    with Endpoint(short_sighted) as endpoint:
        spec = model_spec(endpoint.url, proposals=70)
        assert run(spec, recorded) == Ending.PROPOSALS
        assert "!long" in endpoint.faults
    asked = [order for order in orders(recorded) if order.prompts]
    assert all(estimate(order.prompts[0]) <= READS for order in asked[-12:])
    unread = [sending for sending in recorded.sendings.all("c") if sending.fate == "long"]
    assert 0 < len(unread) == recorded.sendings.too_long("c", "scripted-1") < 13
    assert recorded.letters.spent("c").calls == len(endpoint.answered), "what is not read is not paid"
    assert run(replaying(spec, tmp_path / "a.sqlite"), again) == Ending.PROPOSALS
    assert story(again) == story(recorded)
    assert replies(again) == replies(recorded)


def test_a_model_that_can_read_none_is_given_up_with_a_remedy_that_can_be_followed() -> None:
    archive, reads = open_archive(None), False
    with Endpoint(lambda prompt, count: patient(prompt, count) if reads else "!long") as endpoint:
        spec = model_spec(endpoint.url, proposals=40)
        with pytest.raises(ModelUnavailable, match="cannot read so much") as caught:
            run(spec, archive)
        assert caught.value.exit_code == 3
        assert "longer context and `lossmith resume`" in caught.value.remedy
        assert archive.letters.spent("c").calls == 0
        reads = True
        assert run(spec, archive) == Ending.PROPOSALS
    assert endpoint.answered


def test_others_carry_on_without_a_model_that_can_read_nothing() -> None:
    archive = open_archive(None)
    with Endpoint(lambda prompt, count: "!long") as endpoint:
        assert run(mixed(endpoint.url, [MUTATION], proposals=60), archive) == Ending.PROPOSALS
    assert len(endpoint.asked) < 30
    assert archive.funnel("c", ())["novel"] > 10
