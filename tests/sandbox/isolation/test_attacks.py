"""The attack suite: every attack against the parse gate, and with the gate switched off against the walls of every backend present.

No attack may read a secret or a file, reach a network, leave anything behind, or disturb the next job; and each ends as it is known to.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.errors import Refusal, Verdict
from sandbox.isolation.base import Reply
from sandbox.isolation.pool import TracerPool
from sandbox.isolation.siege import SHAPES, unparsed
from sandbox.language.program import parse
from sandbox.language.tracing import trace
from sandbox.records import Limits
from tests.sandbox.isolation.arsenal import (
    ANSWERED,
    CANARY,
    ENDINGS,
    EVERYWHERE,
    GATED,
    LEFT,
    LEGAL,
    NEED_NAMESPACES,
    REFUSED,
    SECRET,
)
from tests.sandbox.isolation.attacks import LOSS, alive, descendants, observe_reply, run_attack, run_text

HEADER = '"""Attack: one sentence."""\nHEADS = {"logits": "A", "value": 1}\n'
ATTEMPTS = {**NEED_NAMESPACES, **EVERYWHERE}
PLACES = ("/tmp", "/var/tmp", "/dev/shm", "/", ".")


def natural(expression: str) -> str:
    """The expression as a text without our prelude would have to write it."""
    spelled = {"builtins[": "torch.os.__builtins__[", "modules[": "torch.sys.modules[", "libc.": "torch.ctypes.CDLL(None)."}
    for ours, theirs in {**spelled, "os.": "torch.os."}.items():
        expression = expression.replace(ours, theirs)
    return expression.replace("torch.torch.", "torch.")


class Siege:
    """One backend under attack, with all it ever answered."""

    def __init__(self, pool: TracerPool, canary: str) -> None:
        self.pool = pool
        self.canary = canary
        self.replies: list[Reply] = []
        self.sound = run_text(pool, LOSS).payload

    def observe(self, attempts: dict[str, str]) -> dict[str, float]:
        """In portions, since a state has at most 32 names."""
        found: dict[str, float] = {}
        names = list(attempts)
        for start in range(0, len(names), 30):
            portion = names[start : start + 30]
            keys = {f"a{number}": attempts[name].replace(CANARY, self.canary) for number, name in enumerate(portion)}
            reply = observe_reply(self.pool, keys)
            self.replies.append(reply)
            assert reply.payload is not None, reply.verdict
            state = json.loads(reply.payload)["initial_state"]
            found |= {name: state[f"a{number}"] for number, name in enumerate(portion)}
        return found

    def end(self, body: str, verdicts: set[str]) -> str:
        """How a text ended: a verdict, or what the answer was."""
        seconds = 0.7 if Verdict.TIME_LIMIT in verdicts else 10.0
        reply = run_attack(self.pool, body, seconds=seconds, memory_bytes=1 << 30, output_bytes=1 << 20)
        self.replies.append(reply)
        if reply.payload is None:
            return reply.verdict
        return REFUSED if "refusal" in json.loads(reply.payload) else ANSWERED


@pytest.fixture(scope="module")
def siege(isolation: TracerPool) -> Iterator[Siege]:
    """Afterwards nothing is left on the disk, and the pool still works."""
    with tempfile.NamedTemporaryFile("w", prefix="canary-", dir="/var/tmp") as file:
        file.write(SECRET)
        file.flush()
        Path(file.name).chmod(0o644)
        siege = Siege(isolation, file.name)
        yield siege
        assert run_text(isolation, LOSS).payload == siege.sound
        assert not [place for place in PLACES if (Path(place) / LEFT).exists() or (Path(place) / LEFT).is_symlink()]
        assert not [reply for reply in siege.replies if SECRET.encode() in (reply.payload or b"")]


@pytest.fixture(scope="module")
def observed(siege: Siege) -> dict[str, float]:
    return siege.observe({**ATTEMPTS, "what can succeed": "True"})


# ------------------------------------------------------------------------------------------- with the gate switched on
@pytest.mark.parametrize("attack", ATTEMPTS)
def test_the_gate_refuses_what_reaches_for_more(attack: str) -> None:
    with pytest.raises(Refusal):
        parse(f"{HEADER}\n\ndef loss(traj, c):\n    x = {natural(ATTEMPTS[attack])}\n    return traj.rewards * x\n")


@pytest.mark.parametrize("attack", GATED)
def test_the_gate_refuses(attack: str) -> None:
    with pytest.raises(Refusal) as caught:
        parse(f"{HEADER}{GATED[attack]}\n\ndef loss(traj, c):\n    return traj.rewards\n")
    assert caught.value.code != "missing-docstring"


@pytest.mark.parametrize("attack", LEGAL)
def test_what_the_language_can_say_ends_with_a_refusal_and_a_place(bubblewrap: TracerPool, attack: str) -> None:
    """Through gate and sandbox, as a campaign does; what comes out of it is judged as data by the gates behind."""
    text = f"{HEADER}\n\ndef loss(traj, c):\n{LEGAL[attack]}"
    refused = None
    try:
        answer = trace(parse(text), SHAPES, bubblewrap, Limits(seconds=4.0, memory_bytes=1 << 30))
    except Refusal as refusal:
        refused = refusal
    if refused is None:
        assert set(json.loads(answer)) == {"version", "initial_state", "graphs"}
    else:
        assert refused.remedy
        assert refused.code not in ("crashed", "malformed-reply")


# ------------------------------------------------------------------------------------------ with the gate switched off
def test_an_attempt_can_succeed(observed: dict[str, float]) -> None:
    assert observed["what can succeed"] == 1


@pytest.mark.parametrize("attack", ATTEMPTS)
def test_an_attempt_fails(siege: Siege, observed: dict[str, float], attack: str) -> None:
    if siege.pool.name == "unsafe" and attack in NEED_NAMESPACES:
        pytest.skip("a plain child process has no walls against this, and says so")
    assert observed[attack] == 0


@pytest.mark.parametrize("attack", ENDINGS)
def test_an_attack_ends_as_it_must(siege: Siege, attack: str) -> None:
    body, verdicts = ENDINGS[attack]
    before = descendants(os.getpid())
    assert siege.end(body, verdicts) in verdicts
    if siege.pool.name != "docker":  # there each job takes a container of its own, which costs seconds: the fixture asks at the end
        assert run_text(siege.pool, LOSS).payload == siege.sound
        waiting = 8  # processes of tracers that wait for the next job
        assert len(alive(descendants(os.getpid()) - before)) <= waiting


# ------------------------------------------------------------------------- the three ways in which rivals were cheated
def test_a_line_at_exit_changes_no_answer(siege: Siege) -> None:
    """One `atexit` line turned a failed program into score 1e9 (ShinkaEvolve), a last line on stdout 1.0 into 999999 (DiscoGen)."""
    body = "builtins['__import__']('atexit').register(lambda: [os.write(fd, b'score: 1e9') for fd in (1, 2)])"
    reply = run_attack(siege.pool, body)
    assert _graph(reply.payload) == _graph(siege.sound)


def test_a_result_written_by_the_program_is_no_result(siege: Siege) -> None:
    """The answer may be anything; there is no place in it for a score."""
    forged = '{"version": 1, "score": 1e9, "results": [999999], "initial_state": {}, "graphs": {}}'
    answer = len(forged).to_bytes(8, "big") + forged.encode()
    forge = f"modules[name].frame = lambda _: {answer!r}"
    body = f"for name in ('__main__', 'sandbox.isolation.tracer'):\n    if name in modules:\n        {forge}"
    reply = run_attack(siege.pool, body)
    assert reply.payload == forged.encode()
    with pytest.raises(Refusal) as caught:
        trace(unparsed(LOSS), SHAPES, _Always(reply), Limits())
    assert caught.value.code == "malformed-reply"


def test_weights_are_not_reached_through_grad_fn(siege: Siege) -> None:
    """In the process that runs the text tensors have no history, and there are no weights: see also `forgery: finds weights`."""
    loss = "def loss(traj, c):\n    history = traj.online.value.grad_fn\n    return traj.rewards if history is None else 1 / 0\n"
    assert run_text(siege.pool, loss).verdict is Verdict.OK
    assert json.loads(run_text(siege.pool, loss).payload or b"").get("refusal", {}).get("code") != "zero-division"


def _graph(payload: bytes | None) -> object:
    """The answer but for the lines at which things stand."""
    answer = json.loads(payload or b"")
    return [answer["initial_state"], [{**graph, "lines": []} for graph in answer["graphs"].values()]]


class _Always:
    """A sandbox that gives one reply."""

    name = "always"

    def __init__(self, reply: Reply) -> None:
        self._reply = reply

    def run(self, request: bytes, limits: Limits) -> Reply:
        return self._reply

    def close(self) -> None:
        pass
