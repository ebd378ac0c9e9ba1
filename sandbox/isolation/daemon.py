"""The docker daemon, as far as a sandbox needs it. The SDK is imported when the first client is made, and nowhere else."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar

from sandbox.errors import PrerequisiteMissing, WorkerLost
from sandbox.isolation import owner

IMAGE = "lossmith-sandbox"
CONTENT, OWNER = "lossmith.content", "lossmith.owner"
"""Labels: of an image, the digest of what it holds; of a container, the process that started it."""

CALL_SECONDS = 60
_INSTALL = "Install docker (`apt-get install docker.io`) and start its daemon, or use bubblewrap."
T = TypeVar("T")


class Daemon:
    """One connection, safe from several threads. Raises PrerequisiteMissing where there is no daemon."""

    def __init__(self) -> None:
        import docker

        self._lock = threading.RLock()  # `work` may call again
        self._host = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
        try:
            with _translated(), ExitStack() as unless_it_answers:
                _knock(self._host)
                self._client = docker.from_env(timeout=CALL_SECONDS)
                unless_it_answers.callback(self._client.close)
                self._client.ping()
                unless_it_answers.pop_all()
        except WorkerLost as error:
            raise PrerequisiteMissing(f"No docker daemon answers: {error.message}", _INSTALL) from error

    def call(self, work: Callable[[Any], T]) -> T:
        """What `work` gives for the low-level client. Raises WorkerLost where the daemon fails or is gone."""
        with self._lock, _translated():
            _knock(self._host)
            return work(self._client.api)

    def content(self) -> str | None:
        """What our image says it holds; None where there is no image."""
        images = self.call(lambda api: api.images(name=IMAGE, filters={"label": CONTENT}))
        return str(images[0]["Labels"][CONTENT]) if images else None

    def forget_old_images(self) -> None:
        """Removes those of ours that a newer one has replaced: each takes most of a gigabyte. One still in use stays."""
        self.call(lambda api: api.prune_images(filters={"label": [CONTENT], "dangling": True}))

    def sweep(self) -> int:
        """Removes containers whose owner has crashed. Returns how many there were."""
        found = self.call(lambda api: api.containers(all=True, filters={"label": OWNER}))
        orphans = [container["Id"] for container in found if owner.is_gone(container["Labels"][OWNER])]
        for orphan in orphans:
            self.remove(orphan)
        return len(orphans)

    def remove(self, container: str) -> None:
        """Kills and removes a container; one that is gone or going is fine."""
        from docker.errors import APIError, NotFound

        try:
            self.call(lambda api: api.remove_container(container, force=True, v=True))
        except WorkerLost as error:
            if not isinstance(error.__cause__, NotFound) and not (
                isinstance(error.__cause__, APIError) and error.__cause__.status_code == 409  # its removal is in progress
            ):
                raise

    def close(self) -> None:
        """Ends the connection."""
        with self._lock:
            self._client.close()


def _knock(host: str) -> None:
    """Raises OSError where no daemon listens on the socket, before the SDK opens one of its own and forgets to close it."""
    if host.startswith("unix://"):
        with socket.socket(socket.AF_UNIX) as door:
            door.connect(host.removeprefix("unix://"))


@contextmanager
def _translated() -> Iterator[None]:
    """The SDK's errors, and those of the HTTP library under it, as one of ours."""
    import docker.errors
    import requests

    try:
        yield
    except (docker.errors.DockerException, requests.RequestException, OSError) as error:
        said = " ".join(str(error).split())[:300].rstrip(".")
        raise WorkerLost(f"Docker failed: {said}.", "Is its daemon running? `lossmith doctor` says more.") from error
