"""Everything Lossmith can say has gone wrong, in two families that are never mixed.

    LossmithError
    ├── ProgramFault                 the program's: a result, kept in the archive and shown to the next prompt
    │   ├── Refusal                  a gate said no, before any training was paid for
    │   └── RunFault                 training it failed: too slow, out of memory, not finite, crashed
    └── OurFault                     ours: retried or reported with a remedy, never counted against a program
        ├── UsageError               exit 2   the user asked for something that cannot be
        ├── PrerequisiteMissing      exit 3   no sandbox, no file, no library
        ├── BudgetExhausted          exit 4   a limit of the campaign was reached
        ├── ArchiveError             exit 5   the archive is locked, damaged, or of another version
        ├── WorkerLost               exit 1   a worker process vanished for a reason that is not the program's
        └── ModelUnavailable         exit 3   a language model gave no answer, however often it was asked

Every error is one sentence that says what was wrong and where, and a remedy that says what to do.
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar


class Gate(StrEnum):
    """The five checks before training, in the order in which they are made."""

    PARSE = "parse"
    TRACE = "trace"
    SENSE = "sense"
    NOVELTY = "novelty"
    COST = "cost"


class Verdict(StrEnum):
    """How one job ended, as far as the program is concerned. A closed list: nothing else is ever recorded."""

    OK = "ok"
    REFUSED = "refused"
    TIME_LIMIT = "time-limit"
    MEMORY_LIMIT = "memory-limit"
    PROCESS_LIMIT = "process-limit"
    OUTPUT_LIMIT = "output-limit"
    CRASHED = "crashed"
    PROTOCOL_ERROR = "protocol-error"
    NOT_FINITE = "not-finite"
    NOT_DETERMINISTIC = "not-deterministic"


class LossmithError(Exception):
    """The root. `message` is one sentence; `remedy` says what to do next."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message if not remedy else f"{message} {remedy}")
        self.message = message
        self.remedy = remedy


class ProgramFault(LossmithError):
    """The program is at fault; `verdict` says how."""

    verdict: Verdict = Verdict.CRASHED


class Refusal(ProgramFault):
    """A gate refuses the program.

    Attributes: `gate`; `code`, a short stable name such as `unknown-name`; `line` and `column` in the program's text
    (both 1-based, 0 where no place can be named); `message`; `remedy`, what is allowed instead.
    """

    verdict = Verdict.REFUSED

    def __init__(self, gate: Gate, code: str, message: str, remedy: str, line: int = 0, column: int = 0) -> None:
        super().__init__(message, remedy)
        self.gate = gate
        self.code = code
        self.line = line
        self.column = column


class RunFault(ProgramFault):
    """Training the program failed with `verdict`, anything but `ok` and `refused`."""

    def __init__(self, verdict: Verdict, message: str, remedy: str = "") -> None:
        super().__init__(message, remedy)
        self.verdict = verdict


class OurFault(LossmithError):
    """Not the program's doing."""


class UsageError(OurFault):
    """The request contradicts itself or names something that does not exist."""

    exit_code = 2


class PrerequisiteMissing(OurFault):
    """Something that must be installed or present is not."""

    exit_code = 3


class BudgetExhausted(OurFault):
    """A hard limit of the campaign was reached."""

    exit_code = 4


class ArchiveError(OurFault):
    """The archive file cannot be used."""

    exit_code = 5


class WorkerLost(OurFault):
    """A worker process vanished without a result and without having broken a limit."""


class ModelUnavailable(OurFault):
    """A language model's endpoint was down, or the model ran out of memory."""

    exit_code = 3
