"""Where meta-networks are found by name: those that ship with Lossmith, and those a user imported or fetched into the cache."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sandbox.errors import PrerequisiteMissing, UsageError
from sandbox.rules.meta.config import DISCO103_SHA256

DISCO103_URL = "https://raw.githubusercontent.com/google-deepmind/disco_rl/9059a29f7121d60948f25ef165e08e050e9399c8/disco_rl/update_rules/weights/disco_103.npz"
SHIPPED = Path(__file__).parent / "weights"
OURS = "probe-small"
"""The one that ships, trained by `examples/baseline.toml`; `docs/measurements/meta_training.md` is its card."""

SUFFIXES = (".safetensors", ".npz")
FETCHABLE = ("disco103",)
CHUNK = 1 << 16
TIMEOUT_SECONDS = 30.0


def cache() -> Path:
    """`LOSSMITH_CACHE`, or `lossmith/baselines` in the user's cache folder."""
    if chosen := os.environ.get("LOSSMITH_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lossmith" / "baselines"


def names() -> dict[str, Path]:
    """Every meta-network that can be named, the user's before ours."""
    found: dict[str, Path] = {}
    for folder in (SHIPPED, cache()):
        for suffix in SUFFIXES:
            found |= {path.stem: path for path in sorted(folder.glob(f"*{suffix}"))}
    return found


def is_file_name(name: str) -> bool:
    """Whether a name can only be the path of a file."""
    return Path(name).suffix in SUFFIXES


def find(name: str) -> Path:
    """The file of a named meta-network, or the path itself where `name` is one.

    PrerequisiteMissing where a file or what could be fetched is not here; UsageError, which lists what there is, for any other name.
    """
    known = names()
    if name in known:
        return known[name]
    if is_file_name(name) and Path(name).exists():
        return Path(name)
    if is_file_name(name):
        raise PrerequisiteMissing(
            f"There is no file {name}.", "Give the path of a meta-network, or a name that `lossmith baseline list` shows."
        )
    if name in FETCHABLE:
        raise PrerequisiteMissing(
            f"The meta-network {name} is not on this machine.",
            f"Get it with `lossmith baseline fetch {name}`, or offline with `lossmith baseline import FILE --name {name}`.",
        )
    raise UsageError(
        f"There is no meta-network called {name!r}; known are: {', '.join(sorted(known))}.",
        "Train, import or fetch one: lossmith baseline --help.",
    )


def default() -> str:
    """The meta-network that is meant where none is named: Disco103 where the user has it, else the one that ships."""
    known = names()
    return next(name for name in (*FETCHABLE, OURS) if name in known)


def card(path: Path) -> dict[str, Any]:
    """What a file of ours says of itself beside its sizes: name, spec, curve, recommended rate. Empty for any other file: that it is no
    network is found out by whoever loads it."""
    from safetensors import SafetensorError, safe_open

    if path.suffix != ".safetensors":
        return {}
    try:
        with safe_open(path, framework="np") as file:
            found: dict[str, Any] = json.loads((file.metadata() or {}).get("lossmith", "{}"))
    except (OSError, SafetensorError, ValueError):
        return {}
    return {name: value for name, value in found.items() if name != "config"}


def recommended_rate(path: Path) -> float | None:
    """The agents' learning rate that a file of ours recommends, as `learning_rate` in its card. None where it does not say."""
    rate = card(path).get("learning_rate")
    return None if rate is None else float(rate)


def digest(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def adopt(path: Path, name: str) -> Path:
    """Copies a file that has been checked into the cache under `name`."""
    target = cache() / f"{name}{path.suffix}"
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".partial")
    shutil.copyfile(path, partial)
    return partial.replace(target)


def fetch_disco103(url: str = DISCO103_URL, on_bytes: Callable[[int], None] | None = None) -> Path:
    """Downloads the published weights into the cache, going on where an earlier download stopped, and checks them byte for byte.

    Raises PrerequisiteMissing when offline, saying how to import a file instead.
    """
    target = cache() / "disco103.npz"
    if target.exists() and digest(target) == DISCO103_SHA256:
        return target
    partial = target.with_suffix(".download")
    partial.parent.mkdir(parents=True, exist_ok=True)
    try:
        _download(url, partial, on_bytes)
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", error)
        raise PrerequisiteMissing(
            f"Could not download {url}: {reason}.",
            "Get disco_103.npz on another machine and run: lossmith baseline import disco_103.npz --name disco103.",
        ) from error
    if (found := digest(partial)) != DISCO103_SHA256:
        partial.unlink()
        raise PrerequisiteMissing(f"What {url} gave is not the published file: its SHA-256 is {found}.", "Try again, or import the file.")
    return partial.replace(target)


def _download(url: str, partial: Path, on_bytes: Callable[[int], None] | None) -> None:
    have = partial.stat().st_size if partial.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
        resumed = response.status == 206
        with partial.open("ab" if resumed else "wb") as file:
            while block := response.read(CHUNK):
                file.write(block)
                if on_bytes is not None:
                    on_bytes(file.tell())
