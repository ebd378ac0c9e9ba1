"""Under what a training of a meta-network is kept: what the network is and how it trains, not where its file lies."""

from __future__ import annotations

from typing import Any

from archive.store import run_key
from sandbox.records import LearnedRule, TrainJob


def key(**changes: Any) -> str:
    fields: dict[str, Any] = {"name": "a", "path": "/here/a.safetensors", "sha256": "0" * 64, "learning_rate": 1e-2}
    return run_key(TrainJob(rule=LearnedRule(**{**fields, **changes}), task="probe:catch", steps=10, seed=0))


def test_a_file_may_be_moved_and_renamed_but_not_changed() -> None:
    assert key(path="/there/b.safetensors", name="b") == key()
    assert len({key(), key(sha256="1" * 64), key(learning_rate=2e-2), key(replay_ratio=1.0)}) == 4
