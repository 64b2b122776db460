-- Migrations in order, each under its number; statements are separated by blank lines.
-- What was released is never edited: append a migration instead.
-- The tables lie in the schema of their hub, which is the search path of whoever runs this.

-- 1 --

-- One row. `partitions` never changes, as the partition of an id is computed from it.
-- `posted` is the newest number of the inbox: it is raised, and the row stays locked, until what
-- bears the number is visible, so that nobody sees a later message before an earlier one.
CREATE TABLE hub (
    partitions integer NOT NULL,
    posted bigint NOT NULL,
    changes bigint NOT NULL
)

-- Who may own partitions; it counts as alive until its lease ends by the database's clock.
CREATE TABLE worker (
    id text COLLATE "C" PRIMARY KEY,
    name text NOT NULL,
    entered timestamptz NOT NULL DEFAULT now(),
    beaten timestamptz NOT NULL DEFAULT now(),
    leased_until timestamptz NOT NULL
)

-- `position` outlives the messages, so that a mailbox position is never used again.
CREATE TABLE partition (
    number integer PRIMARY KEY,
    epoch bigint NOT NULL,
    worker text COLLATE "C",
    position bigint NOT NULL,
    changes bigint NOT NULL
)

-- Texts are ordered by their bytes, which is by code points: pages and prefixes rely on it.
-- `tags` are JSON texts like ["key","value"].
CREATE TABLE instance (
    id text COLLATE "C" PRIMARY KEY,
    partition integer NOT NULL,
    execution_id text NOT NULL,
    name text NOT NULL,
    version text,
    status smallint NOT NULL,
    created bigint NOT NULL,
    updated bigint NOT NULL,
    completed bigint,
    scheduled_start bigint,
    parent_id text COLLATE "C",
    parked text,
    open boolean NOT NULL,
    tags text[],
    custom_status text,
    failure text,
    input text,
    output text
)

CREATE INDEX instance_created ON instance (created, id)

CREATE INDEX instance_status ON instance (status, created, id)

CREATE INDEX instance_ended ON instance (status, completed, id)
    WHERE completed IS NOT NULL AND parked IS NULL

CREATE INDEX instance_parent ON instance (parent_id) WHERE parent_id IS NOT NULL

CREATE INDEX instance_open ON instance (partition, id) WHERE open

CREATE INDEX instance_parked ON instance (partition, id) WHERE parked IS NOT NULL

CREATE INDEX instance_tags ON instance USING gin (tags) WHERE tags IS NOT NULL

CREATE TABLE entity (
    id text COLLATE "C" PRIMARY KEY,
    partition integer NOT NULL,
    updated bigint NOT NULL,
    locked_by text,
    lock text,
    parked text,
    state text
)

CREATE INDEX entity_parked ON entity (partition, id) WHERE parked IS NOT NULL

CREATE TABLE turn (
    instance_id text COLLATE "C" NOT NULL,
    sequence integer NOT NULL,
    partition integer NOT NULL,
    at bigint NOT NULL,
    events text NOT NULL,
    notes text,
    PRIMARY KEY (instance_id, sequence)
)

CREATE TABLE timer (
    instance_id text COLLATE "C" NOT NULL,
    timer_id bigint NOT NULL,
    partition integer NOT NULL,
    execution_id text NOT NULL,
    due bigint NOT NULL,
    PRIMARY KEY (instance_id, timer_id)
)

CREATE INDEX timer_due ON timer (partition, due)

-- A position is given by the owner of the partition. It comes first in the key, as a commit names
-- the messages that it consumes by position alone.
CREATE TABLE mailbox (
    position bigint NOT NULL,
    partition integer NOT NULL,
    target text COLLATE "C" NOT NULL,
    body text NOT NULL,
    execution_id text,
    due bigint,
    PRIMARY KEY (position, partition)
)

CREATE INDEX mailbox_due ON mailbox (partition, due)

CREATE INDEX mailbox_target ON mailbox (target)

-- The position that the contract speaks of is -number.
CREATE TABLE inbox (
    number bigint PRIMARY KEY,
    partition integer NOT NULL,
    target text COLLATE "C" NOT NULL,
    body text NOT NULL,
    execution_id text,
    due bigint
)

CREATE INDEX inbox_due ON inbox (partition, due)

CREATE INDEX inbox_target ON inbox (target)

-- A message for an actor whose partition another worker owns: written by the commit that sends it,
-- deleted by the one that takes it. `number` is the position that the sender gave it; those of one
-- worker become visible in order, as its commits come one after the other, and who takes over a
-- partition goes on above the numbers of its former owner.
CREATE TABLE letter (
    partition integer NOT NULL,
    number bigint NOT NULL,
    sender text COLLATE "C" NOT NULL,
    target text COLLATE "C" NOT NULL,
    body text NOT NULL,
    execution_id text,
    due bigint,
    PRIMARY KEY (partition, number, sender)
)

CREATE INDEX letter_target ON letter (target)

CREATE TABLE reply (
    request_id text COLLATE "C" PRIMARY KEY,
    body text NOT NULL,
    at timestamptz NOT NULL DEFAULT now()
)

CREATE INDEX reply_at ON reply (at)

-- 2 --

-- Which code a worker has, and which code a partition is known to need; texts of the runtime's.
ALTER TABLE worker ADD COLUMN repertoire text NOT NULL DEFAULT ''

ALTER TABLE partition ADD COLUMN needs text NOT NULL DEFAULT ''

-- 3 --

-- An activity that any worker may run: written by the commit that asks for it, deleted by the one
-- that answers it. `number` is a position that the owner of the partition gave it. Who runs it, or
-- is about to, is `worker`; that claim lasts as long as the worker's lease.
CREATE TABLE errand (
    partition integer NOT NULL,
    number bigint NOT NULL,
    instance_id text COLLATE "C" NOT NULL,
    execution_id text NOT NULL,
    task_id bigint NOT NULL,
    attempt integer NOT NULL,
    name text COLLATE "C" NOT NULL,
    due bigint NOT NULL,
    body text NOT NULL,
    worker text COLLATE "C",
    PRIMARY KEY (partition, number)
)

CREATE INDEX errand_waiting ON errand (name, due) WHERE worker IS NULL

CREATE INDEX errand_taken ON errand (worker) WHERE worker IS NOT NULL
