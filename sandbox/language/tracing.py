"""The trusted half of tracing: sends a program into the sandbox and judges what comes back, which may be anything.

Needs no torch, except in `traced_from_reply`, which verifies the graphs and runs in a worker.
"""

from __future__ import annotations

import json
import keyword
import math
import re
from collections.abc import Sequence
from typing import Any, NoReturn

from sandbox.errors import Gate, Refusal, Verdict
from sandbox.graph.signature import graph_inputs, graph_outputs
from sandbox.isolation.base import Isolation
from sandbox.language.limits import LINE_CHARACTERS
from sandbox.language.tracing_messages import ADVICE
from sandbox.language.vocabulary import RL_FUNCTIONS
from sandbox.randomness import derive
from sandbox.records import Limits, Program, Shape, StateValue, Traced

VERSION = 1
STATE_NAMES = 32
STATE_NUMBERS = 1024
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_WORD = re.compile(r"[A-Za-z_]\w*", re.ASCII)

_VERDICT_CODES = {
    Verdict.TIME_LIMIT: "time-limit",
    Verdict.MEMORY_LIMIT: "memory",
    Verdict.PROCESS_LIMIT: "process-limit",
    Verdict.OUTPUT_LIMIT: "output-limit",
    Verdict.PROTOCOL_ERROR: "protocol-error",
}


def trace(program: Program, shapes: Sequence[Shape], isolation: Isolation, limits: Limits) -> str:
    """The sandbox's reply for `traced_from_reply`, JSON in the expected form; its graphs are still unverified.

    Raises Refusal (trace) for whatever is the program's doing, WorkerLost or PrerequisiteMissing where the sandbox itself failed.
    """
    reply = isolation.run(_request(program, shapes), limits)
    if reply.verdict is not Verdict.OK or reply.payload is None:
        raise _refusal(_VERDICT_CODES.get(reply.verdict, "crashed"))
    try:
        text = reply.payload.decode("utf-8")
    except UnicodeDecodeError:
        raise _refusal("malformed-reply") from None
    _parse(program, text, shapes)
    return text


def traced_from_reply(program: Program, reply: str, shapes: Sequence[Shape]) -> Traced:
    """The program with its graphs, each verified at every shape it is for. Raises Refusal (trace)."""
    from sandbox.graph.verify import verify  # needs torch

    initial_state, graphs = _parse(program, reply, shapes)
    for key, text in graphs.items():
        for shape in shapes:
            if key in ("*", _key(shape)):
                verify(text, graph_inputs(program, shape, initial_state), graph_outputs(initial_state))
    return Traced(program=program, initial_state=initial_state, graphs=graphs)


def _request(program: Program, shapes: Sequence[Shape]) -> bytes:
    """The parsed program goes in whole, so that declarations are read once, by the parser."""
    seed = derive(0, "trace-check", program.id)
    return json.dumps(
        {"version": VERSION, "program": program.model_dump(), "shapes": [list(shape) for shape in shapes], "seed": seed}
    ).encode()


# ------------------------------------------------------------------------------------------------ what came back
def _parse(program: Program, text: str, shapes: Sequence[Shape]) -> tuple[dict[str, StateValue], dict[str, str]]:
    """Initial state and graph texts by shape. Raises the program's own refusal, or `malformed-reply` for what no honest tracer sends."""
    try:
        data = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise _refusal("malformed-reply") from None
    if not isinstance(data, dict) or data.get("version") != VERSION:
        raise _refusal("malformed-reply")
    if set(data) == {"version", "refusal"}:
        raise _told(program, data["refusal"])
    if set(data) != {"version", "initial_state", "graphs"}:
        raise _refusal("malformed-reply")
    return _initial_state(program, data["initial_state"]), _graphs(data["graphs"], shapes)


def _told(program: Program, told: Any) -> Refusal:
    """The refusal the sandbox asks for: a code of our table, a place in the text, a name of our tables or from the text."""
    fields = {"code": str, "line": int, "column": int, "name": str}
    if not isinstance(told, dict) or set(told) != set(fields) or any(type(told[name]) is not kind for name, kind in fields.items()):
        return _refusal("malformed-reply")
    lines = program.text.count("\n") + 1
    if told["code"] not in ADVICE or not 0 <= told["line"] <= lines or not 0 <= told["column"] <= 2 * LINE_CHARACTERS:
        return _refusal("malformed-reply")
    return _refusal(told["code"], told["name"] if told["name"] in _known_names(program) else "", told["line"], told["column"])


def _known_names(program: Program) -> set[str]:
    """Nothing can be told by a name that was known before."""
    words = {word for word in _WORD.findall(program.text) if not keyword.iskeyword(word)}
    return words | {f"rl.{name}" for name in RL_FUNCTIONS} | {constant.name for constant in program.constants}


def _initial_state(program: Program, state: Any) -> dict[str, StateValue]:
    if not isinstance(state, dict) or len(state) > STATE_NAMES or bool(state) != program.carries_state:
        raise _refusal("initial-state" if isinstance(state, dict) else "malformed-reply")
    return {_checked_name(name): _checked_value(value) for name, value in state.items()}


def _checked_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise _refusal("initial-state")
    return name


def _checked_value(value: Any) -> StateValue:
    numbers = value if isinstance(value, list) else [value]
    if not 1 <= len(numbers) <= STATE_NUMBERS or not all(type(one) in (int, float) and math.isfinite(one) for one in numbers):
        raise _refusal("initial-state")
    return [float(one) for one in numbers] if isinstance(value, list) else float(value)


def _graphs(graphs: Any, shapes: Sequence[Shape]) -> dict[str, str]:
    if not isinstance(graphs, dict) or set(graphs) not in ({"*"}, {_key(shape) for shape in shapes}):
        raise _refusal("malformed-reply")
    if not all(isinstance(graph, dict) for graph in graphs.values()):
        raise _refusal("malformed-reply")
    return {key: json.dumps(graph, separators=(",", ":")) for key, graph in graphs.items()}


def _key(shape: Shape) -> str:
    return ",".join(map(str, shape))


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _refusal(code: str, name: str = "", line: int = 0, column: int = 0) -> Refusal:
    advice = ADVICE[code]
    message = advice.message.format(name=name) if name or not advice.unnamed else advice.unnamed
    return Refusal(Gate.TRACE, code, message, advice.remedy, line, column)
