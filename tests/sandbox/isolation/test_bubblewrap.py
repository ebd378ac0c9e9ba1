"""What only namespaces give: the host is not there."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.errors import PrerequisiteMissing
from sandbox.isolation import bubblewrap as backend
from sandbox.isolation.interpreter import package_roots
from sandbox.isolation.pool import TracerPool
from tests.sandbox.isolation.attacks import observe

ROOT = Path(__file__).resolve().parents[3]
HIDDEN = {
    "passwords": "os.open('/etc/passwd', 0)",
    "processes": "os.listdir('/proc')",
    "devices_of_the_system": "os.listdir('/sys')",
    "mounts_of_the_host": "os.listdir('/mnt')",
    "tests_of_this_package": f"os.listdir({str(ROOT / 'tests')!r})",
    "spec_of_this_package": f"os.open({str(ROOT / 'pyproject.toml')!r}, 0)",
    "files_of_the_home": f"[name for name in os.listdir({str(Path.home())!r}) if name.startswith('.bash')][0]",
    "is_root": "os.getuid() == 0",
    "has_roots_group": "0 in os.getgroups()",
    "writes_into_its_source": "os.rename('/lossmith/sandbox', '/lossmith/other')",
    "makes_a_folder": "os.mkdir('/etc/x')",
    "other_network": "len(modules['_socket'].if_nameindex()) > 1",
    "shared_memory": "os.mkdir('/dev/shm/x')",
    "leaves_a_file": "os.mkdir('/tmp/x')",
    "sees_another_process": "os.kill(2, 0)",
    "disk": "[name for name in os.listdir('/dev') if name.startswith(('sd', 'vd', 'nvme', 'mem', 'kmsg'))][0]",
}


@pytest.fixture(scope="module")
def canary() -> Iterator[Path]:
    """A file on the host that everybody may read."""
    with tempfile.NamedTemporaryFile("w", prefix="canary-", dir="/var/tmp") as file:
        file.write("secret")
        file.flush()
        Path(file.name).chmod(0o644)
        yield Path(file.name)


@pytest.fixture(scope="module")
def observed(bubblewrap: TracerPool, canary: Path) -> dict[str, float]:
    assert canary.read_text() == "secret"
    extra = {"canary": f"os.open({str(canary)!r}, 0)", "its_source": "os.open('/lossmith/sandbox/records.py', 0)"}
    return observe(bubblewrap, {**HIDDEN, **extra})


def test_its_own_source_is_there(observed: dict[str, float]) -> None:
    assert observed["its_source"] == 1


@pytest.mark.parametrize("what", [*HIDDEN, "canary"])
def test_out_of_reach(observed: dict[str, float], what: str) -> None:
    assert observed[what] == 0


@pytest.mark.parametrize(
    "hello",
    [
        {"uid": 0},
        {"network": ["lo", "eth0"]},
        {"filter": False},
        {"capabilities": 1 << 21},
        {"first": False},
    ],
)
def test_a_wall_out_of_place_stops_everything(hello: dict[str, object]) -> None:
    sound: dict[str, object] = {"uid": 65534, "network": ["lo"], "filter": True, "capabilities": 0, "first": True}
    backend.check_hello(sound)
    with pytest.raises(PrerequisiteMissing, match="bubblewrap runs, but"):
        backend.check_hello({**sound, **hello})


def test_who_says_nothing_of_itself_is_not_trusted() -> None:
    with pytest.raises(PrerequisiteMissing, match="bubblewrap runs, but"):
        backend.check_hello({})


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
def test_root_makes_no_user_namespace() -> None:
    argv = backend.launch(root=True).argv
    assert "--unshare-user" not in argv
    assert "--no-new-privs" in argv


def test_a_plain_user_needs_a_user_namespace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(backend, "_knows", lambda bwrap, option: True)
    argv = backend.launch(root=False).argv
    assert {"--unshare-user", "--disable-userns"} <= set(argv)


def test_no_bubblewrap_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend.shutil, "which", lambda name: None)
    with pytest.raises(PrerequisiteMissing, match=r"apt-get install bubblewrap.*--unsafe"):
        backend.launch()


PROBES = """
from contextlib import closing
from sandbox.isolation.probes import breaches
from sandbox.isolation.select import open_isolation, _memory_limit
with closing(open_isolation("bubblewrap", 1)) as pool:
    print(breaches(pool), _memory_limit("bubblewrap"))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
def test_it_stops_as_much_for_a_plain_user_of_a_fresh_account() -> None:
    """An account without a home, groups or rights; it needs an interpreter that it may read."""
    user = 64123
    if not _may_run(user, sys.executable):
        pytest.skip("no other account may read this interpreter")
    path = os.pathsep.join([str(ROOT), *(str(folder) for folder in package_roots())])
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", PROBES],
        user=user,
        group=user,
        extra_groups=[],
        env=environment,
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    if "user namespaces" in done.stderr:
        pytest.skip("plain users may make no namespaces here")
    assert done.stdout.startswith("[] is bounded for each process alone"), done.stderr


def _may_run(user: int, command: str) -> bool:
    try:
        tried = subprocess.run(
            [command, "-c", "import torch"], user=user, group=user, extra_groups=[], cwd="/", capture_output=True, check=False
        )
    except PermissionError:
        return False
    return tried.returncode == 0
