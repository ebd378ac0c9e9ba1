from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from sandbox.errors import UsageError
from sandbox.execution.base import Place
from synth.spec import CampaignSpec, amended_spec, load_spec
from synth.template import TEMPLATE
from tests.synth.doubles import spec

ROOT = Path(__file__).parent.parent.parent


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "spec.toml"
    path.write_text(text, encoding="utf-8")
    return path


MINIMAL = '[campaign]\nname = "x"\n[budget]\nevaluations = 5\n[[rung]]\nname = "r"\ntasks = ["probe:catch"]\nsteps = 10\n'


def test_the_template_is_a_spec_and_its_defaults_are_the_defaults(tmp_path: Path) -> None:
    loaded = load_spec(written(tmp_path, TEMPLATE))
    loaded.check_names()
    commented = [line.removeprefix("# ") for line in TEMPLATE.splitlines() if line.startswith("# ") and " = " in line.split("#")[1]]
    values: dict[str, Any] = {}
    for line in commented:
        if not line.startswith(("wall_clock", "device_seconds", "references", "keep")) and line[0].islower():
            values |= tomllib.loads(line.split("  #")[0])
    assert values.pop("proposals") == loaded.most_proposals
    assert values.pop("lag") == loaded.lag
    fields = {**loaded.rung[0].model_dump(), **loaded.agent.model_dump(), **loaded.sandbox.model_dump(), **loaded.campaign.model_dump()}
    fields |= loaded.search.model_dump()
    fields |= {"baseline": loaded.baseline}
    for key, value in values.items():
        found = fields[key]
        assert (list(found) if isinstance(found, tuple) else found) == value, key


def test_what_the_template_says_of_models_can_be_written(tmp_path: Path) -> None:
    lines = [line.removeprefix("#   ") for line in TEMPLATE.splitlines() if line.startswith("#   ")]
    assert [line.split(" = ")[0] for line in lines] == ["kind", "model", "base_url", "kind", "money", "tokens", "calls"]
    model, local, budget = lines[:3], [*lines[3:4], 'model = "x"'], lines[4:]
    for section in (model, local):
        text = MINIMAL.replace("[[rung]]", "\n".join([*budget, "[proposer]", *section, "[[rung]]"]))
        spec = load_spec(written(tmp_path, text)).resolved()
        assert spec.budget.money == 2.0
        assert spec.proposer[0].price is not None


def test_the_strategy_says_who_writes_and_with_which_operators(tmp_path: Path) -> None:
    model = '[[proposer]]\nkind = "openai"\nmodel = "gpt-5-mini"\n[[proposer]]\nkind = "mutation"\nname = "m"\n[[rung]]'
    path = written(tmp_path, MINIMAL.replace("[[rung]]", model))
    writers = {name: load_spec(path, [f'search.strategy="{name}"']).writers for name in ("evolve", "best-of-n", "random")}
    assert [len(sections) for sections in writers.values()] == [2, 2, 1]
    assert writers["random"][0].label == "m"
    assert writers["best-of-n"][0].operators == ("fresh",)
    assert writers["best-of-n"][0].insights_every == 0
    assert len(writers["evolve"][0].operators) == 5
    with pytest.raises(UsageError, match=r"search\.strategy"):
        load_spec(path, ['search.strategy="hope"'])


def test_the_quick_example_is_a_spec() -> None:
    load_spec(ROOT / "examples" / "quick.toml").check_names()


def test_defaults_are_written_out_when_it_is_resolved(tmp_path: Path) -> None:
    resolved = load_spec(written(tmp_path, MINIMAL), ["campaign.workers=3"]).resolved()
    assert resolved.campaign.lag == 12
    assert "ppo" in (resolved.campaign.references or ())
    assert CampaignSpec.model_validate_json(resolved.model_dump_json()) == resolved


@pytest.mark.parametrize(
    ("override", "why"),
    [
        ("campaign.nmae=x", "nmae"),
        ("budget.evaluations=0", "budget.evaluations"),
        ("campaign.seed", "no '='"),
        ("rung.7.steps=5", "names no place"),
        ("campaign.name.x=5", "names no place"),
        ("rung.0.promote=0.5", "nothing to promote to"),
        ('holdout={name="r", tasks=["probe:delayed-credit"], steps=5}', "like a rung"),
        ('holdout={name="h", tasks=["probe:catch"], steps=5}', "never saw"),
        ('holdout={name="h", tasks=["probe:delayed-credit"], steps=5, promote=1}', "nothing comes after"),
        ('holdout={name="h", tasks=["probe:delayed-credit"], steps=5, race=true}', "all its seeds"),
        ("search.islands=0", "search.islands"),
    ],
)
def test_contradictions_are_refused(tmp_path: Path, override: str, why: str) -> None:
    with pytest.raises(UsageError, match=why) as caught:
        load_spec(written(tmp_path, MINIMAL), [override])
    assert caught.value.remedy


@pytest.mark.parametrize("override", ["baseline=ppoo", 'rung.0.tasks=["probe:cach"]', 'campaign.references=["qqq"]'])
def test_names_are_checked(tmp_path: Path, override: str) -> None:
    with pytest.raises(UsageError):
        load_spec(written(tmp_path, MINIMAL), [override]).check_names()


def test_no_file_and_no_toml(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Cannot read"):
        load_spec(tmp_path / "none.toml")
    with pytest.raises(UsageError, match="not valid TOML"):
        load_spec(written(tmp_path, "a = = b"))


def test_a_running_campaign_may_only_get_more_time_and_hands() -> None:
    kept = spec().model_dump_json()
    amended = amended_spec(kept, ["budget.evaluations=99", "campaign.workers=7", "sandbox.training=container"])
    assert (amended.budget.evaluations, amended.campaign.workers, amended.lag) == (99, 7, 5)
    assert amended.sandbox.training is Place.CONTAINER
    with pytest.raises(UsageError, match="another campaign"):
        amended_spec(kept, ["campaign.seed=3"])


def test_what_races_are_run_against_needs_a_race(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="`keep`, what races are run against, but no `race`"):
        load_spec(written(tmp_path, MINIMAL + "keep = 3\n"))
    assert load_spec(written(tmp_path, MINIMAL + "keep = 3\nrace = true\n")).rung[0].keep == 3
