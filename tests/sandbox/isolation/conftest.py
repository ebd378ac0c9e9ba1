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


@pytest.fixture(
    scope="module", params=[MAIN, pytest.param(OTHER, marks=pytest.mark.slow), pytest.param("docker", marks=pytest.mark.docker)]
)
def isolation(request: pytest.FixtureRequest) -> Iterator[TracerPool]:
    """Every backend there is; the others than the first only in slow runs and where docker is."""
    yield from _open(request.param, request)


@pytest.fixture(scope="module", params=[MAIN, pytest.param(OTHER, marks=pytest.mark.slow)])
def forking(request: pytest.FixtureRequest) -> Iterator[TracerPool]:
    """The backends that fork their tracers from one server."""
    yield from _open(request.param, request)


@pytest.fixture(scope="module")
def bubblewrap(request: pytest.FixtureRequest) -> Iterator[TracerPool]:
    yield from _open("bubblewrap", request)


@pytest.fixture(scope="module")
def docker(request: pytest.FixtureRequest) -> Iterator[TracerPool]:
    yield from _open("docker", request)


def _open(backend: str, request: pytest.FixtureRequest) -> Iterator[TracerPool]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOSSMITH_TEST_SECRET", "key")
        try:
            pool = open_isolation(backend, pool_size=1)  # type: ignore[arg-type]
        except PrerequisiteMissing as missing:
            pytest.skip(str(missing))
        yield pool
        pool.close()
