from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from archive.base import Archive
from archive.store import open_archive
from synth.campaign import Campaign
from synth.spec import CampaignSpec
from tests.synth import doubles
from tests.synth.cli.command import Outcome, lossmith

Command = Callable[..., Outcome]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """`lossmith` in an empty folder, on a wide screen, with trainings that are arithmetic."""

    @contextmanager
    def arithmetic(spec: CampaignSpec, archive: Archive, interrupted: Any) -> Iterator[Campaign]:
        yield doubles.campaign(spec, archive, interrupted=interrupted)[0]

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LOSSMITH_ARCHIVE", raising=False)
    monkeypatch.setattr("synth.start.open_campaign", arithmetic)
    for console in ("console", "narration"):
        monkeypatch.setattr(f"synth.cli.output.{console}._width", 200)
    return lambda *words: lossmith(capsys, monkeypatch, *words)


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    """An archive with a finished campaign `c`."""
    path = tmp_path / "lossmith.sqlite"
    archive = open_archive(path)
    doubles.campaign(doubles.spec(), archive)[0].run()
    archive.close()
    return path
