"""Which training code a run came from, so that the cache of runs never answers for code that has changed."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import metadata
from pathlib import Path

import sandbox

ROOMS = ("agents", "graph", "rules", "tasks", "training")
FILES = ("randomness.py", "records.py")
LIBRARIES = ("ale-py", "gymnasium", "numpy", "torch")


@cache
def training_version() -> str:
    """Hash of everything a run's numbers depend on beside its job: the source of the trainer's rooms and the libraries' versions."""
    root = Path(sandbox.__file__).parent
    digest = hashlib.sha256()
    sources = [path for room in ROOMS for path in (root / room).rglob("*.py")] + [root / name for name in FILES]
    for path in sorted(sources):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    for library in LIBRARIES:
        digest.update(f"{library}={metadata.version(library)}\0".encode())
    return digest.hexdigest()[:16]
