"""A real HTTP server on the loopback that speaks OpenAI's chat completions, as badly as a test wants."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from archive.records import Prompt
from sandbox.randomness import derive

Script = Callable[[Prompt, int], str]
"""What to answer to a prompt, asked for the n-th time (from 0): a reply, or one of `FAULTS`."""

FAULTS = ("!429", "!500", "!hang", "!cut", "!garbage", "!empty", "!401", "!404", "!null", "!drip", "!drop", "!long")
LOSING = ("!hang", "!cut", "!garbage", "!empty", "!null", "!drip", "!drop")
"""After which nobody knows whether the call has to be paid."""
KEY = "sk-never-to-be-seen-5f2a"


class Endpoint:
    """A context manager. `asked` are all prompts that came, `answered` those that got a reply, in order, `faults` what others got."""

    def __init__(self, script: Script, delay: float = 0.0) -> None:
        self.asked: list[Prompt] = []
        self.answered: list[Prompt] = []
        self.faults: list[str] = []
        self.keys: set[str] = set()
        self.bodies: list[dict[str, Any]] = []
        self._script = script
        self._delay = delay
        self._lock = threading.Lock()
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                endpoint._answer(self)

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            request_queue_size = 128  # or the kernel turns away many that come at once

        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def __enter__(self) -> Endpoint:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        body = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        prompt = Prompt(operator="", system=body["messages"][0]["content"], user=body["messages"][1]["content"])
        with self._lock:
            count = sum(one == prompt for one in self.asked)
            self.asked.append(prompt)
            self.keys.add(handler.headers["Authorization"])
            self.bodies.append(body)
        time.sleep(self._delay)
        reply = self._script(prompt, count)
        if reply in FAULTS:
            with self._lock:
                self.faults.append(reply)
            _fail(handler, reply)
            return
        try:
            _send(handler, 200, json.dumps(completion(prompt, reply)))
        except OSError:
            return  # whoever asked is dead
        with self._lock:
            self.answered.append(prompt)


def completion(prompt: Prompt, reply: str) -> dict[str, Any]:
    tokens = len(prompt.system + prompt.user) // 4
    return {
        "id": "x",
        "object": "chat.completion",
        "created": 0,
        "model": "scripted-1",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": reply}}],
        "usage": {
            "prompt_tokens": tokens,
            "completion_tokens": len(reply) // 4,
            "total_tokens": tokens + len(reply) // 4,
            "prompt_tokens_details": {"cached_tokens": tokens // 2},
        },
    }


def _fail(handler: BaseHTTPRequestHandler, fault: str) -> None:
    if fault == "!hang":
        time.sleep(1.5)
        handler.close_connection = True
    elif fault == "!drip":
        _drip(handler)
    elif fault == "!drop":
        handler.close_connection = True
    elif fault == "!cut":
        handler.wfile.write(b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nContent-Type: application/json\r\n\r\n{"id": ')
        handler.close_connection = True
    elif fault == "!garbage":
        _send(handler, 200, "<html>It works!")
    elif fault == "!empty":
        _send(handler, 200, '{"id": "x", "object": "chat.completion", "choices": []}')
    elif fault == "!null":
        _send(handler, 200, "null")
    elif fault == "!long":
        error = {"message": "This model's maximum context length is 9 tokens.", "type": "no", "code": "context_length_exceeded"}
        _send(handler, 400, json.dumps({"error": error}))
    else:
        error = {"error": {"message": f"No, {handler.headers['Authorization']}.", "type": "no", "code": None}}
        _send(handler, int(fault[1:]), json.dumps(error), {"Retry-After": "0.02"} if fault == "!429" else {})


def _drip(handler: BaseHTTPRequestHandler) -> None:
    """A byte now and then, for as long as somebody listens: first of the headers, then of a body that would never end."""
    try:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Slow: ")
        for byte in b"x" * 5 + b"\r\nContent-Length: 100000\r\n\r\n" + b" " * 100_000:
            handler.wfile.write(bytes([byte]))
            time.sleep(0.05)
    except OSError:
        handler.close_connection = True


def _send(handler: BaseHTTPRequestHandler, status: int, text: str, headers: dict[str, str] | None = None) -> None:
    handler.send_response(status)
    for name, value in {"Content-Type": "application/json", "Content-Length": str(len(text.encode())), **(headers or {})}.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(text.encode())


# ------------------------------------------------------------------------------------------------ what a model might write
PROGRAM = '''"""A2C with a discount of {discount}."""

HEADS = {{"logits": "A", "value": 1}}
CONSTANTS = {{"discount": {discount}, "value_cost": 0.5}}


def loss(traj, c):
    value = traj.online.value
    returns = rl.discounted_returns(traj.rewards, c.discount * traj.continues, rl.stop_gradient(value[-1]))
    advantages = rl.stop_gradient(returns - value[:-1])
    policy = -rl.log_prob(traj.online.logits[:-1], traj.actions) * advantages
    return policy + c.value_cost * (returns - value[:-1]) ** 2
'''


def good(prompt: Prompt) -> str:
    """A program that differs with the prompt."""
    return PROGRAM.format(discount=0.9 + derive(7, prompt.hash) % 10**9 / 10**11)


def broken(prompt: Prompt) -> str:
    return good(prompt).replace("rl.stop_gradient(returns", "np.array(returns")


def mixture(prompt: Prompt, count: int) -> str:
    """Good programs, broken ones that a repair mends or does not, prose, duplicates; and every fault now and then, the first time."""
    fate = derive(1, prompt.hash)
    if count == 0 and fate % 4 == 0:
        return FAULTS[fate // 4 % 6]
    if "write no program" in prompt.user:
        return "- Nothing works but patience."
    kind = fate // 100 % 8
    if "# The program that was refused" in prompt.user:
        kind = 3 if kind == 0 else 0
    if kind == 1:
        return "I think that the entropy should be higher, but I have no program."
    if kind == 2:
        return f"The same again.\n```python\n{PROGRAM.format(discount=0.95)}```"
    if kind in {3, 4}:
        return f"<think>Hm.</think>Here it is:\n```python\n{broken(prompt)}```"
    return f"A better discount.\n\n```python\n{good(prompt)}```\nGood luck."
