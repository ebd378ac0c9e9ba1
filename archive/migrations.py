"""The archive's schema, as numbered steps. A step that was ever released is never edited: a change is a new step at the end.

campaigns ─┬─ proposals ─── results ─── evaluations        one row a campaign, a proposal, what was found out, a rung reached
           ├─ orders ─── replies                           who was to write a proposal, what a model was asked and answered
           ├─ sendings                                     every try to ask a model, and what became of it
           ├─ stand_ins                                    proposals that were written by somebody else than was decided
           ├─ children                                     how often a program was given as a parent
           ├─ parentage                                    which proposals were made from a program
           ├─ cells                                        the grid: who holds a cell of an island, how many sound programs stand in it
           ├─ standings                                    who stands where with which score, and since and until which result
           ├─ migrations                                   after how many results the islands' best were copied on
           ├─ acts                                         what people did, and from which proposal on it holds
           ├─ marks                                        what people wish of a program, and what the search has adopted of it
           ├─ notes                                        small pieces of a campaign's state
           └─ events                                       what happened, for people
programs                                                   text by id, shared by all campaigns
runs                                                       finished trainings by the hash of their job, shared by all campaigns
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from sandbox.errors import ArchiveError

APPLICATION = 0x4C534D54  # "LSMT": how SQLite files say whose they are

FIRST = """
CREATE TABLE campaigns (
    name TEXT PRIMARY KEY,
    position INTEGER NOT NULL UNIQUE,            -- order of creation
    spec TEXT NOT NULL,                          -- resolved, JSON
    device_seconds REAL NOT NULL DEFAULT 0       -- of trainings that were really run
) STRICT;

CREATE TABLE programs (
    id TEXT PRIMARY KEY,
    text TEXT NOT NULL
) STRICT;

CREATE TABLE proposals (
    campaign TEXT NOT NULL REFERENCES campaigns (name),
    number INTEGER NOT NULL,
    program_id TEXT NOT NULL REFERENCES programs (id),
    proposer TEXT NOT NULL,
    operator TEXT NOT NULL,
    parents TEXT NOT NULL,                       -- JSON list of ids
    cost REAL NOT NULL,
    tokens INTEGER NOT NULL,
    note TEXT NOT NULL,
    PRIMARY KEY (campaign, number)
) STRICT;
CREATE INDEX proposals_by_program ON proposals (program_id);

CREATE TABLE children (
    campaign TEXT NOT NULL REFERENCES campaigns (name),
    program_id TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (campaign, program_id)
) STRICT;

CREATE TABLE results (
    campaign TEXT NOT NULL,
    number INTEGER NOT NULL,
    program_id TEXT NOT NULL REFERENCES programs (id),
    title TEXT NOT NULL,
    status INTEGER NOT NULL,                     -- archive.records.AddStatus
    stage INTEGER NOT NULL,                      -- archive.records.Stage, plus the number of rungs reached
    gate TEXT,                                   -- of the refusal
    code TEXT,
    refusal TEXT,                                -- JSON
    duplicate_of TEXT,
    identity_key TEXT,
    structure TEXT,
    fingerprint TEXT,
    settings TEXT,
    family TEXT,
    nodes INTEGER,
    free_predictions INTEGER,
    carried_state INTEGER,
    cell TEXT,
    rung INTEGER,                                -- index of the highest rung with a score
    mean REAL,
    low REAL,
    high REAL,
    n INTEGER,
    gate_seconds REAL NOT NULL,
    traced BLOB,                                 -- compressed JSON
    PRIMARY KEY (campaign, number),
    FOREIGN KEY (campaign, number) REFERENCES proposals (campaign, number)
) STRICT;
CREATE INDEX results_by_program ON results (program_id);
CREATE INDEX results_by_stage ON results (campaign, stage, status, gate, code);
CREATE INDEX results_by_score ON results (campaign, rung DESC, low DESC, number) WHERE low IS NOT NULL;
CREATE INDEX results_by_score_anywhere ON results (rung DESC, low DESC, campaign, number) WHERE low IS NOT NULL;
CREATE INDEX results_by_identity ON results (campaign, identity_key, number) WHERE identity_key IS NOT NULL;
CREATE INDEX results_by_structure ON results (campaign, structure, number) WHERE structure IS NOT NULL;

CREATE TABLE evaluations (
    campaign TEXT NOT NULL,
    number INTEGER NOT NULL,
    position INTEGER NOT NULL,                   -- of the rung in the ladder, from 0
    rung TEXT NOT NULL,
    mean REAL,
    low REAL,
    high REAL,
    n INTEGER,
    verdict TEXT NOT NULL,
    fault TEXT NOT NULL,
    device_seconds REAL NOT NULL,
    runs BLOB NOT NULL,                          -- compressed JSON: every run's numbers
    PRIMARY KEY (campaign, number, position),
    FOREIGN KEY (campaign, number) REFERENCES results (campaign, number)
) STRICT;

