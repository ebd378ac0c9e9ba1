"""What the archive remembers, as frozen records."""

from __future__ import annotations

import hashlib
from enum import IntEnum
from typing import Literal, TypeAlias

from pydantic import Field

from sandbox.records import Descriptor, Evaluation, Identity, Record, RefusalRecord, Score, program_id


class AddStatus(IntEnum):
    """What `tell` did with a program, ordered from nothing to most. Never a bare bool."""

    REFUSED = 0  # a gate or a fault: kept as a lesson, never a parent
    DUPLICATE = 1  # computes the same as an earlier one
    NOT_ADDED = 2  # sound, but its cell holds a better one
    IMPROVED = 3  # took its cell from another
    NEW = 4  # opened a cell


class Stage(IntEnum):
    """How far a proposal came, ordered; a program on the i-th rung (from 0) is at `NOVEL + 1 + i`."""

    AGAIN = -1  # no new program: an earlier one, evaluated on fresh seeds
    WRITTEN = 0  # refused at parse
    PARSED = 1  # refused at trace
    TRACED = 2  # refused by sense or cost
    SENSIBLE = 3  # a duplicate
    NOVEL = 4


class Proposal(Record):
    """One program text that somebody proposed, before anything is known of it. `number` counts from 0 within the campaign.

    `again` is the number of the proposal whose program is to be evaluated on fresh seeds, where that is all that is proposed.
    """

    campaign: str
    number: int
    text: str
    proposer: str
    operator: str
    parents: tuple[str, ...] = ()
    cost: float = 0.0  # in the campaign's money
    tokens: int = 0
    note: str = ""
    again: int | None = None


class Result(Record):
    """All that was found out about one proposal, told to the archive once, in the order of proposal numbers.

    With `again`, `evaluations` are of all seeds so far and take the place of those that proposal had.
    """

    campaign: str
    number: int
    program_id: str
    title: str = ""
    refusal: RefusalRecord | None = None
    duplicate_of: str | None = None
    identity: Identity | None = None
    descriptor: Descriptor | None = None
    traced: str | None = None  # JSON of sandbox.records.Traced
    evaluations: tuple[Evaluation, ...] = ()
    gate_seconds: float = 0.0
    again: int | None = None
    island: int = 0  # where it is born, from 0

    @property
    def rung(self) -> int | None:
        """Index of the highest rung with a score, from 0."""
        scored = [index for index, evaluation in enumerate(self.evaluations) if evaluation.score is not None]
        return scored[-1] if scored else None

    @property
    def score(self) -> Score | None:
        """The score on the highest rung reached without a fault."""
        return None if self.rung is None else self.evaluations[self.rung].score

    @property
    def stage(self) -> int:
        """How far it came: a `Stage`, plus the number of rungs reached."""
        if self.again is not None:
            return Stage.AGAIN
        if self.refusal is None:
            return Stage.NOVEL + len(self.evaluations)
        return {"parse": Stage.WRITTEN, "trace": Stage.PARSED, "novelty": Stage.SENSIBLE}.get(self.refusal.gate, Stage.TRACED)


class Elite(Record):
    """A program as selection and reading commands see it."""

    id: str
    title: str
    text: str
    proposer: str
    operator: str
    parents: tuple[str, ...]
    number: int
    campaign: str
    rung: int  # index of the highest rung reached, from 0
    score: Score | None
    believed: Score | None = None  # of the score, in the light of all others on the rung (`archive.belief`); only `Archive.top` says
    descriptor: Descriptor | None
    children: int = 0  # how often it was given to a proposer as a parent
    evaluated: int = 1  # times, on fresh seeds each time; the score is of all of them


class Prompt(Record):
    """One question to a model: what it is told about the work, and what it is asked."""

    operator: str
    system: str
    user: str

    @property
    def hash(self) -> str:
        """Sixteen hex digits: the same question."""
        return hashlib.sha256(f"{self.system}\0{self.user}".encode()).hexdigest()[:16]


class Spent(Record):
    """What models cost."""

    money: float = 0.0  # US dollars
    tokens: int = 0
    calls: int = 0

    def __add__(self, other: Spent) -> Spent:
        return Spent(money=self.money + other.money, tokens=self.tokens + other.tokens, calls=self.calls + other.calls)


class Order(Record):
    """Who is to write proposal `number`, from what: decided from the archive and recorded before anybody is asked.

    `prompts` are a model's questions, turn by turn: the program first. `worst` is the most that all answers together can cost.
    """

    campaign: str
    number: int
    proposer: str
    operator: str = ""  # empty where the proposer itself chooses
    parents: tuple[str, ...] = ()
    repairs: int | None = None  # the refused proposal whose program is repaired
    again: int | None = None  # the proposal whose program is evaluated on fresh seeds
    prompts: tuple[Prompt, ...] = ()
    worst: Spent = Spent()


