-- A hub as schema version 3 left it, one orchestration of two ended: what SQLite's .dump gives.
BEGIN TRANSACTION;
CREATE TABLE entity (
    id TEXT NOT NULL UNIQUE,
    updated INTEGER NOT NULL,
    locked_by TEXT,
    lock TEXT,
    parked TEXT,
    state TEXT
) STRICT;
INSERT INTO "entity" VALUES('@shelf@k',1893456000000020,NULL,NULL,NULL,'{"text":"old"}');
CREATE TABLE hub (
    epoch INTEGER NOT NULL,
    position INTEGER NOT NULL
) STRICT;
INSERT INTO "hub" VALUES(1,3);
CREATE TABLE inbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    target TEXT NOT NULL,
    body TEXT NOT NULL,
    execution_id TEXT,
    due INTEGER
) STRICT;
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
) STRICT;
INSERT INTO "instance" VALUES('ended','00000000000000000000000000000001','waits',NULL,1,1893456000000006,1893456000000023,1893456000000023,NULL,NULL,NULL,0,'{"from":"3"}',NULL,NULL,'"old"','"old!"');
INSERT INTO "instance" VALUES('waiting','00000000000000000000000000000002','waits',NULL,0,1893456000000011,1893456000000019,NULL,NULL,NULL,NULL,0,'{"from":"3"}',NULL,NULL,'"old"',NULL);
CREATE TABLE mailbox (
    position INTEGER PRIMARY KEY,
    target TEXT NOT NULL,
    body TEXT NOT NULL,
    execution_id TEXT,
    due INTEGER
) STRICT;
CREATE TABLE reply (
    request_id TEXT PRIMARY KEY,
    body TEXT NOT NULL,
    at INTEGER NOT NULL DEFAULT (unixepoch())
) STRICT, WITHOUT ROWID;
CREATE TABLE tag (
    instance_id TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (instance_id, key)
) STRICT, WITHOUT ROWID;
INSERT INTO "tag" VALUES('ended','from','3');
INSERT INTO "tag" VALUES('waiting','from','3');
CREATE TABLE timer (
    instance_id TEXT NOT NULL,
    timer_id INTEGER NOT NULL,
    execution_id TEXT NOT NULL,
    due INTEGER NOT NULL,
    PRIMARY KEY (instance_id, timer_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE turn (
    instance_id TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    at INTEGER NOT NULL,
    events TEXT NOT NULL,
    notes TEXT
) STRICT;
INSERT INTO "turn" VALUES('ended',0,1893456000000009,'[{"at":1893456000000006,"name":"waits","execution_id":"00000000000000000000000000000001","input":"\"old\"","tags":{"from":"3"},"type":"ExecutionStarted"},{"at":1893456000000009,"id":1,"name":"echo","input":"\"old\"","type":"TaskScheduled"}]',NULL);
INSERT INTO "turn" VALUES('ended',1,1893456000000013,'[{"at":1893456000000012,"task_id":1,"result":"\"old\"","type":"TaskCompleted"}]','{"awaited":["go"]}');
INSERT INTO "turn" VALUES('waiting',0,1893456000000015,'[{"at":1893456000000011,"name":"waits","execution_id":"00000000000000000000000000000002","input":"\"old\"","tags":{"from":"3"},"type":"ExecutionStarted"},{"at":1893456000000015,"id":1,"name":"echo","input":"\"old\"","type":"TaskScheduled"}]',NULL);
INSERT INTO "turn" VALUES('waiting',1,1893456000000019,'[{"at":1893456000000018,"task_id":1,"result":"\"old\"","type":"TaskCompleted"}]','{"awaited":["go"]}');
INSERT INTO "turn" VALUES('ended',2,1893456000000023,'[{"at":1893456000000022,"name":"go","input":"\"!\"","type":"EventRaised"},{"at":1893456000000023,"status":1,"result":"\"old!\"","type":"ExecutionCompleted"}]','{"awaited":[]}');
CREATE INDEX instance_created ON instance (created, id);
CREATE INDEX instance_parent ON instance (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX instance_open ON instance (id) WHERE open = 1;
CREATE INDEX instance_parked ON instance (id) WHERE parked IS NOT NULL;
CREATE INDEX tag_value ON tag (key, value, instance_id);
CREATE TRIGGER tag_insert AFTER INSERT ON instance WHEN new.tags IS NOT NULL BEGIN
    INSERT INTO tag (key, value, instance_id) SELECT key, value, new.id FROM json_each(new.tags);
END;
CREATE TRIGGER tag_update AFTER UPDATE OF tags ON instance WHEN old.tags IS NOT new.tags BEGIN
    DELETE FROM tag WHERE instance_id = new.id;
    INSERT INTO tag (key, value, instance_id)
        SELECT key, value, new.id FROM json_each(new.tags) WHERE new.tags IS NOT NULL;
END;
CREATE TRIGGER tag_delete AFTER DELETE ON instance WHEN old.tags IS NOT NULL BEGIN
    DELETE FROM tag WHERE instance_id = old.id;
END;
CREATE INDEX entity_parked ON entity (id) WHERE parked IS NOT NULL;
CREATE INDEX timer_due ON timer (due);
CREATE INDEX mailbox_due ON mailbox (due) WHERE due IS NOT NULL;
CREATE INDEX mailbox_target ON mailbox (target);
CREATE INDEX inbox_due ON inbox (due) WHERE due IS NOT NULL;
CREATE INDEX inbox_target ON inbox (target);
CREATE INDEX instance_ended ON instance (status, completed)
    WHERE completed IS NOT NULL AND parked IS NULL;
CREATE UNIQUE INDEX turn_key ON turn (instance_id, sequence);
CREATE INDEX instance_status ON instance (status, created, id) WHERE status <> 1;
DELETE FROM "sqlite_sequence";
COMMIT;
PRAGMA application_id = 1349674098;
PRAGMA user_version = 3;
