"""Texts that no parser would let through, to be sent straight into a sandbox, and small helpers to watch processes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from sandbox.isolation.base import Isolation, Reply
from sandbox.isolation.probes import LOSS, PRELUDE, attempts_text
from sandbox.isolation.siege import run_unparsed
from sandbox.records import Limits


def run_text(isolation: Isolation, text: str, **limits: Any) -> Reply:
    """Sends `text` as it is: no parser, no other gate."""
    return run_unparsed(text, isolation, Limits(**{"seconds": 20.0, **limits}))


def run_attack(isolation: Isolation, body: str, **limits: Any) -> Reply:
    """Runs `body` as the module's own code, with `os`, `sys` and libc in hand, before an ordinary loss."""
    return run_text(isolation, f"{PRELUDE}\n{body}\n\n{LOSS}", **limits)


def observe(isolation: Isolation, attempts: dict[str, str]) -> dict[str, float]:
    """Tries each expression inside; 1 where it neither raised nor gave False."""
    reply = observe_reply(isolation, attempts)
    assert reply.payload is not None, reply.verdict
    found: dict[str, float] = json.loads(reply.payload)["initial_state"]
    return found


def observe_reply(isolation: Isolation, attempts: dict[str, str]) -> Reply:
    """The whole reply of `observe`; names must be lower case, and no more than 32."""
    return run_text(isolation, attempts_text(attempts))


def descendants(pid: int) -> set[int]:
    """Every process started by `pid`, directly or not."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended while we looked
        parents[int(stat.parent.name)] = int(fields[1])
    found: set[int] = set()
    while grown := {child for child, parent in parents.items() if parent in {pid, *found}} - found:
        found |= grown
    return found


def alive(pids: set[int]) -> set[int]:
    return {pid for pid in pids if _runs(pid)}


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (OSError, IndexError):
        return False
