"""One pool a backend for a whole file: starting a tracer costs seconds of processor time."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from sandbox.errors import PrerequisiteMissing
from sandbox.isolation.pool import TracerPool
from sandbox.isolation.select import open_isolation

MAIN = "bubblewrap" if shutil.which("bwrap") else "unsafe"
OTHER = "unsafe" if MAIN == "bubblewrap" else "bubblewrap"


@pytest.fixture(scope="module", params=[MAIN, pytest.param(OTHER, marks=pytest.mark.slow)])
def isolation(request: pytest.FixtureRequest) -> Iterator[TracerPool]:
    """Every backend there is; the second one only in slow runs."""
    yield from _open(request.param, request)


@pytest.fixture(scope="module")
def bubblewrap(request: pytest.FixtureRequest) -> Iterator[TracerPool]:
    yield from _open("bubblewrap", request)


def _open(backend: str, request: pytest.FixtureRequest) -> Iterator[TracerPool]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOSSMITH_TEST_SECRET", "key")
        try:
            pool = open_isolation(backend, pool_size=1)  # type: ignore[arg-type]
        except PrerequisiteMissing as missing:
            pytest.skip(str(missing))
        yield pool
        pool.close()
