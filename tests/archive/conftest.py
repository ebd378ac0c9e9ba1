"""One contract, both archives."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from archive.store import SqliteArchive, open_archive


@pytest.fixture(params=["file", "memory"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqliteArchive]:
    opened = open_archive(tmp_path / "a.sqlite" if request.param == "file" else None)
    opened.create_campaign("c", "{}")
    yield opened
    opened.close()
