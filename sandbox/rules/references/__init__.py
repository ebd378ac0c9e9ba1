"""Reference algorithms: programs written by hand in the same language as candidates. They are text, read and traced, never imported."""

from __future__ import annotations

import difflib
from importlib import resources

from sandbox.errors import UsageError


def reference_names() -> tuple[str, ...]:
    """Names of the reference programs, sorted."""
    files = (entry.name for entry in resources.files(__name__).iterdir())
    return tuple(sorted(name.removesuffix(".py") for name in files if name.endswith(".py") and name != "__init__.py"))


def reference_text(name: str) -> str:
    """The text of one reference program. UsageError names the nearest ones if there is none of that name."""
    names = reference_names()
    if name not in names:
        near = difflib.get_close_matches(name, names) or names
        raise UsageError(f"There is no reference program {name!r}.", f"Choose one of: {', '.join(near)}.")
    return resources.files(__name__).joinpath(f"{name}.py").read_text(encoding="utf-8")