CREATE TABLE cells (
    campaign TEXT NOT NULL REFERENCES campaigns (name),
    cell TEXT NOT NULL,
    number INTEGER NOT NULL,                     -- of the proposal that holds it
    occupants INTEGER NOT NULL,                  -- scored programs that ever fell into it
    PRIMARY KEY (campaign, cell)
) STRICT;

CREATE TABLE runs (
    key TEXT PRIMARY KEY,                        -- hash of the job and of the training code
    campaign TEXT,                               -- who paid for it
    device_seconds REAL NOT NULL,
    result BLOB NOT NULL                         -- compressed JSON
) STRICT;

CREATE TABLE notes (
    campaign TEXT NOT NULL REFERENCES campaigns (name),
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (campaign, key)
) STRICT;

CREATE TABLE events (
    id INTEGER PRIMARY KEY,
    time REAL NOT NULL,
    campaign TEXT NOT NULL REFERENCES campaigns (name),
    kind TEXT NOT NULL,
    text TEXT NOT NULL
) STRICT;
CREATE INDEX events_by_campaign ON events (campaign, id);
"""

ORDERS = """
CREATE TABLE orders (
    campaign TEXT NOT NULL REFERENCES campaigns (name),
    number INTEGER NOT NULL,                     -- of the proposal that is to be written
    proposer TEXT NOT NULL,
    operator TEXT NOT NULL,
    parents TEXT NOT NULL,                       -- JSON list of ids
    repairs INTEGER,                             -- number of the refused proposal
    prompts BLOB NOT NULL,                       -- compressed JSON
    money REAL NOT NULL,                         -- the worst case
    tokens INTEGER NOT NULL,
    calls INTEGER NOT NULL,
    PRIMARY KEY (campaign, number)
) STRICT;
CREATE INDEX orders_by_repair ON orders (campaign, repairs) WHERE repairs IS NOT NULL;

CREATE TABLE replies (
    campaign TEXT NOT NULL,
    number INTEGER NOT NULL,
    turn INTEGER NOT NULL,                       -- index into the order's prompts
    proposer TEXT NOT NULL,
    operator TEXT NOT NULL,
    prompt_hash TEXT NOT NULL,
    text BLOB NOT NULL,                          -- compressed
    model TEXT NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    cached_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    cost REAL NOT NULL,
    cut INTEGER NOT NULL,
    PRIMARY KEY (campaign, number, turn),
    FOREIGN KEY (campaign, number) REFERENCES orders (campaign, number)
) STRICT;
CREATE INDEX replies_by_operator ON replies (campaign, operator, number);

CREATE TABLE parentage (
    campaign TEXT NOT NULL,
    parent TEXT NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (campaign, parent, number)
) STRICT, WITHOUT ROWID;
INSERT OR IGNORE INTO parentage SELECT p.campaign, j.value, p.number FROM proposals p, json_each(p.parents) j;
"""

REMARKS = """
CREATE TABLE remarks (
    id INTEGER PRIMARY KEY,
    time REAL NOT NULL,
    campaign TEXT NOT NULL REFERENCES campaigns (name),
    program_id TEXT,                             -- NULL: about the whole campaign
    text TEXT NOT NULL
) STRICT;
CREATE INDEX remarks_by_campaign ON remarks (campaign, program_id, id);
"""

STANDINGS = """
ALTER TABLE orders ADD COLUMN again INTEGER;
ALTER TABLE proposals ADD COLUMN again INTEGER;
CREATE INDEX orders_by_again ON orders (campaign, number, again) WHERE again IS NOT NULL;

ALTER TABLE results ADD COLUMN evaluated INTEGER NOT NULL DEFAULT 1;
ALTER TABLE evaluations ADD COLUMN bar REAL;
ALTER TABLE evaluations ADD COLUMN saved INTEGER NOT NULL DEFAULT 0;

CREATE TABLE standings (
    campaign TEXT NOT NULL REFERENCES campaigns (name),
    island INTEGER NOT NULL,
    cell TEXT NOT NULL,
    number INTEGER NOT NULL,                     -- of the proposal whose program stands here
    rung INTEGER NOT NULL,
    low REAL NOT NULL,
    native INTEGER NOT NULL,                     -- 0 where it came by migration
    since INTEGER NOT NULL,                      -- results told when it began to stand here with this score
    until INTEGER,                               -- results told when another score took its place
    PRIMARY KEY (campaign, number, island, since)
) STRICT;
CREATE INDEX standings_by_cell ON standings (campaign, island, cell, rung DESC, low DESC, number);
INSERT INTO standings SELECT campaign, 0, cell, number, rung, low, 1, number + 1, NULL FROM results WHERE cell IS NOT NULL;

CREATE TABLE grid (
    campaign TEXT NOT NULL REFERENCES campaigns (name),
    island INTEGER NOT NULL,
    cell TEXT NOT NULL,
    number INTEGER NOT NULL,                     -- of the proposal that holds it
    occupants INTEGER NOT NULL,                  -- scored programs that stand in it
    PRIMARY KEY (campaign, island, cell)
) STRICT;
INSERT INTO grid SELECT campaign, 0, cell, number, occupants FROM cells;
DROP TABLE cells;
ALTER TABLE grid RENAME TO cells;

