"""Every spec in `examples/` is one that its command accepts."""

from pathlib import Path

import pytest

from archive.baseline.spec import load_baseline_spec
from sandbox.tasks.registry import check_name
from synth.spec import load_spec

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize("name", ["quick.toml", "heater/heater.toml"])
def test_campaigns(name: str) -> None:
    spec = load_spec(EXAMPLES / name).resolved()
    assert spec.rung
    if name == "quick.toml":  # the heater's module is importable from its own folder alone
        spec.check_names()


def test_baseline() -> None:
    for entry in load_baseline_spec(EXAMPLES / "baseline.toml").task:
        check_name(entry.task)
