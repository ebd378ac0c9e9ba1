"""What proposers were asked and what they answered: orders, replies, and what is read from them.

Everything that decides something (the ledger, outcomes, what is broken, nearby attempts) looks only at orders and at told results, so
that a decision does not depend on which answer happened to come first.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from pydantic import TypeAdapter

from archive.acts import waiting
from archive.database import Database, Row
from archive.queries import pack, unpack
from archive.recording import count_children
from archive.records import AddStatus, Attempt, Call, Cost, Order, Outcome, Prompt, Reply, Sending, Spent, Stage
from archive.sendings import WORTH, Sendings
from sandbox.errors import ArchiveError
from sandbox.records import RefusalRecord, Score

PROMPTS = TypeAdapter(tuple[Prompt, ...])

ORDER = """
SELECT campaign, number, proposer, operator, parents, repairs, prompts, money, tokens, calls, again FROM orders
WHERE campaign = ? AND number = ?
"""

REPLY = """
SELECT campaign, number, turn, proposer, operator, prompt_hash, text, model, prompt_tokens, cached_tokens, completion_tokens, cost, cut,
time, seconds, tries FROM replies
"""

OUTCOME = f"""
CASE WHEN p.turn > 0 THEN 'lessons' WHEN r.number IS NULL THEN 'in flight' WHEN r.gate IS NOT NULL THEN r.gate || ': ' || r.code
WHEN r.low IS NULL THEN 'failed in training' WHEN r.status >= {int(AddStatus.IMPROVED)} THEN 'kept' ELSE 'scored' END
"""
ANSWERED = "FROM replies p LEFT JOIN results r ON r.campaign = p.campaign AND r.number = p.number WHERE p.campaign = ?1 AND p.tries > 0"
COSTS = f"""
SELECT p.model, p.operator, {OUTCOME} AS outcome, COUNT(*) AS calls, SUM(p.tries - 1) AS retries, SUM(p.prompt_tokens) AS prompt_tokens,
SUM(p.cached_tokens) AS cached_tokens, SUM(p.completion_tokens) AS completion_tokens, SUM(p.cost) AS money, SUM(p.seconds) AS seconds
{ANSWERED} GROUP BY 1, 2, 3
UNION ALL SELECT s.model, s.operator, s.fate, COUNT(*), 0, SUM(s.prompt_tokens), 0, SUM(s.completion_tokens), SUM(s.money), SUM(s.seconds)
FROM sendings s JOIN orders USING (campaign, number) WHERE s.campaign = ?1 AND s.fate = 'lost' GROUP BY 1, 2, 3
ORDER BY 9 DESC, 4 DESC, 1, 2, 3
"""
OUTCOME_OF_CALL = f"SELECT p.number, p.turn, {OUTCOME} {ANSWERED} ORDER BY p.number, p.turn"

# Of what is told, what was paid and what may have been; of what is not, the worst case.
COMMITTED = f"""
SELECT TOTAL(money), TOTAL(tokens), TOTAL(calls) FROM (
    SELECT cost AS money, prompt_tokens + completion_tokens AS tokens, tries > 0 AS calls FROM replies WHERE campaign = ?1 AND number < ?2
    UNION ALL SELECT money, prompt_tokens + completion_tokens, 1 FROM sendings WHERE campaign = ?1 AND number < ?2 AND {WORTH}
    UNION ALL SELECT money, tokens, calls FROM orders WHERE campaign = ?1 AND number >= ?2)
"""
SPENT = """
SELECT TOTAL(money), TOTAL(tokens), TOTAL(calls) FROM (
    SELECT cost AS money, prompt_tokens + completion_tokens AS tokens, tries > 0 AS calls FROM replies WHERE campaign = ?1
    UNION ALL SELECT s.money, s.prompt_tokens + s.completion_tokens, 1 FROM sendings s JOIN orders USING (campaign, number)
    WHERE s.campaign = ?1 AND s.fate = 'lost')
