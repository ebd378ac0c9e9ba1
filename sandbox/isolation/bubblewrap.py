"""bubblewrap: namespaces around the tracer, with nothing of the host in them but the interpreter, its packages and system libraries.

What it does not stop: bugs of the kernel (there is one kernel, shared with the host; a filter leaves the program few of its calls), and one
sandbox using up to its limits of memory and processor time. It has no cgroup, so limits are of the process, which may start no other.

As root no user namespace is made: in one, the inner user would still be the host's root for files. Instead the tracer runs as `nobody`
without capabilities. As a plain user a user namespace is needed, and further ones are forbidden inside.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from sandbox.errors import PrerequisiteMissing
from sandbox.isolation.interpreter import FLAGS, MODULE, SOURCE_ROOT, environment, executable, interpreter_files, package_roots
from sandbox.isolation.pool import TracerPool
from sandbox.isolation.process import Launch

NAME = "bubblewrap"
NOBODY = 65534
SOURCE = Path("/lossmith")
TMP_BYTES = 16 << 20

_SYSTEM = ("/usr/lib", "/usr/lib32", "/usr/lib64", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache")
_UNSHARED = ("net", "pid", "ipc", "uts")


def open_bubblewrap(pool_size: int) -> TracerPool:
    """The pool. Raises PrerequisiteMissing where bubblewrap is not installed."""
    return TracerPool(NAME, launch(), pool_size, check_hello)


def launch(root: bool | None = None) -> Launch:
    """The command line for this user, or for root where `root` says so."""
    as_root = os.geteuid() == 0 if root is None else root
    bwrap = _need("bwrap", "apt-get install bubblewrap")
    argv = [bwrap, *_namespaces(bwrap, as_root), *_files(as_root), *_environment(), "--chdir", "/tmp", "--remount-ro", "/", "--"]
    argv += _without_privileges() if as_root else []
    return Launch((*argv, str(executable()), *FLAGS, "-m", MODULE, "--filter"), {})


def check_hello(hello: dict[str, object]) -> None:
    """What the tracer found when it looked around. Raises PrerequisiteMissing if the walls are not where they should be."""
    seen = {"runs as root": hello.get("uid") == 0, "sees a network": hello.get("network") not in (["lo"], [])}
    seen["has no filter of system calls for this kind of machine"] = hello.get("filter") is not True
    broken = [what for what, found in seen.items() if found]
    if broken:
        raise PrerequisiteMissing(f"bubblewrap runs, but the process inside {', '.join(broken)}.", "Use another machine, or --unsafe.")


def _namespaces(bwrap: str, as_root: bool) -> list[str]:
    arguments = [*(f"--unshare-{kind}" for kind in _UNSHARED), "--unshare-cgroup-try", "--die-with-parent", "--new-session"]
    if as_root:
        return arguments
    arguments += ["--unshare-user", "--uid", str(NOBODY), "--gid", str(NOBODY), "--cap-drop", "ALL"]
    return [*arguments, "--disable-userns"] if _knows(bwrap, "--disable-userns") else arguments


def _without_privileges() -> list[str]:
    user = ["--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups"]
    return [_need("setpriv", "apt-get install util-linux"), *user, "--inh-caps=-all", "--bounding-set=-all", "--no-new-privs"]


def _files(as_root: bool) -> list[str]:
    """Read-only binds; folders above them have to be made first, or would be open to root alone."""
    binds = {path: path for path in (*interpreter_files(), *package_roots())}
    binds[SOURCE / "sandbox"] = SOURCE_ROOT / "sandbox"
    if as_root:
        setpriv = Path(_need("setpriv", "apt-get install util-linux"))
        binds[setpriv] = setpriv
    links = {}
    for path in map(Path, _SYSTEM):
        if path.is_symlink() and path.is_dir():
            links[path] = path.readlink()
        elif path.exists():
            binds[path] = path
    targets = _outermost(binds)
    arguments = [word for folder in _above([*targets, *links]) for word in ("--perms", "0755", "--dir", str(folder))]
    arguments += [word for path in targets for word in ("--ro-bind", str(binds[path]), str(path))]
    arguments += [word for path, target in links.items() for word in ("--symlink", str(target), str(path))]
    return [*arguments, "--dev", "/dev", "--perms", "1777", "--size", str(TMP_BYTES), "--tmpfs", "/tmp"]


def _outermost(paths: Iterable[Path]) -> list[Path]:
    """The paths that lie in none of the others."""
    every = sorted(set(paths))
    return [path for path in every if not any(path != other and path.is_relative_to(other) for other in every)]


def _above(paths: Iterable[Path]) -> Iterator[Path]:
    """Every folder above the paths, outer ones first."""
    yield from sorted({folder for path in paths for folder in path.parents if folder != Path("/")})


def _environment() -> list[str]:
    pairs = environment(SOURCE).items()
    return ["--clearenv", *(word for name, value in pairs for word in ("--setenv", name, value))]


def _need(command: str, install: str) -> str:
    found = shutil.which(command)
    if found is None:
        raise PrerequisiteMissing(f"The command {command} is not installed.", f"Install it with `{install}`, or use --unsafe.")
    return str(Path(found).resolve())


def _knows(bwrap: str, option: str) -> bool:
    shown = subprocess.run([bwrap, "--help"], capture_output=True, text=True, timeout=10, check=False)
    return option in shown.stdout + shown.stderr
