"""Which sandbox is chosen, and what is said where there is none."""

from __future__ import annotations

import pytest

from sandbox.errors import PrerequisiteMissing
from sandbox.isolation import bubblewrap, select
from sandbox.isolation.forked import Launch


def test_auto_never_chooses_unsafe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bubblewrap.shutil, "which", lambda name: None)
    with pytest.raises(PrerequisiteMissing, match="not installed") as caught:
        select.open_isolation("auto")
    assert "--unsafe" in caught.value.remedy


def test_a_sandbox_that_does_not_start_is_a_prerequisite(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bubblewrap, "launch", lambda: Launch(("/bin/sh", "-c", "echo 'no namespaces' >&2; exit 1"), {}))
    with pytest.raises(PrerequisiteMissing, match="no namespaces") as caught:
        select.open_isolation("auto")
    assert caught.value.exit_code == 3


def test_doctor_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bubblewrap.shutil, "which", lambda name: None)
    rows = {row.name: row for row in select.probe()}
    assert not rows["bubblewrap"].ok
    assert "apt-get install bubblewrap" in rows["bubblewrap"].remedy
    assert rows["unsafe"].ok
