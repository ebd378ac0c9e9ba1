"""What crosses between the parent and a job's process: one length-prefixed JSON message each way, records only, never pickle."""

from __future__ import annotations

import struct
from typing import Annotated, Literal, Protocol, TypeAlias

from pydantic import Field, TypeAdapter

from sandbox.errors import Gate, LossmithError, PrerequisiteMissing, Refusal, RunFault, UsageError, Verdict
from sandbox.execution.base import JobResult
from sandbox.records import GateReport, Job, Limits, Record, RunResult, TaskDescription

HEADER = struct.Struct(">Q")


class Request(Record):
    """What the parent asks of a fresh process."""

    job: Job
    limits: Limits


class Done(Record):
    """The job's result."""

    kind: Literal["done"] = "done"
    result: RunResult | GateReport | TaskDescription


class Failed(Record):
    """The job's error, as data. `family` says whose fault and of which class; `gate` to `column` are a Refusal's."""

    kind: Literal["failed"] = "failed"
    family: Literal["run", "refusal", "usage", "prerequisite"]
    verdict: Verdict = Verdict.CRASHED
    message: str
    remedy: str = ""
    gate: Gate = Gate.TRACE
    code: str = ""
    line: int = 0
    column: int = 0

    def error(self) -> LossmithError:
        """The same error, to be raised on this side."""
        if self.family == "refusal":
            return Refusal(self.gate, self.code, self.message, self.remedy, self.line, self.column)
        if self.family == "usage":
            return UsageError(self.message, self.remedy)
        if self.family == "prerequisite":
            return PrerequisiteMissing(self.message, self.remedy)
        return RunFault(self.verdict, self.message, self.remedy)


Answer: TypeAlias = Annotated[Done | Failed, Field(discriminator="kind")]
ANSWERS: TypeAdapter[Done | Failed] = TypeAdapter(Answer)


def failure(error: LossmithError) -> Failed:
    """The error as data."""
    if isinstance(error, Refusal):
        where = {"gate": error.gate, "code": error.code, "line": error.line, "column": error.column}
        return Failed(family="refusal", message=error.message, remedy=error.remedy, verdict=error.verdict, **where)
    if isinstance(error, RunFault):
        return Failed(family="run", verdict=error.verdict, message=error.message, remedy=error.remedy)
    if isinstance(error, PrerequisiteMissing):
        return Failed(family="prerequisite", message=error.message, remedy=error.remedy)
    return Failed(family="usage", message=error.message, remedy=error.remedy)


def result_of(answer: Done | Failed) -> JobResult:
    """The result, or raises what the job raised."""
    if isinstance(answer, Failed):
        raise answer.error()
    return answer.result


def pack(payload: bytes) -> bytes:
    """The message as it goes over the socket."""
    return HEADER.pack(len(payload)) + payload


class Readable(Protocol):
    """A socket, or what is read like one."""

    def recv(self, size: int, /) -> bytes:
        """At most so many bytes; none at the end."""
        ...


def receive(stream: Readable) -> bytes:
    """Reads one message from a blocking stream. Raises EOFError where the other side ended first."""
    (size,) = HEADER.unpack(_exactly(stream, HEADER.size))
    return _exactly(stream, size)


def _exactly(stream: Readable, size: int) -> bytes:
    parts, missing = [], size
    while missing:
        part = stream.recv(min(missing, 1 << 20))
        if not part:
            raise EOFError("the other side ended in the middle of a message")
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)
