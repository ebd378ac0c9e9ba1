"""The page on security says what the code does, where both can be counted."""

from __future__ import annotations

import re
from pathlib import Path

from sandbox.errors import Verdict
from sandbox.execution import container
from sandbox.isolation import bubblewrap, docker, probes, tracer
from sandbox.records import Limits
from synth.spec import SandboxSection
from tests.sandbox.isolation.arsenal import ENDINGS, EVERYWHERE, GATED, LEGAL, NEED_NAMESPACES

PAGE = (Path(__file__).parents[3] / "docs" / "security.md").read_text(encoding="utf-8")


def test_it_opens_with_what_is_not_stopped() -> None:
    first, *_ = re.findall(r"^## (.*)$", PAGE, re.MULTILINE)
    assert first == "What is not stopped"
    for hole in ("kernel", "allowed operation", "Side channels"):
        assert hole in PAGE.split("## ")[1]


def test_every_verdict_is_there() -> None:
    assert all(f"`{verdict}`" in PAGE for verdict in Verdict)


def test_its_numbers_are_the_codes() -> None:
    assert probes.COUNT == 12
    assert len({*NEED_NAMESPACES, *EVERYWHERE, *ENDINGS, *GATED, *LEGAL}) > 60
    assert f"| {docker.USER}, no capability" in PAGE
    assert f"| {bubblewrap.NOBODY}, no capability" in PAGE
    assert f"at most {docker.PROCESSES} |" in PAGE
    assert f"at most {container.PROCESSES} processes" in PAGE
    assert container.TMP.startswith("size=256m")
    assert docker.TMP.startswith("size=16m")
    assert f"{tracer.FILES} open" in PAGE
    assert f"| answer | {Limits().output_bytes >> 20} MiB |" in PAGE
    assert f"`sandbox.trace_seconds`, {SandboxSection().trace_seconds:g} unless" in PAGE
    assert f"`sandbox.memory_gb`, {SandboxSection().memory_gb:g} |" in PAGE
    assert f"`{docker.RUNTIME}=runsc`" in PAGE


def test_every_file_it_names_is_there() -> None:
    root = Path(__file__).parents[3]
    for name in re.findall(r"`((?:sandbox|synth|tests|\.ci)/[^`]*)`", PAGE):
        assert list(root.glob(name)), name
