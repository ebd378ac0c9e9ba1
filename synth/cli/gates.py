"""What the gates said about a program, for scripts and for people."""

from __future__ import annotations

from typing import Any

from rich.text import Text

from sandbox.errors import Gate
from sandbox.records import GateReport, RefusalRecord
from synth.cli.output import console, emit_json, inert, narrate


def print_gates(report: GateReport, text: str, as_json: bool) -> None:
    """The outcome, on stdout. As JSON it has exactly the keys ok, gate, code, line, column, message and remedy."""
    if as_json:
        emit_json(_as_json(report.refusal))
    else:
        _show(report, text)


def _as_json(refusal: RefusalRecord | None) -> dict[str, Any]:
    fields = ("gate", "code", "line", "column", "message", "remedy")
    return {"ok": refusal is None} | {name: getattr(refusal, name, None) for name in fields}


def _show(report: GateReport, text: str) -> None:
    """Each gate with its outcome, then what was found. Novelty is judged only within a campaign."""
    for gate in (gate for gate in Gate if gate != Gate.NOVELTY):
        refused = report.refusal is not None and report.refusal.gate == gate
        console.print(Text("✗ " if refused else "✓ ", style="red" if refused else "green") + Text(gate.value))
        if refused:
            break
    if report.refusal is not None:
        _show_refusal(report.refusal, text)
    elif report.traced is not None and report.descriptor is not None:
        program, descriptor = report.traced.program, report.descriptor
        console.print(Text(inert(f"{program.title}\n{program.id} · {descriptor.family} · {descriptor.nodes} graph nodes")))
        for warning in program.warnings:
            narrate(f"warning: {warning}")


def _show_refusal(refusal: RefusalRecord, text: str) -> None:
    lines = text.splitlines()
    where = f"line {refusal.line}: " if refusal.line else ""
    console.print(Text(inert(f"{where}{refusal.message}"), style="red"))
    if 1 <= refusal.line <= len(lines):
        line = inert(lines[refusal.line - 1]).replace("\t", " ")
        console.print(Text(f"    {line[:200]}"), soft_wrap=True)
        if 1 <= refusal.column <= min(len(line) + 1, 200):
            console.print(Text(" " * (refusal.column + 3) + "^", style="red"), soft_wrap=True)
    if refusal.remedy:
        console.print(Text(inert(refusal.remedy)))
