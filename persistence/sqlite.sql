-- Migrations in order, each under its number; statements are separated by blank lines.
-- What was released is never edited: append a migration instead.

-- 1 --

-- One row. `position` outlives the messages, so that a mailbox position is never used again.
CREATE TABLE hub (
    epoch INTEGER NOT NULL,
    position INTEGER NOT NULL
) STRICT

INSERT INTO hub (epoch, position) VALUES (0, 0)

-- Large texts come last: what queries filter by lies in front of the overflow pages.
CREATE TABLE instance (
    id TEXT NOT NULL UNIQUE,
    execution_id TEXT NOT NULL,
    name TEXT NOT NULL,
    version TEXT,
    status INTEGER NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    completed INTEGER,
    scheduled_start INTEGER,
    parent_id TEXT,
    parked TEXT,
    open INTEGER NOT NULL,
    tags TEXT,
    custom_status TEXT,
    failure TEXT,
    input TEXT,
    output TEXT
) STRICT

CREATE INDEX instance_created ON instance (created, id)

CREATE INDEX instance_status ON instance (status, created, id)

CREATE INDEX instance_parent ON instance (parent_id) WHERE parent_id IS NOT NULL

CREATE INDEX instance_open ON instance (id) WHERE open = 1

CREATE INDEX instance_parked ON instance (id) WHERE parked IS NOT NULL

-- An index over instance.tags, kept by the triggers: an instance without tags costs it nothing.
-- Where there is no rowid the primary key's columns come first, in its order: otherwise SQLite 3.40
-- reports a sound table as damaged ("NULL value in tag.key").
CREATE TABLE tag (
    instance_id TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (instance_id, key)
) STRICT, WITHOUT ROWID

CREATE INDEX tag_value ON tag (key, value, instance_id)

CREATE TRIGGER tag_insert AFTER INSERT ON instance WHEN new.tags IS NOT NULL BEGIN
    INSERT INTO tag (key, value, instance_id) SELECT key, value, new.id FROM json_each(new.tags);
END

CREATE TRIGGER tag_update AFTER UPDATE OF tags ON instance WHEN old.tags IS NOT new.tags BEGIN
    DELETE FROM tag WHERE instance_id = new.id;
    INSERT INTO tag (key, value, instance_id)
        SELECT key, value, new.id FROM json_each(new.tags) WHERE new.tags IS NOT NULL;
END

CREATE TRIGGER tag_delete AFTER DELETE ON instance WHEN old.tags IS NOT NULL BEGIN
    DELETE FROM tag WHERE instance_id = old.id;
END

CREATE TABLE entity (
    id TEXT NOT NULL UNIQUE,
    updated INTEGER NOT NULL,
    locked_by TEXT,
    lock TEXT,
    parked TEXT,
    state TEXT
) STRICT

CREATE INDEX entity_parked ON entity (id) WHERE parked IS NOT NULL

CREATE TABLE turn (
    instance_id TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    at INTEGER NOT NULL,
    events TEXT NOT NULL,
    notes TEXT,
    PRIMARY KEY (instance_id, sequence)
) STRICT, WITHOUT ROWID

CREATE TABLE timer (
    instance_id TEXT NOT NULL,
    timer_id INTEGER NOT NULL,
    execution_id TEXT NOT NULL,
    due INTEGER NOT NULL,
    PRIMARY KEY (instance_id, timer_id)
) STRICT, WITHOUT ROWID

CREATE INDEX timer_due ON timer (due)

CREATE TABLE mailbox (
    position INTEGER PRIMARY KEY,
    target TEXT NOT NULL,
    body TEXT NOT NULL,
    execution_id TEXT,
    due INTEGER
) STRICT

CREATE INDEX mailbox_due ON mailbox (due) WHERE due IS NOT NULL

CREATE INDEX mailbox_target ON mailbox (target)

-- The position that the contract speaks of is -id: AUTOINCREMENT never gives an id twice.
CREATE TABLE inbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    target TEXT NOT NULL,
    body TEXT NOT NULL,
    execution_id TEXT,
    due INTEGER
) STRICT

CREATE INDEX inbox_due ON inbox (due) WHERE due IS NOT NULL

CREATE INDEX inbox_target ON inbox (target)

CREATE TABLE reply (
    request_id TEXT PRIMARY KEY,
    body TEXT NOT NULL,
    at INTEGER NOT NULL DEFAULT (unixepoch())
) STRICT, WITHOUT ROWID

-- 2 --

-- For retention: what ended first, by status.
CREATE INDEX instance_ended ON instance (status, completed)
    WHERE completed IS NOT NULL AND parked IS NULL

-- 3 --

-- Turns of all instances are written at the end of their table, some to a page; with an instance's
-- turns beside each other each turn of a commit wrote a page of its own.
ALTER TABLE turn RENAME TO turn_by_key

CREATE TABLE turn (
    instance_id TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    at INTEGER NOT NULL,
    events TEXT NOT NULL,
    notes TEXT
) STRICT

INSERT INTO turn SELECT * FROM turn_by_key ORDER BY instance_id, sequence

DROP TABLE turn_by_key

CREATE UNIQUE INDEX turn_key ON turn (instance_id, sequence)

-- Without those that completed (status 1): they are nearly all, and each would come in late.
DROP INDEX instance_status

CREATE INDEX instance_status ON instance (status, created, id) WHERE status <> 1

-- 4 --

-- Checksums: `sums.py` has the rules. A row without one is older than this.
ALTER TABLE instance ADD COLUMN sum INTEGER

ALTER TABLE entity ADD COLUMN sum INTEGER

ALTER TABLE turn ADD COLUMN sum INTEGER

ALTER TABLE timer ADD COLUMN sum INTEGER

ALTER TABLE mailbox ADD COLUMN sum INTEGER

ALTER TABLE inbox ADD COLUMN sum INTEGER

ALTER TABLE reply ADD COLUMN sum INTEGER

-- What a row reads that lacks one: nothing if there may be such rows, else what no row has.
ALTER TABLE hub ADD COLUMN absent_sum INTEGER

UPDATE hub SET absent_sum = -1 WHERE NOT EXISTS (
    SELECT 1 FROM instance
    UNION ALL SELECT 1 FROM entity
    UNION ALL SELECT 1 FROM turn
    UNION ALL SELECT 1 FROM timer
    UNION ALL SELECT 1 FROM mailbox
    UNION ALL SELECT 1 FROM inbox
    UNION ALL SELECT 1 FROM reply
)
