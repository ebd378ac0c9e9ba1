"""One pool a backend for a whole file: starting a tracer costs seconds of processor time."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing

import pytest

from sandbox.errors import PrerequisiteMissing
from sandbox.isolation.daemon import Daemon
from sandbox.isolation.docker import check_image
from sandbox.isolation.pool import TracerPool
from sandbox.isolation.select import open_isolation
from tests.sandbox.isolation.arsenal import SECRET

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


def skip_without_docker() -> None:
    """Skips where there is no daemon, or no image of what is here."""
    try:
        with closing(Daemon()) as daemon:
            check_image(daemon)
    except PrerequisiteMissing as missing:
        pytest.skip(str(missing))


def _open(backend: str, request: pytest.FixtureRequest) -> Iterator[TracerPool]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOSSMITH_TEST_SECRET", SECRET)
        patch.setenv("OPENAI_API_KEY", SECRET)
        if backend == "docker":
            skip_without_docker()
        try:
            pool = open_isolation(backend, pool_size=1)  # type: ignore[arg-type]
        except PrerequisiteMissing as missing:
            if backend == "docker":  # daemon and image are there: that it does not work is a failure
                raise
            pytest.skip(str(missing))
        yield pool
        pool.close()
