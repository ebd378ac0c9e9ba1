"""A campaign with a model as a user runs it: the command, an endpoint, sandboxed traces, trainings; then the same from its recording."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from archive.store import open_archive
from tests.synth.endpoint import KEY, LOSING, Endpoint, mixture

SPEC = """
[campaign]
name = "c"
lag = 3
references = ["a2c"]
[budget]
evaluations = 30
calls = 8
money = 1.0
[proposer]
kind = "openai"
model = "scripted-1"
base_url = "{url}"
timeout_seconds = 1
retry_seconds = 0.05
insights_every = 4
price = {{input = 1, cached = 0.1, output = 10}}
[[rung]]
name = "credit"
tasks = ["probe:immediate-credit"]
steps = 5000
seeds = 1
evaluation_episodes = 64
"""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def lossmith(folder: Path, *arguments: str) -> Any:
    environment = {**os.environ, "OPENAI_API_KEY": KEY, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "synth.cli.main", *arguments, "--json"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    child = subprocess.Popen(command, text=True, cwd=folder, env=environment, start_new_session=True, **pipes)
    over = threading.Event()
    watcher = threading.Thread(target=watch, args=(child.pid, over, seen := Seen()))
    watcher.start()
    out, errors = child.communicate()
    over.set()
    watcher.join()
    assert child.returncode == 0, errors
    assert KEY not in out + errors
    assert not seen.leaks
    assert len(seen.processes) > 3 or "--dry-run" in arguments or arguments[0] != "run"
    return json.loads(out)


class Seen:
    """What was seen of a command and of all that it started."""

    def __init__(self) -> None:
        self.processes: set[int] = set()
        self.leaks: set[str] = set()


def watch(command: int, over: threading.Event, seen: Seen) -> None:
    """Looks for the key in every argument, and in the environment of every process but the command itself."""
    while not over.wait(0.05):
        for process in descendants(command):
            try:
                words, environment = (Path(f"/proc/{process}/{kind}").read_bytes() for kind in ("cmdline", "environ"))
            except OSError:  # it has ended
                continue
            seen.processes.add(process)
            if KEY.encode() in words:
                seen.leaks.add(f"arguments of {process}")
            own = b"synth.cli.main" in words or process == command  # the command, or what it has forked and is about to become another
            if KEY.encode() in environment and not own:
                seen.leaks.add(f"environment of {words!r}")


def descendants(command: int) -> set[int]:
    """The process and everything below it, as far as it lives."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(stat.parent.name)] = int(fields[1])
    found = {command}
    while more := {process for process, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def fates(path: Path) -> list[Any]:
    archive = open_archive(path)
    told = archive.progress("c")[1]
    rows: list[Any] = []
    for proposal in archive.proposals("c", 0)[:told]:
        result = archive.result_of("c", proposal.number)
        assert result is not None
        scores = [evaluation.score for evaluation in result.evaluations]
        rows.append((proposal, result.refusal, result.identity, result.duplicate_of, scores))
    archive.close()
    return rows


def test_from_an_endpoint_to_a_leaderboard_and_again_from_the_recording(tmp_path: Path) -> None:
    spec = tmp_path / "spec.toml"
    with Endpoint(mixture) as endpoint:
        spec.write_text(SPEC.format(url=endpoint.url))
        plan = lossmith(tmp_path, "run", "spec.toml", "--dry-run")
        assert "# The task" in plan["first_prompt"]["user"]
        assert plan["worst_case"]["total"]["calls"] == 8
        assert not endpoint.asked
        outcome = lossmith(tmp_path, "run", "spec.toml", "--archive", "a.sqlite")
        assert outcome["ending"] == "calls"
        lost = [fault for fault in endpoint.faults if fault in LOSING]
        assert outcome["spent"]["calls"] == len(endpoint.answered) + len(lost) == 8
        assert {arm["operator"] for arm in outcome["arms"]} == {"refine", "crossover", "fresh", "challenge", "simplify"}
    overrides = ["--set", 'proposer.kind="replay"', "--set", f'proposer.archive="{tmp_path / "a.sqlite"}"']
    lossmith(tmp_path, "run", "spec.toml", "--archive", "b.sqlite", *overrides)
    assert fates(tmp_path / "b.sqlite") == fates(tmp_path / "a.sqlite")
    assert not any(KEY.encode() in path.read_bytes() for path in tmp_path.iterdir())
    prompt = lossmith(tmp_path, "prompts", "render", "refine", "--archive", "a.sqlite")
    assert "# The program to improve" in prompt["user"]
