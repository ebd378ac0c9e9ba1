"""`check` and `evaluate` as a person or a script meets them: exit codes, JSON, the caret, nothing else on stdout."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from sandbox.rules.references import reference_text
from synth.cli import programs
from synth.cli.sources import Source

BAD = '''"""Bad: reads a file."""

HEADS = {"logits": "A"}


def loss(traj, c):
    x = open("/etc/passwd")
    return traj.rewards
'''
SHAPELESS = BAD.replace('x = open("/etc/passwd")', "x = traj.online.logits + traj.rewards")


def lossmith(*arguments: str, text: str | bytes = b"", path: str | None = None) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "120", **({} if path is None else {"PATH": path})}
    data = text.encode() if isinstance(text, str) else text
    return subprocess.run(
        [sys.executable, "-m", "synth.cli.main", *arguments], input=data, capture_output=True, env=environment, timeout=110, check=False
    )


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["check"], b"FILE"),
        (["check", "no/such/file.py"], b"No such file"),
        (["check", "."], b"directory"),
        (["check", "-", "--tasks", "probe:catsh"], b"probe:catch"),
        (["check", "-", "--tasks", ","], b"--tasks"),
        (["evaluate", "ppo"], b"--tasks"),
        (["evaluate", "ppoo", "--tasks", "probe:catch"], b"discorl_like"),
        (["evaluate", "ppo", "--tasks", "nonsense"], b"not a task"),
        (["evaluate", "ppo", "--tasks", "probe:catch,probe:catch"], b"twice"),
        (["evaluate", "ppo", "--tasks", "probes,probe:catch"], b"twice"),
        (["evaluate", "ppo", "--tasks", "probe:catch", "--baseline", "pppo"], b"ppo"),
        (["evaluate", "ppo", "--tasks", "probe:catch", "--seeds", "0"], b"seeds"),
        (["evaluate", "ppo", "--tasks", "probe:catch", "--network-learning-rate", "5", "--baseline", "disco103"], b"learning-rate"),
        (["evaluate", "ppo", "--tasks", "probe:catch", "--sticky", "1.5"], b"sticky"),
    ],
)
def test_what_cannot_be_asked_exits_2_and_says_why(arguments: list[str], word: bytes) -> None:
    done = lossmith(*arguments)
    assert (done.returncode, done.stdout) == (2, b"")
    assert word in done.stderr
    assert b"Traceback" not in done.stderr


def test_check_points_at_the_place() -> None:
    done = lossmith("check", "-", text=BAD)
    lines = done.stdout.decode().splitlines()
    (line,) = (number for number, text in enumerate(lines) if 'x = open("/etc/passwd")' in text)
    assert lines[line].index("open") == lines[line + 1].index("^")
    assert done.returncode == 1
    assert "line 7" in done.stdout.decode()


def test_check_as_json_has_exactly_these_keys() -> None:
    done = lossmith("check", "-", "--json", text=BAD)
    verdict = json.loads(done.stdout)
    assert list(verdict) == ["ok", "gate", "code", "line", "column", "message", "remedy"]
    assert (verdict["ok"], verdict["gate"], verdict["code"], verdict["line"], verdict["column"]) == (False, "parse", "unknown-name", 7, 9)
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\0",
        b"\xff\xfe\x00",
        b"(" * 100_000,
        b"\x1b[2Jx = 1",
        "\u202e".encode() + BAD.encode(),
        b"# coding: utf-7\n",
        b"x" * 3_000_000,
    ],
    ids=["empty", "nul", "utf16", "deep", "escape", "bidi", "cookie", "large"],
)
def test_check_refuses_any_bytes_in_a_moment(text: bytes) -> None:
    start = time.monotonic()
    done = lossmith("check", "-", "--json", text=text)
    assert json.loads(done.stdout)["ok"] is False
    assert done.returncode == 1
    assert time.monotonic() - start < 20
    human = lossmith("check", "-", text=text)
    assert human.returncode == 1
    assert b"\x1b[2J" not in human.stdout
    assert b"Traceback" not in human.stdout + human.stderr


def test_check_passes_a_reference(tmp_path: Path) -> None:
    (tmp_path / "ppo.py").write_text(reference_text("ppo"))
    start = time.monotonic()
    done = lossmith("check", str(tmp_path / "ppo.py"), "--unsafe", "--tasks", "probe:catch")
    assert done.returncode == 0, done.stderr
    assert "✓ cost" in done.stdout.decode()
    assert "PPO" in done.stdout.decode()
    assert time.monotonic() - start < 60


def test_check_refuses_what_only_tracing_can_see() -> None:
    verdict = json.loads(lossmith("check", "-", "--json", "--unsafe", text=SHAPELESS).stdout)
    assert (verdict["gate"], verdict["line"]) == ("trace", 7)


def test_without_a_sandbox_untrusted_text_exits_3_with_the_remedy(tmp_path: Path) -> None:
    done = lossmith("check", "-", text=reference_text("ppo"), path=str(tmp_path))
    assert (done.returncode, done.stdout) == (3, b"")
    assert b"bubblewrap" in done.stderr
    assert b"--unsafe" in done.stderr


def test_evaluate_prints_one_document_with_everything_the_numbers_depend_on(tmp_path: Path) -> None:
    """Without a sandbox on the path: a reference is ours, and needs none."""
    run = ["evaluate", "ppo", "--tasks", "probe:catch", "--steps", "16000", "--seeds", "2", "--baseline", "ppo", "--json"]
    done = lossmith(*run, path=str(tmp_path))
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    (task,) = report["tasks"]
    assert (task["task"], task["n"], len(task["returns"]), len(task["curve"])) == ("probe:catch", 2, 2, 10)
    assert task["random"] < task["baseline"]
    assert task["score"] == pytest.approx(1.0, abs=0.5)
    assert task["interval"][0] <= task["score"] <= task["interval"][1]
    assert report["score"]["n"] == 2
    assert {"sticky", "episodic_life", "clip_rewards"} <= set(report["task_settings"])
    assert (report["verdict"], report["steps"], report["baseline"]) == ("ok", 16000, "ppo")


def test_skills_are_measured_against_the_best_policy_and_no_baseline_is_trained() -> None:
    """The scale is known: PPO is near random play where rewards are thousands, and a battery with such a probe has a score all the same."""
    tasks = "probe:immediate-credit,probe:reward-scale-large"
    done = lossmith("evaluate", "ppo", "--tasks", tasks, "--steps", "4096", "--seeds", "2", "--json")
    report = json.loads(done.stdout)
    easy, hard = report["tasks"]
    assert (report["baseline"], easy["baseline"], hard["baseline"]) == ("best-policy", 8.0, 10.0)
    assert easy["score"] == pytest.approx((np.mean(easy["returns"]) - 4.0) / 4.0)
    assert easy["score"] > hard["score"]
    assert report["score"]["n"] == 4


@pytest.mark.parametrize("task", ["gymnasium:CartPole-v1", "probe:random-mdp"])
def test_the_best_policy_is_known_on_probes_alone(task: str) -> None:
    done = lossmith("evaluate", "ppo", "--tasks", task, "--baseline", "best-policy")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"best policy" in done.stderr


def test_evaluate_warns_where_the_baseline_is_no_yardstick(tmp_path: Path) -> None:
    run = ["evaluate", "reinforce", "--tasks", "probe:catch", "--steps", "600", "--seeds", "1", "--baseline", "reinforce", "--json"]
    done = lossmith(*run, path=str(tmp_path))
    report = json.loads(done.stdout)
    assert (done.returncode, report["score"], report["tasks"][0]["score"]) == (0, None, None)
    assert b"not clearly above random" in done.stderr


def test_evaluate_of_a_refused_file_says_what_check_says(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text(BAD)
    done = lossmith("evaluate", str(tmp_path / "bad.py"), "--tasks", "probe:catch", "--json")
    assert done.returncode == 1
    assert done.stdout == lossmith("check", str(tmp_path / "bad.py"), "--json").stdout


def test_a_check_that_takes_too_long_ends_as_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "CHECK_SECONDS", 0.05)
    report = programs.check_text(Source("-", reference_text("ppo")), [], unsafe=True)
    assert report.refusal is not None
    assert report.refusal.code == "time-limit"


def test_evaluate_refuses_more_threads_than_cores() -> None:
    done = lossmith("evaluate", "ppo", "--tasks", "probe:catch", "--threads", "1024")
    assert done.returncode == 2
    assert b"agent.threads is 1024 and this machine has" in done.stderr
