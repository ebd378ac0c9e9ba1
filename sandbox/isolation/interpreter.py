"""Which files a Python process with torch and this package needs, and the environment it gets: nothing else of the host is shown to it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

SOURCE_ROOT = Path(__file__).resolve().parents[2]
TRACER, NURSERY = "sandbox.isolation.tracer", "sandbox.isolation.nursery"
"""What runs inside: one tracer, or the server that forks them."""

FLAGS = ("-s", "-S", "-P", "-B")
"""No user packages, no `.pth` files, no script folder on the path, no bytecode written."""

_LIBRARIES = ("torch", "numpy", "pydantic", "pydantic_core", "typing_extensions", "sympy", "mpmath", "networkx", "jinja2")


def executable() -> Path:
    """The interpreter itself, not a virtual environment's link to it."""
    return Path(getattr(sys, "_base_executable", sys.executable)).resolve()


def interpreter_files() -> tuple[Path, ...]:
    """The interpreter, its standard library and the shared libraries that came with it."""
    base = Path(sys.base_prefix).resolve()
    return (executable(), *(folder for folder in (base / "lib", base / "lib64") if folder.is_dir()))


def package_roots() -> tuple[Path, ...]:
    """The folders in which torch and what it needs are installed. None of them is imported."""
    roots: dict[Path, None] = {}
    for name in _LIBRARIES:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin is not None:
            origin = Path(spec.origin).resolve()
            roots[origin.parent.parent if origin.name == "__init__.py" else origin.parent] = None
    return tuple(roots)


def environment(source: Path) -> dict[str, str]:
    """All variables of the sandboxed process; `source` holds the package `sandbox`."""
    return {"PYTHONPATH": ":".join(str(folder) for folder in (source, *package_roots())), **settings()}


def settings() -> dict[str, str]:
    """The variables that have nothing to do with where files lie."""
    single = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    return {"PYTHONHASHSEED": "0", "HOME": "/tmp", "TMPDIR": "/tmp", "LANG": "C.UTF-8", "USER": "nobody", **single}
