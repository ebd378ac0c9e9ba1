"""A meta-network named as a baseline: what is frozen, what is found again, and what is said where it is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from archive.baseline import library
from sandbox.errors import PrerequisiteMissing, UsageError
from synth.anchors import baseline_rule
from synth.network import NetworkSection, find_network, learned_rule
from synth.spec import CampaignSpec, load_spec
from tests.networks import write_network
from tests.synth.doubles import spec

MINIMAL = '[campaign]\nname = "x"\n[budget]\nevaluations = 5\n[[rung]]\nname = "r"\ntasks = ["probe:catch"]\nsteps = 10\n'


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LOSSMITH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_the_same_spec_is_another_campaign_once_the_name_means_another_network(cache: Path) -> None:
    write_network(cache / "mine.safetensors", seed=0)
    first = spec(baseline="mine")
    assert first.network == NetworkSection(sha256=library.digest(cache / "mine.safetensors"), learning_rate=1e-2)
    assert spec(baseline="mine") == first == CampaignSpec.model_validate_json(first.model_dump_json())
    write_network(cache / "mine.safetensors", seed=1)
    assert spec(baseline="mine") != first


def test_a_frozen_network_is_found_by_its_hash_wherever_it_lies(cache: Path, tmp_path: Path) -> None:
    path = write_network(tmp_path / "elsewhere" / "network.safetensors")
    frozen = spec(baseline=str(path))
    write_network(cache / "network.safetensors", seed=1)  # another one of that name
    path = path.replace(cache / "moved.safetensors")
    rule = baseline_rule(None, frozen, ())  # type: ignore[arg-type]  # no judge is needed for a network
    assert Path(rule.path) == path  # type: ignore[union-attr]
    assert rule.id == frozen.network.rule("x").id  # type: ignore[union-attr]
    path.unlink()
    with pytest.raises(PrerequisiteMissing, match=r"SHA-256 [0-9a-f]{12}….*lossmith baseline import"):
        baseline_rule(None, frozen, ())  # type: ignore[arg-type]


def test_what_trains_otherwise_has_another_id(cache: Path) -> None:
    write_network(cache / "mine.safetensors")
    section = NetworkSection().frozen("mine")
    changed = [section.model_copy(update=update) for update in ({"learning_rate": 3e-3}, {"replay_ratio": 1.0}, {"sha256": "0" * 64})]
    assert len({each.rule("mine").id for each in (section, *changed)}) == 4
    assert section.rule("other", Path("elsewhere")).id == section.rule("mine").id


def test_the_rate_is_the_asked_one_then_the_files_then_ours(cache: Path) -> None:
    write_network(cache / "silent.safetensors")
    write_network(cache / "says.safetensors", card={"learning_rate": "0.02"})
    assert learned_rule("silent").learning_rate == 1e-2
    assert learned_rule("says").learning_rate == 2e-2
    assert learned_rule("says", 1e-3).learning_rate == 1e-3


@pytest.mark.parametrize(
    ("name", "kind", "why"),
    [
        ("ppoo", UsageError, "neither a reference nor a meta-network.*reinforce.*mine"),
        ("disco103", PrerequisiteMissing, "not on this machine.*baseline fetch disco103.*baseline import"),
        ("no/such.safetensors", PrerequisiteMissing, "There is no file no/such.safetensors"),
    ],
)
def test_what_is_not_there_is_said_in_a_sentence(cache: Path, name: str, kind: type[Exception], why: str) -> None:
    write_network(cache / "mine.safetensors")
    with pytest.raises(kind, match=why):
        find_network(name)
    with pytest.raises(kind):
        spec(baseline=name)


def test_a_reference_has_no_network_section(tmp_path: Path) -> None:
    (tmp_path / "spec.toml").write_text(MINIMAL + "[network]\nlearning_rate = 0.01\n")
    with pytest.raises(UsageError, match="'ppo' is a reference: remove it"):
        load_spec(tmp_path / "spec.toml")


def test_a_stated_hash_has_to_be_the_files(cache: Path) -> None:
    write_network(cache / "mine.safetensors")
    stated: dict[str, Any] = {"sha256": "0" * 64}
    with pytest.raises(PrerequisiteMissing, match="000000000000…"):
        spec(baseline="mine", network=stated)
