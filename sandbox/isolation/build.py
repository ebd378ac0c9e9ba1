"""Building the sandbox's image: from a Dockerfile where a registry can be reached, from the running interpreter where none can."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator

from sandbox.errors import PrerequisiteMissing, WorkerLost
from sandbox.isolation.contents import digest, package_path, write_context, write_root
from sandbox.isolation.daemon import CONTENT, IMAGE, Daemon
from sandbox.isolation.interpreter import FLAGS, executable

BUILD_SECONDS = 1800
CHUNK = 1 << 20


def build_from_base(base: str) -> str:
    """The committed Dockerfile on the image `base`. Returns the digest. Raises PrerequisiteMissing where it cannot be built."""
    daemon, content = Daemon(), digest()
    try:
        with tempfile.TemporaryFile() as context:
            write_context(context)
            context.seek(0)
            steps = daemon.call(
                lambda api: list(
                    api.build(
                        fileobj=context,
                        custom_context=True,
                        tag=IMAGE,
                        buildargs={"BASE": base},
                        labels={CONTENT: content},
                        decode=True,
                        rm=True,
                        forcerm=True,
                        timeout=BUILD_SECONDS,
                    )
                )
            )
        failed = [step["error"] for step in steps if "error" in step]
        if failed:
            raise PrerequisiteMissing(
                f"The image could not be built from {base}: {' '.join(failed[0].split())[:400]}.",
                "Where no registry can be reached, use `lossmith sandbox build --from-here`.",
            )
        daemon.forget_old_images()
    finally:
        daemon.close()
    return content


def build_from_here() -> str:
    """An image of the interpreter that runs this, its libraries and our source; needs no registry. Returns the digest."""
    daemon, content = Daemon(), digest()
    entry = ", ".join(f'"{word}"' for word in (str(executable()), *FLAGS))
    changes = [f"LABEL {CONTENT}={content}", f"ENV PYTHONPATH={package_path()}", f"ENTRYPOINT [{entry}]"]
    try:
        with _Stream() as stream:
            said = daemon.call(lambda api: api.import_image_from_data(stream.chunks(), repository=IMAGE, changes=changes))
        if '"error"' in said:
            raise WorkerLost(f"Docker could not import the image: {said.strip()[:300]}.")
        daemon.forget_old_images()
    finally:
        daemon.close()
    return content


class _Stream:
    """The tar of a root folder while it is written: a gigabyte that never lies on the disk."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        self._error: BaseException | None = None
        self._writer = threading.Thread(target=self._fill, name="image-tar", daemon=True)

    def __enter__(self) -> _Stream:
        self._writer.start()
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._read)  # ends a writer that nobody reads any more
        self._writer.join()
        if self._error is not None and not isinstance(self._error, BrokenPipeError):
            raise self._error

    def chunks(self) -> Iterator[bytes]:
        """What is written, part by part."""
        while chunk := os.read(self._read, CHUNK):
            yield chunk

    def _fill(self) -> None:
        try:
            with os.fdopen(self._write, "wb") as pipe:
                write_root(pipe)
        except BaseException as error:  # noqa: BLE001  raised again in the thread that reads
            self._error = error
