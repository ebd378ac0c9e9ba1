"""What goes into the sandbox's image: an interpreter, the libraries that tracing and training need, and the package `sandbox`.

Nothing else of this machine: no home, no configuration, no keys, no archive. `digest` says what an image holds, so that a stale one is
found out.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import IO

from sandbox.isolation.interpreter import FLAGS, SOURCE_ROOT, environment, executable

DISTRIBUTIONS = ("torch", "numpy", "pydantic", "safetensors", "gymnasium", "ale-py")
SOURCE = Path("/lossmith")
DOCKERFILE = Path(__file__).with_name("Dockerfile")
_LEFT_OUT = re.compile(
    r"(^|/)(torch/(test|include|share)/|torch/bin/(?!torch_shm)|(tests?|testing/_internal/generated|idlelib|ensurepip|site-packages)/)"
)
_LIBRARY = re.compile(r"\S+\.so(\.\S+)?$|\S+/ld-\S+$")
_MAPPED = (
    "from sandbox.isolation.tracer import warm_up; warm_up(); import ssl, sqlite3, ctypes, zlib, bz2, lzma, decimal; "
    "print(open('/proc/self/maps').read())"
)


def requirements() -> tuple[str, ...]:
    """The distributions in the image, `name==version`, sorted: those that are installed here."""
    return tuple(sorted(f"{name}=={found.version}" for name, found in _closure().items()))


def digest() -> str:
    """Sixteen hex digits of all that an image depends on: Python, the libraries' versions, the Dockerfile, and our own source."""
    hashed = hashlib.sha256("\n".join((sys.version, *requirements())).encode())
    for path in (DOCKERFILE, *_source()):
        hashed.update(f"{path.relative_to(SOURCE_ROOT)}\0".encode() + path.read_bytes() + b"\0")
    return hashed.hexdigest()[:16]


def has_cuda() -> bool:
    """Whether torch here was built for NVIDIA's GPUs. It is not imported to find out."""
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        return False
    version = Path(spec.origin).with_name("version.py")
    return re.search(r"^cuda\b[^=]*= *['\"]", version.read_text(), re.MULTILINE) is not None


def write_context(stream: IO[bytes]) -> None:
    """The folder that `docker build` is given, as a tar: Dockerfile, requirements, our source."""
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.add(DOCKERFILE, "Dockerfile")
        _add_text(archive, "requirements.txt", "\n".join(requirements()) + "\n")
        for path in _source():
            archive.add(path, str(path.relative_to(SOURCE_ROOT)))


def write_root(stream: IO[bytes]) -> None:
    """A whole root folder as a tar, made from the interpreter that runs this: everything lies where it lies here, readable by all."""
    with tarfile.open(fileobj=stream, mode="w|") as archive:
        for name, mode in {"tmp": 0o1777, "proc": 0o755, "dev": 0o755, "sys": 0o755}.items():  # a mount takes on the mode of its place
            _add_folder(archive, name, mode)
        for path in dict.fromkeys((*_interpreter(), *_libraries(), *_installed())):
            archive.add(path, str(path).lstrip("/"), recursive=False, filter=_readable)
        for path in _source():
            archive.add(path, str(SOURCE / path.relative_to(SOURCE_ROOT)).lstrip("/"), filter=_readable)


def package_path() -> str:
    """PYTHONPATH inside an image made by `write_root`."""
    return f"{SOURCE}:{sysconfig.get_path('purelib')}:{sysconfig.get_path('platlib')}"


# -------------------------------------------------------------------------------------------------------- files
def _closure() -> dict[str, metadata.Distribution]:
    """Our roots and what they require, as far as it is installed."""
    found: dict[str, metadata.Distribution] = {}
    waiting = list(DISTRIBUTIONS)
    while waiting:
        name = waiting.pop()
        key = re.sub(r"[-_.]+", "-", name).lower()
        if key in found:
            continue
        try:
            found[key] = metadata.distribution(name)
        except metadata.PackageNotFoundError:  # for another system, or another Python
            continue
        wanted = (need for need in found[key].requires or [] if "extra" not in need.partition(";")[2])
        waiting += [match[0] for need in wanted if (match := re.match(r"[\w.-]+", need))]
    return found


def _installed() -> Iterator[Path]:
    for distribution in _closure().values():
        for file in distribution.files or ():
            path = Path(str(file.locate()))
            if not _LEFT_OUT.search(str(file)) and ".." not in file.parts and path.is_file():
                yield path


def _source() -> list[Path]:
    return sorted(path for path in (SOURCE_ROOT / "sandbox").rglob("*") if path.suffix in {".py", ".json"} and path.is_file())


def _interpreter() -> Iterator[Path]:
    """The program and its standard library, links with what they point to."""
    yield executable()
    library = Path(sysconfig.get_path("stdlib"))
    for folder, names, files in os.walk(library):
        names[:] = [name for name in names if not _LEFT_OUT.search(f"/{name}/")]
        yield from (Path(folder, name) for name in files if not name.endswith((".a", ".o")))


def _libraries() -> Iterator[Path]:
    """The shared libraries that a warm tracer has mapped, under every name by which the loader looks for them."""
    command = [str(executable()), *FLAGS, "-c", _MAPPED]
    maps = subprocess.run(command, env=environment(SOURCE_ROOT), capture_output=True, text=True, check=True, timeout=300).stdout
    for path in sorted({Path(line.split()[-1]) for line in maps.splitlines() if _LIBRARY.search(line)}):
        yield from (path, *(other for other in path.parent.glob("*.so*") if other.is_symlink() and other.resolve() == path.resolve()))
    for loader in (Path("/lib64"), Path("/lib")):
        if loader.is_symlink():
            yield loader
        yield from loader.resolve().glob("ld-*")
    yield from (path for path in (Path("/etc/ld.so.cache"),) if path.exists())


def _readable(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """Owned by nobody in particular and the same for everyone: an image must not depend on who built it."""
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mode = 0o755 if entry.isdir() or entry.mode & 0o100 else 0o644
    return entry


def _add_folder(archive: tarfile.TarFile, name: str, mode: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode = tarfile.DIRTYPE, mode
    archive.addfile(entry)


def _add_text(archive: tarfile.TarFile, name: str, text: str) -> None:
    from io import BytesIO

    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(text.encode()), 0o644
    archive.addfile(entry, BytesIO(text.encode()))
