"""bubblewrap: namespaces around the tracer, with nothing of the host in them but the interpreter, its packages and system libraries.

What it does not stop: bugs of the kernel (there is one kernel, shared with the host; a filter leaves the program few of its calls), and one
sandbox using up to its limits of memory and processor time.

Inside runs a fork server that imports torch once and never sees a program (`sandbox.isolation.nursery`). It keeps one capability,
CAP_SYS_ADMIN, to give each tracer namespaces of its own; the tracer gives it up before it is handed any text, and is checked for that.

As root no user namespace is made: in one, the inner user would still be the host's root for files. Instead everything inside runs as
`nobody`. As a plain user a user namespace is needed, and further ones are forbidden inside.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from sandbox.errors import PrerequisiteMissing
from sandbox.isolation import cgroups
from sandbox.isolation.forked import Launch, Nursery
from sandbox.isolation.interpreter import FLAGS, NURSERY, SOURCE_ROOT, environment, executable, interpreter_files, package_roots
from sandbox.isolation.pool import TracerPool

NAME = "bubblewrap"
NOBODY = 65534
SOURCE = Path("/lossmith")
TMP_BYTES = 16 << 20

_SYSTEM = ("/usr/lib", "/usr/lib32", "/usr/lib64", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache")
_UNSHARED = ("net", "pid", "ipc", "uts")


def open_bubblewrap(pool_size: int) -> TracerPool:
    """The pool, once what a crashed run left is swept away. Raises PrerequisiteMissing where bubblewrap is not installed."""
    cgroups.sweep()
    return TracerPool(NAME, Nursery(launch()), pool_size, check_hello)


def launch(root: bool | None = None) -> Launch:
    """The command line for this user, or for root where `root` says so."""
    as_root = os.geteuid() == 0 if root is None else root
    bwrap = _need("bwrap", "apt-get install bubblewrap")
    argv = [bwrap, *_namespaces(bwrap, as_root), *_files(as_root), *_environment(), "--chdir", "/tmp"]
    argv += ["--remount-ro", "/dev", "--remount-ro", "/", "--"]
    argv += _with_one_privilege() if as_root else []
    return Launch((*argv, str(executable()), *FLAGS, "-m", NURSERY, "--alone", "--filter"), {})


def check_hello(hello: dict[str, object]) -> None:
    """What the tracer found when it looked around. Raises PrerequisiteMissing if the walls are not where they should be."""
    seen = {"runs as root": hello.get("uid") == 0, "sees a network": hello.get("network") not in (["lo"], [])}
    seen["has privileges left"] = hello.get("capabilities") != 0
    seen["shares its processes"] = hello.get("first") is not True
    seen["has no filter of system calls for this kind of machine"] = hello.get("filter") is not True
    broken = [what for what, found in seen.items() if found]
    if broken:
        raise PrerequisiteMissing(f"bubblewrap runs, but the process inside {', '.join(broken)}.", "Use another machine, or --unsafe.")


def _namespaces(bwrap: str, as_root: bool) -> list[str]:
    arguments = [*(f"--unshare-{kind}" for kind in _UNSHARED), "--unshare-cgroup-try", "--die-with-parent", "--new-session"]
    if as_root:
        return arguments
    arguments += ["--unshare-user", "--uid", str(NOBODY), "--gid", str(NOBODY), "--cap-drop", "ALL"]
    arguments += ["--cap-add", "CAP_SYS_ADMIN"]
    return [*arguments, "--disable-userns"] if _knows(bwrap, "--disable-userns") else arguments


def _with_one_privilege() -> list[str]:
    user = ["--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups"]
    sets = [f"--{kind}=-all,+sys_admin" for kind in ("inh-caps", "ambient-caps", "bounding-set")]
    return [_need("setpriv", "apt-get install util-linux"), *user, *sets, "--no-new-privs"]


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