"""

ANSWER = "UPDATE sendings SET fate = 'answered', seconds = ? WHERE campaign = ? AND number = ? AND turn = ? AND fate = 'sent'"

OUTCOMES = """
SELECT o.proposer, o.operator, p.program_id, p.parents, p.cost, r.status, r.stage, r.rung, r.low
FROM results r JOIN proposals p ON p.campaign = r.campaign AND p.number = r.number
LEFT JOIN orders o ON o.campaign = r.campaign AND o.number = r.number
WHERE r.campaign = ? ORDER BY r.number
"""

BROKEN = """
SELECT r.number, o.proposer, r.program_id FROM results r JOIN orders o ON o.campaign = r.campaign AND o.number = r.number
WHERE r.campaign = ?1 AND r.gate IN ('parse', 'trace', 'sense', 'novelty') AND r.code != 'no-program' AND o.calls > 0 AND o.operator != ''
AND o.repairs IS NULL
AND NOT EXISTS (SELECT 1 FROM orders x WHERE x.campaign = ?1 AND x.repairs = r.number) ORDER BY r.number LIMIT 1
"""

ATTEMPT = """
SELECT r.program_id, r.title, p.operator, r.refusal, r.duplicate_of, r.rung, r.mean, r.low, r.high, r.n
FROM results r JOIN proposals p ON p.campaign = r.campaign AND p.number = r.number
"""
NEARBY = f"""{ATTEMPT} JOIN parentage a ON a.campaign = r.campaign AND a.number = r.number
WHERE a.campaign = ? AND a.parent = ? ORDER BY a.number DESC LIMIT ?"""
NEWEST = f"{ATTEMPT} WHERE r.campaign = ? AND r.number < ? ORDER BY r.number DESC LIMIT ?"


class Letters:
    """The tables `orders` and `replies` of one archive. Every method commits before it returns."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sendings = Sendings(database)

    def place(self, order: Order) -> bool:
        """Records an order and counts its parents' children; or False, if a person has acted since it was decided.

        ArchiveError if another one has its number.
        """
        row = (
            *(order.campaign, order.number, order.proposer, order.operator, json.dumps(order.parents), order.repairs),
            *(pack(PROMPTS.dump_json(order.prompts).decode()), order.worst.money, order.worst.tokens, order.worst.calls),
            order.again,
        )
        with self._database.transaction() as connection:
            if waiting(connection, order.campaign):
                return False
            if not connection.execute("INSERT OR IGNORE INTO orders VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row).rowcount:
                raise ArchiveError(f"Proposal {order.number} of {order.campaign} is ordered already.", "Run `lossmith resume`.")
            count_children(connection, order.campaign, order.parents)
        return True

    def by_hand(self, campaign: str, number: int) -> int:
        """How many of the orders up to `number` bring a program that a person wrote."""
        query = "SELECT COUNT(*) FROM orders WHERE campaign = ? AND number <= ? AND proposer = 'hand'"
        return int(self._database.all(query, (campaign, number))[0][0])

    def order(self, campaign: str, number: int) -> Order | None:
        """The order of a proposal, if it was placed."""
        row = self._database.one(ORDER, (campaign, number))
        if row is None:
            return None
        _, _, proposer, operator, parents, repairs, prompts, money, tokens, calls, again = row
        return Order(
            campaign=campaign,
            number=number,
            proposer=proposer,
            operator=operator,
            parents=tuple(json.loads(parents)),
            repairs=repairs,
            prompts=PROMPTS.validate_json(unpack(prompts)),
            worst=Spent(money=money, tokens=tokens, calls=calls),
            again=again,
        )

    def record(self, reply: Reply) -> None:
        """Keeps a reply; the first one stands. The try that it answers is settled with it."""
        row = (
            *(reply.campaign, reply.number, reply.turn, reply.proposer, reply.operator, reply.prompt_hash, pack(reply.text), reply.model),
            *(reply.prompt_tokens, reply.cached_tokens, reply.completion_tokens, reply.cost, int(reply.cut)),
            *(reply.time, reply.seconds, reply.tries),
        )
        with self._database.transaction() as connection:
            connection.execute(f"INSERT OR IGNORE INTO replies VALUES ({', '.join('?' * len(row))})", row)
            connection.execute(ANSWER, (reply.seconds, reply.campaign, reply.number, reply.turn))

    def reply(self, campaign: str, number: int, turn: int) -> Reply | None:
        """The recorded reply to a turn."""
        row = self._database.one(f"{REPLY} WHERE campaign = ? AND number = ? AND turn = ?", (campaign, number, turn))
        return None if row is None else _reply(row)

    def last_reply(self, campaign: str, operator: str, told: int) -> Reply | None:
        """The newest reply to an operator among the `told` first proposals."""
        where = "WHERE campaign = ? AND operator = ? AND number < ? AND tries > 0 ORDER BY number DESC LIMIT 1"
        row = self._database.one(f"{REPLY} {where}", (campaign, operator, told))
        return None if row is None else _reply(row)

    def replies_to(self, campaign: str, operator: str, told: int) -> list[Reply]:
        """All replies to an operator among the `told` first proposals, oldest first."""
        where = "WHERE campaign = ? AND operator = ? AND number < ? AND tries > 0 ORDER BY number"
        return [_reply(row) for row in self._database.all(f"{REPLY} {where}", (campaign, operator, told))]

    def calls(self, campaign: str) -> Iterator[Call]:
        """Every answer and what came of it, then every try without one; one at a time: together they may be large."""
        for number, turn, outcome in self._database.all(OUTCOME_OF_CALL, (campaign,)):
            reply = self.reply(campaign, number, turn)
            assert reply is not None, "what was answered stays answered"
            yield Call(reply=reply, outcome=outcome)
        for sending in self._sendings.all(campaign):
            if sending.fate != "answered":
                yield _unanswered(sending)

    def costs(self, campaign: str) -> list[Cost]:
        """By model, operator and outcome, the dearest first."""
        return [Cost.model_validate(dict(zip(Cost.model_fields, row, strict=True))) for row in self._database.all(COSTS, (campaign,))]

    def spent(self, campaign: str) -> Spent:
        """All that was paid, and the most that may have been for what was lost."""
        money, tokens, calls = self._database.all(SPENT, (campaign,))[0]
        return Spent(money=money, tokens=int(tokens), calls=int(calls))

    def committed(self, campaign: str, told: int) -> Spent:
        """What the `told` first proposals cost, at the most, plus the worst that all others can."""
        money, tokens, calls = self._database.all(COMMITTED, (campaign, told))[0]
        return Spent(money=money, tokens=int(tokens), calls=int(calls))

    def outcomes(self, campaign: str) -> list[Outcome]:
        """What came of every told proposal, in order; proposals that nobody ordered have an empty `proposer`."""
        return [
            Outcome(
                proposer=proposer or "",
                operator=operator or "",
                program_id=program_id,
                parents=tuple(json.loads(parents)),
                cost=cost,
                kept=status >= AddStatus.IMPROVED,
                rungs=max(0, stage - Stage.NOVEL),
                rung=rung,
                low=low,
            )
            for proposer, operator, program_id, parents, cost, status, stage, rung, low in self._database.all(OUTCOMES, (campaign,))
        ]

    def last_long_order(self, campaign: str) -> int | None:
        """The newest order of more than one turn."""
        row = self._database.one("SELECT MAX(number) FROM orders WHERE campaign = ? AND calls > 1", (campaign,))
        return None if row is None else row[0]

    def broken(self, campaign: str) -> tuple[int, str, str] | None:
        """(number, proposer, program id) of a model's earliest told proposal that any gate but cost refused and nobody repairs."""
        row = self._database.one(BROKEN, (campaign,))
        return None if row is None else (int(row[0]), str(row[1]), str(row[2]))

    def nearby(self, campaign: str, parent: str, count: int) -> list[Attempt]:
        """The newest told children of a program, newest first."""
        return [_attempt(row) for row in self._database.all(NEARBY, (campaign, parent, count))]

    def newest(self, campaign: str, told: int, count: int) -> list[Attempt]:
        """The newest of the `told` first proposals, newest first."""
        return [_attempt(row) for row in self._database.all(NEWEST, (campaign, told, count))]


def _attempt(row: Row) -> Attempt:
    program_id, title, operator, refusal, duplicate_of, rung, mean, low, high, n = row
    return Attempt(
        id=program_id,
        title=title,
        operator=operator,
        refusal=RefusalRecord.model_validate_json(refusal) if refusal else None,
        duplicate_of=duplicate_of,
        rung=rung,
        score=None if low is None else Score(mean=mean, low=low, high=high, n=n),
    )


def _unanswered(sending: Sending) -> Call:
    """A try without an answer."""
    same = ("campaign", "number", "turn", "proposer", "operator", "model", "time", "seconds")
    worst = sending.worst if sending.fate in {"sent", "lost"} else Spent()
    paid = {"prompt_tokens": sending.prompt_tokens, "completion_tokens": sending.completion_tokens} if worst.calls else {}
    fields = {**{name: getattr(sending, name) for name in same}, **paid}
    reply = Reply(**fields, prompt_hash="", text="", cost=worst.money, tries=sending.attempt + 1)
    outcome = "under way" if sending.fate == "sent" else f"{'too long' if sending.fate == 'long' else sending.fate}: {sending.why}"
    return Call(reply=reply, outcome=outcome)


def _reply(row: Row) -> Reply:
    fields = dict(zip(REPLY.split("FROM")[0].replace("SELECT", "").replace(",", " ").split(), row, strict=True))
    return Reply.model_validate({**fields, "text": unpack(fields["text"]), "cut": bool(fields["cut"])})
