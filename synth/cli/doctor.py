"""`lossmith doctor`: what is here, what is missing, and how to get it."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from archive.store import default_path
from sandbox.records import Record
from synth.cli.output import console, emit_json, inert

LIBRARIES = {"torch": "trains agents", "ale-py": "the Atari tasks", "gymnasium": "the gymnasium tasks", "openai": "proposers behind an API"}
ENOUGH_BYTES = 4 << 30


class Finding(Record):
    """One line. Where `ok` is false, `remedy` says how to get it; only what is `required` makes the command fail."""

    name: str
    ok: bool
    required: bool
    detail: str
    remedy: str = ""


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(doctor)


def doctor(
    archive: Annotated[Path | None, typer.Option(help="The archive that would be written.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")] = False,
) -> None:
    """Say what is missing on this machine and how to get it. Exit 3 if something required is."""
    findings = list(examine(default_path(archive)))
    sound = all(finding.ok for finding in findings if finding.required)
    if as_json:
        emit_json({"ok": sound, "findings": findings})
    else:
        _show(findings)
    raise typer.Exit(0 if sound else 3)


def examine(archive: Path) -> Iterator[Finding]:
    """Every finding, in order. Loads no library to find it."""
    yield _python()
    for library, use in LIBRARIES.items():
        yield _library(library, use)
    yield from _sandboxes()
    yield _trainings()
    yield _machine()
    yield _cuda()
    yield _key()
    yield _writable(archive)


def _python() -> Finding:
    ok = sys.version_info >= (3, 11)
    return Finding(
        name="python", ok=ok, required=True, detail=platform.python_version(), remedy="" if ok else "Install Python 3.11 or newer."
    )


def _library(name: str, use: str) -> Finding:
    try:
        return Finding(name=name, ok=True, required=True, detail=f"{version(name)}, {use}")
    except PackageNotFoundError:
        return Finding(name=name, ok=False, required=True, detail=f"not installed: {use}", remedy=f"pip install {name}")


def _sandboxes() -> Iterator[Finding]:
    """The real ones; one that works is enough, and only a language model's programs need one."""
    from sandbox.isolation.select import probe

    rows = [row for row in probe() if row.name != "unsafe"]
    enough = any(row.ok for row in rows)
    for row in rows:
        yield Finding(name=f"sandbox: {row.name}", ok=row.ok, required=not enough, detail=row.detail, remedy=row.remedy)


def _trainings() -> Finding:
    """Where they would run here, and why. Neither place is better by itself, so this is never amiss."""
    from sandbox.execution.select import choose

    choice = choose()
    return Finding(name="trainings", ok=True, required=False, detail=f"in a {choice.place} each: {choice.why}", remedy=choice.remedy)


def _machine() -> Finding:
    memory = _memory_bytes()
    ok = memory >= ENOUGH_BYTES
    detail = f"{os.cpu_count()} cores, {memory / (1 << 30):.1f} GiB of memory"
    return Finding(
        name="machine", ok=ok, required=False, detail=detail, remedy="" if ok else "Run fewer workers: each may take a gibibyte."
    )


def _memory_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _cuda() -> Finding:
    """From the driver's own tool. That torch was built for it is another matter: `+cpu` in its version says it was not."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return Finding(name="cuda", ok=False, required=False, detail="no NVIDIA driver", remedy="Not needed: agents train on the CPU.")
    query = [tool, "--query-gpu=name,memory.total", "--format=csv,noheader"]
    try:
        listed = subprocess.run(query, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError) as error:
        remedy = "Run nvidia-smi to see what is wrong with the driver."
        return Finding(name="cuda", ok=False, required=False, detail=f"nvidia-smi fails: {type(error).__name__}", remedy=remedy)
    return Finding(name="cuda", ok=True, required=False, detail="; ".join(listed.splitlines()))


def _key() -> Finding:
    """Whether it is set. Its value is never read into a message."""
    ok = bool(os.environ.get("OPENAI_API_KEY"))
    remedy = "" if ok else "Set it to let a model behind an API propose programs; mutation needs none."
    return Finding(name="OPENAI_API_KEY", ok=ok, required=False, detail="set" if ok else "not set", remedy=remedy)


def _writable(archive: Path) -> Finding:
    folder = archive.absolute().parent
    ok = folder.is_dir() and os.access(folder, os.W_OK) and (not archive.exists() or os.access(archive, os.W_OK))
    detail = f"{archive} {'can' if ok else 'cannot'} be written"
    return Finding(name="archive", ok=ok, required=True, detail=detail, remedy="" if ok else "Choose another path with --archive.")


def _show(findings: list[Finding]) -> None:
    table = Table(show_header=False, box=None)
    for finding in findings:
        mark, style = ("✓", "green") if finding.ok else ("✗", "red") if finding.required else ("-", "yellow")
        table.add_row(Text(mark, style=style), finding.name, Text(inert(finding.detail)), Text(inert(finding.remedy)))
    console.print(table)