class Reply(Record):
    """What a model answered to one turn of an order, recorded before it is used."""

    campaign: str
    number: int
    turn: int
    proposer: str
    operator: str
    prompt_hash: str
    text: str
    model: str = ""
    prompt_tokens: int = 0
    cached_tokens: int = 0  # of the prompt's
    completion_tokens: int = 0
    cost: float = 0.0  # US dollars
    cut: bool = False  # ended by the limit on tokens
    time: float = 0.0  # seconds since the epoch, when it had come
    seconds: float = 0.0  # that it took, with all tries
    tries: int = 1  # until the endpoint answered; 0 where it never did and will not be asked again

    @property
    def spent(self) -> Spent:
        """As an entry of the ledger."""
        return Spent(money=self.cost, tokens=self.prompt_tokens + self.completion_tokens, calls=int(self.tries > 0))


Fate: TypeAlias = Literal["sent", "answered", "refused", "long", "lost"]
"""Of a try: under way; a reply is recorded; nothing to pay; nothing to pay, since the model cannot read so much; nobody knows, and it may
have to be paid."""


class Sending(Record):
    """One try to ask a model for one turn of an order; its money and tokens are the most that it can cost."""

    campaign: str
    number: int
    turn: int
    attempt: int = 0
    proposer: str
    operator: str
    model: str = ""
    money: float = 0.0  # US dollars
    prompt_tokens: int = 0
    completion_tokens: int = 0
    fate: Fate = "sent"
    why: str = ""
    time: float = 0.0  # seconds since the epoch, when it was sent
    seconds: float = 0.0  # until its fate was known

    @property
    def worst(self) -> Spent:
        """As an entry of the ledger."""
        return Spent(money=self.money, tokens=self.prompt_tokens + self.completion_tokens, calls=1)


class StandIn(Record):
    """Who writes a proposal in another's place, with which operator."""

    absent: str
    present: str
    operator: str


class Call(Record):
    """One answer of a model and what came of it, such as `kept`, `scored`, `parse: no-program`, `lessons`.

    Also a try without an answer, as a reply without a text: `refused: …`, at no cost; `lost: …`, at the most that it can have cost.
    """

    reply: Reply
    outcome: str


class Cost(Record):
    """What the answers of one model to one operator with one outcome cost, all together."""

    model: str
    operator: str
    outcome: str
    calls: int
    retries: int
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    money: float  # US dollars
    seconds: float  # of waiting


class Outcome(Record):
    """What came of one order, as far as the division of work needs to know."""

    proposer: str
    operator: str
    program_id: str
    parents: tuple[str, ...]
    cost: float
    kept: bool
    rungs: int  # on which it was trained
    rung: int | None
    low: float | None


ActKind: TypeAlias = Literal["note", "pin", "unpin", "ban", "unban", "add", "lessons"]
Mark: TypeAlias = Literal["pin", "ban", ""]


class Act(Record):
    """What a person does to a campaign: it reaches the next prompts and the selection.

    `note` says something of a program, or of the whole campaign where `program_id` is None; `pin` has a program kept and chosen more often;
    `ban` rules out a program, or the idea in `text` where `program_id` is None; `add` brings the program in `text`; `lessons` are a list
    that takes the place of the models'. `number` is the first proposal that was made with it, `told` how many results were known then;
    both None until there is such a proposal.
    """

    time: float  # seconds since the epoch
    campaign: str
    kind: ActKind
    program_id: str | None = None
    text: str = Field("", max_length=40_000)
    number: int | None = None
    told: int | None = None

    @property
    def program(self) -> str | None:
        """The id of the program it is about, of one by hand too."""
        return program_id(self.text) if self.kind == "add" else self.program_id

    @property
    def title(self) -> str:
        """The first line of its text, for people."""
        return self.text.strip().split("\n")[0].strip('"')


class Attempt(Record):
    """One child of a program, for the next prompt of that program."""

    id: str
    title: str
    operator: str
    refusal: RefusalRecord | None
    duplicate_of: str | None
    rung: int | None
    score: Score | None


class OperatorCount(Record):
    """What one operator of one proposer brought: proposals made, of them scored, of them kept; and what they cost."""

    proposer: str
    operator: str
    proposed: int
    scored: int
    kept: int
    cost: float
    tokens: int


class Activity(Record):
    """What a campaign's mechanisms have done so far, in counts."""

    told: int
    elites: tuple[int, ...]  # cells held, by island
    migrations: int  # programs that came to an island from another
    last_migration: int | None  # results told then
    reevaluations: int
    last_reevaluation: int | None  # its proposal's number
    evaluations: int  # a program on a rung is one, however often it was evaluated again
    stopped: int  # of them, by a race
    runs: int  # trainings that they took, with fresh seeds
    saved: int  # trainings that races made unnecessary
    device_seconds: float = 0.0  # of all its evaluations, whichever campaign paid for a training that several need


class Event(Record):
    """Something that happened to a campaign, for people."""

    time: float  # seconds since the epoch
    campaign: str
    kind: Literal["created", "started", "paused", "finished", "fault", "migration"] | ActKind
    text: str