CREATE TABLE migrations (
    campaign TEXT NOT NULL REFERENCES campaigns (name),
    told INTEGER NOT NULL,
    PRIMARY KEY (campaign, told)
) STRICT;
"""

ACTS = """
CREATE TABLE acts (
    id INTEGER PRIMARY KEY,
    time REAL NOT NULL,
    campaign TEXT NOT NULL REFERENCES campaigns (name),
    kind TEXT NOT NULL,                          -- archive.records.ActKind
    program_id TEXT,                             -- NULL: about the whole campaign, or an idea
    text TEXT NOT NULL,
    number INTEGER,                              -- of the first proposal made with it
    told INTEGER,                                -- results known then
    adopted INTEGER NOT NULL DEFAULT 0           -- 1 from that proposal on
) STRICT;
CREATE INDEX acts_by_campaign ON acts (campaign, kind, program_id, id);
CREATE INDEX acts_waiting ON acts (campaign) WHERE adopted = 0;
INSERT INTO acts (time, campaign, kind, program_id, text, number, told, adopted)
    SELECT time, campaign, 'note', program_id, text, 0, 0, 1 FROM remarks ORDER BY id;
DROP TABLE remarks;

CREATE TABLE marks (
    campaign TEXT NOT NULL REFERENCES campaigns (name),
    program_id TEXT NOT NULL,
    wish TEXT NOT NULL,                          -- archive.records.Mark: of people, now
    held TEXT NOT NULL,                          -- the same, as far as an order knows it
    PRIMARY KEY (campaign, program_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX orders_by_hand ON orders (campaign, number) WHERE proposer = 'hand';
ALTER TABLE replies ADD COLUMN time REAL NOT NULL DEFAULT 0;
ALTER TABLE replies ADD COLUMN seconds REAL NOT NULL DEFAULT 0;
ALTER TABLE replies ADD COLUMN tries INTEGER NOT NULL DEFAULT 1;
"""

WON = "ALTER TABLE evaluations ADD COLUMN won INTEGER NOT NULL DEFAULT 0"  # a race that ended early, by a program that climbs

SENDINGS = """
CREATE TABLE sendings (
    campaign TEXT NOT NULL REFERENCES campaigns (name),
    number INTEGER NOT NULL,                     -- of the proposal
    turn INTEGER NOT NULL,                       -- index into the order's prompts
    attempt INTEGER NOT NULL,                    -- from 0
    proposer TEXT NOT NULL,
    operator TEXT NOT NULL,
    model TEXT NOT NULL,                         -- as the endpoint was asked for
    money REAL NOT NULL,                         -- the worst case
    prompt_tokens INTEGER NOT NULL,              -- the worst case
    completion_tokens INTEGER NOT NULL,          -- the worst case
    fate TEXT NOT NULL,                          -- archive.records.Fate
    why TEXT NOT NULL,
    time REAL NOT NULL,                          -- when it was sent
    seconds REAL NOT NULL,
    PRIMARY KEY (campaign, number, turn, attempt)
) STRICT;
CREATE INDEX sendings_unknown ON sendings (campaign, number) WHERE fate IN ('sent', 'lost');

CREATE TABLE stand_ins (
    campaign TEXT NOT NULL REFERENCES campaigns (name),
    number INTEGER NOT NULL,                     -- of the proposal
    absent TEXT NOT NULL,
    present TEXT NOT NULL,
    operator TEXT NOT NULL,                      -- of the present one
    PRIMARY KEY (campaign, number, absent)
) STRICT;
"""

STEPS: tuple[str, ...] = (FIRST, ORDERS, REMARKS, STANDINGS, ACTS, WON, SENDINGS)


def migrate(connection: sqlite3.Connection, steps: Sequence[str] = STEPS) -> None:
    """Brings a file to the newest schema in one transaction. Raises ArchiveError for files that are not ours or newer than we are."""
    if _version(connection, len(steps)) == len(steps):
        return
    connection.execute("BEGIN IMMEDIATE")  # two processes may open a new file at once: the version is read again under the lock
    try:
        for step in steps[_version(connection, len(steps)) :]:
            for statement in step.split(";"):
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION}")
        connection.execute(f"PRAGMA user_version = {len(steps)}")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _version(connection: sqlite3.Connection, newest: int) -> int:
    (tables,) = connection.execute("SELECT COUNT(*) FROM sqlite_schema").fetchone()
    if tables and _pragma(connection, "application_id") != APPLICATION:
        raise ArchiveError("The archive's file is a database of another program.", "Name another file with --archive.")
    version = _pragma(connection, "user_version")
    if version > newest:
        raise ArchiveError(
            f"The archive has schema {version}, this Lossmith knows schemas up to {newest}.",
            "Use the Lossmith that wrote it or a newer one.",
        )
    return version


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    (value,) = connection.execute(f"PRAGMA {name}").fetchone()
    return int(value)
