"""Curves of meta-trainings, averaged into points."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archive.baseline.curves import POINTS, read_curve, read_points, summarise
from sandbox.errors import UsageError
from tests.networks import write_network


def point(step: int, **scores: float) -> dict[str, object]:
    return {"step": step, "entropy": 1.0, "gradient_norm": 0.5, "scores": scores}


def test_stretches_are_averaged() -> None:
    points = [point(1, a=0.0), point(2, a=1.0), point(3), point(4, b=3.0)]
    curve = summarise(points, number=2)
    assert curve.steps == 4
    assert curve.scores == {"a": (0.5, None), "b": (None, 3.0)}
    assert curve.entropy == (1.0, 1.0)


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=200))
@settings(deadline=None)
def test_every_step_is_in_one_stretch(values: list[float]) -> None:
    scores = summarise([point(step, a=value) for step, value in enumerate(values, 1)]).scores["a"]
    assert len(scores) == min(len(values), POINTS)
    assert all(score is not None and min(values) - 1e-9 <= score <= max(values) + 1e-9 for score in scores)


def test_a_line_that_a_kill_cut_short_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "curves.jsonl").write_text('{"step": 1}\n{"st')
    assert read_points(tmp_path) == [{"step": 1}]


def test_other_folders_and_networks_without_a_curve_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no folder of a meta-training"):
        read_curve(tmp_path)
    with pytest.raises(UsageError, match="holds no curve"):
        read_curve(write_network(tmp_path / "a.safetensors"))


def test_a_network_carries_its_curve(tmp_path: Path) -> None:
    kept = summarise([point(1, a=2.0)])
    path = write_network(tmp_path / "a.safetensors", card={"curve": kept.model_dump_json(), "name": "a"})
    assert read_curve(path) == kept.model_copy(update={"card": {"name": "a"}})
