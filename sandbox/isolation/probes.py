"""Live probes: small attacks on a sandbox that is in use on this machine, each of which must fail. `lossmith doctor` runs them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping

from sandbox.errors import Verdict, WorkerLost
from sandbox.isolation.base import Isolation
from sandbox.isolation.interpreter import settings
from sandbox.isolation.siege import run_unparsed
from sandbox.records import Limits

PRELUDE = """
os, sys, builtins = torch.os, torch.sys, torch.os.__builtins__
modules = sys.modules
libc = torch.ctypes.CDLL(None)


def attempt(action):
    try:
        return float(action() is not False)
    except builtins["BaseException"]:
        return 0.0

"""
LOSS = "def loss(traj, c):\n    return (traj.online.value[:-1] - traj.rewards) ** 2\n"

ATTEMPTS = {
    "network": "modules['_socket'].socket(2, 1)",
    "file_read": "os.open('/etc/passwd', 0)",
    "file_write": "os.open('/tmp/lossmith-probe', os.O_CREAT | os.O_WRONLY)",
    "environment": "[name for name in os.environ if name in OUTSIDE][0]",
    "other_processes": "os.kill(os.getppid(), 0) is None",
    "threads": "torch.threading.Thread(target=list).start() is None",
    "namespaces": "libc.unshare(0x10000000) == 0",
    "root": "os.setuid(0) is None",
}
ENDINGS = {
    "fork": ("os.fork()", {Verdict.PROCESS_LIMIT}),
    "exec": ("os.execv('/bin/true', ['true'])", {Verdict.PROCESS_LIMIT}),
    "memory": ("x = []\nwhile True:\n    x.append(torch.ones(10 ** 7))", {Verdict.MEMORY_LIMIT, Verdict.OK}),
    "time": ("while True:\n    pass", {Verdict.TIME_LIMIT}),
}
INSIDE_TOO = {*settings(), "PATH", "HOSTNAME", "PWD", "LC_CTYPE", "GPG_KEY"}
"""Variables that a sandbox has for reasons of its own: what we set, docker, bubblewrap, Python, and Python's official image."""

SET_BY_LIBRARIES = ("PYTHON", "KMP_", "TORCH")  # the last two when torch is imported, here as there
COUNT = len(ATTEMPTS) + len(ENDINGS)
LIMITS = Limits(seconds=20.0, memory_bytes=1 << 29)
SHORT = Limits(seconds=0.5)


def attempts_text(attempts: Mapping[str, str]) -> str:
    """A program whose initial state tells which of the expressions neither raised nor gave False. Names are lower case, at most 32."""
    lines = [f"        {name!r}: attempt(lambda: {expression})," for name, expression in attempts.items()]
    state = "\n".join(["def initial_state(c):", "    return {", *lines, "    }"])
    return f"{PRELUDE}\n\n{state}\n\n\ndef loss(traj, c, state):\n    return traj.online.value[:-1] - traj.rewards, state\n"


def breaches(isolation: Isolation) -> list[str]:
    """The probes that were not stopped. Raises WorkerLost where the sandbox itself fails."""
    text = f"OUTSIDE = {_outside()!r}\n{attempts_text({**ATTEMPTS, 'control': 'True'})}"
    reply = run_unparsed(text, isolation, LIMITS)
    state = json.loads(reply.payload or b"{}").get("initial_state", {})
    if state.get("control") != 1:
        raise WorkerLost(f"The probes could not be run: {reply.verdict.value}.", "Run `lossmith doctor` again.")
    found = [name for name in ATTEMPTS if state.get(name) != 0]
    for name, (body, verdicts) in ENDINGS.items():
        ended = run_unparsed(f"{PRELUDE}\n{body}\n\n{LOSS}", isolation, SHORT if name == "time" else LIMITS)
        if ended.verdict not in verdicts or b'"graphs"' in (ended.payload or b""):
            found.append(name)
    return found


def _outside() -> list[str]:
    """Names of this process's variables, and of a key, that no sandbox has a reason to have."""
    names = {"OPENAI_API_KEY", *os.environ} - INSIDE_TOO
    return sorted(name for name in names if not name.startswith(SET_BY_LIBRARIES))
