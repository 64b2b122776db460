"""A store in one SQLite file: what each operation of the contract is in SQL."""

import os
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any

import orjson
from attrs import fields

from ..actors.errors import ClaimLostError, InstanceAlreadyExistsError, StaleOwnerError
from ..actors.identity import is_entity
from ..actors.status import TERMINAL, Status
from .owner_lock import OwnerLock
from .paging import checked_size, key_of, page_of, prefix_end
from .records import (
    Commit,
    Due,
    EntityRow,
    InstanceRow,
    MessageRow,
    Page,
    Pending,
    Query,
    Start,
    Stored,
    TimerRow,
    TurnRow,
)
from .sqlite_file import Durability, SQLiteFile

# Rows are written and read by position, in the order of their classes' fields.
_INSTANCE = tuple(field.name for field in fields(InstanceRow))
_ENTITY = tuple(field.name for field in fields(EntityRow))
_TURN = tuple(field.name for field in fields(TurnRow))
_TIMER = tuple(field.name for field in fields(TimerRow))
_MESSAGE = tuple(field.name for field in fields(MessageRow))
_POSTED = tuple(name for name in _MESSAGE if name != "position")

_STATUS, _TAGS, _OPEN = (_INSTANCE.index(name) for name in ("status", "tags", "open"))

_instance_values = attrgetter(*_INSTANCE)
_entity_values = attrgetter(*_ENTITY)
_turn_values = attrgetter(*_TURN)
_timer_values = attrgetter(*_TIMER)
_message_values = attrgetter(*_MESSAGE)
_posted_values = attrgetter(*_POSTED)


class _Writes:
    """The two ways to write rows of a table: one by one, and as one JSON document.

    SQLite's bindings release the GIL for each row, and while the loop's thread is busy getting it
    back costs more than the row: as a document all rows go in one call. Turns/s (instance and turn
    rows, FULL) at 1, 10 and 100 turns a commit, rows against document: beside a busy thread
    53, 178 and 197 against 35, 1,009 and 1,377; alone 3,647, 20,610 and 53,741 against 3,863,
    16,210 and 43,981. Hence a single row goes as it is.
    """

    def __init__(self, table: str, names: Sequence[str], *key: str) -> None:
        columns = ", ".join(names)
        marks = ", ".join("?" * len(names))
        picks = ", ".join(f"value ->> {place}" for place in range(len(names)))
        # "WHERE true", as SQLite takes an ON after a bare SELECT for that of a join.
        self.row = f"INSERT INTO {table} ({columns}) VALUES ({marks})"
        self._rows = f"INSERT INTO {table} ({columns}) SELECT {picks} FROM json_each(?) WHERE true"
        if key:
            changes = ", ".join(f"{name} = excluded.{name}" for name in names if name not in key)
            conflict = f" ON CONFLICT ({', '.join(key)}) DO UPDATE SET {changes}"
            self.row += conflict
            self._rows += conflict

    def write(self, database: sqlite3.Connection, rows: list[tuple[Any, ...]]) -> None:
        """Write these rows, of which there may be none."""
        if len(rows) > 1:
            document = orjson.dumps(rows)
            # SQLite's JSON cuts texts at U+0000.
            if len(document) <= _DOCUMENT_BYTES_MAX and b"\\u0000" not in document:
                database.execute(self._rows, (document.decode(),))
                return
        if rows:
            database.executemany(self.row, rows)


def _select(table: str, names: Sequence[str]) -> str:
    return f"SELECT {', '.join(names)} FROM {table}"


_INSTANCES = _Writes("instance", _INSTANCE, "id")
_ENTITIES = _Writes("entity", _ENTITY, "id")
_TURNS = _Writes("turn", _TURN)
_TIMERS = _Writes("timer", _TIMER, "instance_id", "timer_id")
_MAILBOX = _Writes("mailbox", _MESSAGE)
_INBOX = _Writes("inbox", _POSTED)
_REPLIES = _Writes("reply", ("request_id", "body"), "request_id")

_READ_INSTANCE = _select("instance", _INSTANCE)
_READ_ENTITY = _select("entity", _ENTITY)
_READ_TURN = _select("turn", _TURN)
_READ_TIMER = _select("timer", _TIMER)
_READ_MAILBOX = _select("mailbox", _MESSAGE)
_READ_INBOX = _select("inbox", ("-id", *_MESSAGE[1:]))

_LISTED = "IN (SELECT value FROM json_each(?))"
_TERMINAL = f"({', '.join(str(int(status)) for status in sorted(TERMINAL))})"
_DOCUMENT_BYTES_MAX = 64 << 20
"""SQLite takes up to 1,000,000,000; no need to hold so much twice."""

_PURGED_AT_ONCE_MAX = 100
"""Between two transactions of a long purge the owner's commits get their turn."""

_PURGES = (
    f"DELETE FROM instance WHERE id {_LISTED}",
    f"DELETE FROM turn WHERE instance_id {_LISTED}",
    f"DELETE FROM timer WHERE instance_id {_LISTED}",
    f"DELETE FROM mailbox WHERE target {_LISTED}",
    f"DELETE FROM inbox WHERE target {_LISTED}",
)


class SQLiteStore:
    """A task hub in the file `path`, which is created when it is not there.

    `durability="relaxed"` lets a power failure, but no crash of the process, undo the last commits.
    `lock_seconds_max` bounds how long a write waits for other processes.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        durability: Durability = "full",
        lock_seconds_max: float = 10.0,
    ) -> None:
        # Resolved, so that all names of one file lead to one lock.
        resolved = Path(path).resolve()
        self._file = SQLiteFile(resolved, durability, lock_seconds_max)
        self._owner_lock = OwnerLock(resolved)

    @property
    def location(self) -> str:
        return f"sqlite:///{self._file.path}"

    # The owner's side

    def own(self) -> int:
        self._owner_lock.acquire()
        try:
            with self._file.writing() as database:
                raised = database.execute("UPDATE hub SET epoch = epoch + 1 RETURNING epoch")
                ((epoch,),) = raised.fetchall()
                return int(epoch)
        except BaseException:
            self._owner_lock.release()
            raise

    def disown(self) -> None:
        self._owner_lock.release()

    def commit(self, commit: Commit) -> None:
        with self._file.writing() as database:
            self._check(database, commit)
            _write_actors(database, commit)
            _write_work(database, commit)

    def _check(self, database: sqlite3.Connection, commit: Commit) -> None:
        (epoch,) = database.execute("SELECT epoch FROM hub").fetchone()
        if epoch != commit.epoch:
            raise StaleOwnerError(
                f"{self.location} has an owner of epoch {epoch}, newer than {commit.epoch}"
            )
        for instance_id, expected in commit.claims.items():
            found = database.execute(
                "SELECT execution_id FROM instance WHERE id = ?", (instance_id,)
            ).fetchone()
            if (found[0] if found else None) != expected:
                raise ClaimLostError(f"instance {instance_id!r} was started by somebody else")

    def recover(self, horizon: int) -> Pending:
        with self._file.reading() as database:
            (position,) = database.execute("SELECT position FROM hub").fetchone()
            waiting = "WHERE due IS NULL OR due < ? ORDER BY"
            messages = [
                *database.execute(f"{_READ_MAILBOX} {waiting} position", (horizon,)),
                *database.execute(f"{_READ_INBOX} {waiting} id", (horizon,)),
            ]
            unfinished = database.execute("SELECT id FROM instance WHERE open = 1 ORDER BY id")
            return Pending(
                position,
                [MessageRow(*row) for row in messages],
                _timers(database, "due < ?", horizon),
                [instance_id for (instance_id,) in unfinished],
                _parked(database),
            )

    def due(self, since: int, until: int) -> Due:
        with self._file.reading() as database:
            stretch = "due >= ? AND due < ?"
            messages = [
                *database.execute(
                    f"{_READ_MAILBOX} WHERE {stretch} ORDER BY position", (since, until)
                ),
                *database.execute(f"{_READ_INBOX} WHERE {stretch} ORDER BY id", (since, until)),
            ]
            return Due(
                _timers(database, stretch, since, until), [MessageRow(*row) for row in messages]
            )

    def inbox(self, below: int) -> list[MessageRow]:
        with self._file.reading() as database:
            rows = database.execute(f"{_READ_INBOX} WHERE id > ? ORDER BY id", (-below,))
            return [MessageRow(*row) for row in rows]

    def load(self, ids: Collection[str]) -> dict[str, Stored]:
        found = {actor_id: Stored() for actor_id in ids}
        instances = _json([actor_id for actor_id in found if not is_entity(actor_id)])
        entities = _json([actor_id for actor_id in found if is_entity(actor_id)])
        with self._file.reading() as database:
            for row in database.execute(f"{_READ_INSTANCE} WHERE id {_LISTED}", (instances,)):
                found[row[0]].instance = _instance(row)
            for row in database.execute(
                f"{_READ_TURN} WHERE instance_id {_LISTED} ORDER BY instance_id, sequence",
                (instances,),
            ):
                found[row[0]].turns.append(TurnRow(*row))
            for row in database.execute(f"{_READ_ENTITY} WHERE id {_LISTED}", (entities,)):
                found[row[0]].entity = EntityRow(*row)
        return found

    # The clients' side

    def post(self, messages: Sequence[MessageRow], starts: Sequence[Start] = ()) -> None:
        with self._file.writing() as database:
            for start in starts:
                status = database.execute(
                    "SELECT status FROM instance WHERE id = ?", (start.row.id,)
                ).fetchone()
                if status and status[0] not in start.replaceable:
                    raise InstanceAlreadyExistsError(start.row.id, Status(status[0]))
                _INSTANCES.write(database, [_bound(start.row)])
            _INBOX.write(database, [_posted_values(message) for message in messages])

    def purge(self, ids: Collection[str]) -> list[str]:
        asked = list(dict.fromkeys(ids))
        purged: set[str] = set()
        for begin in range(0, len(asked), _PURGED_AT_ONCE_MAX):
            with self._file.writing() as database:
                rows = database.execute(
                    f"SELECT id FROM instance WHERE status IN {_TERMINAL} AND id {_LISTED}",
                    (_json(asked[begin : begin + _PURGED_AT_ONCE_MAX]),),
                ).fetchall()
                gone = [instance_id for (instance_id,) in rows]
                for statement in _PURGES if gone else ():
                    database.execute(statement, (_json(gone),))
            purged.update(gone)
        return [instance_id for instance_id in asked if instance_id in purged]

    def take_reply(self, request_id: str) -> str | None:
        with self._file.reading() as database:
            # Clients ask often while there is nothing yet: that must not hinder commits.
            if not _ask(database, "SELECT 1 FROM reply WHERE request_id = ?", request_id):
                return None
        with self._file.writing() as database:
            taken = _ask(
                database, "DELETE FROM reply WHERE request_id = ? RETURNING body", request_id
            )
            # Whoever asked for these has gone.
            database.execute("DELETE FROM reply WHERE at < unixepoch() - 86400")
        return taken[0][0] if taken else None

    def version(self) -> int:
        return self._file.version()

    # Reading

    def instance(self, instance_id: str) -> InstanceRow | None:
        with self._file.reading() as database:
            rows = _ask(database, f"{_READ_INSTANCE} WHERE id = ?", instance_id)
        return _instance(rows[0]) if rows else None

    def instances(self, ids: Collection[str]) -> dict[str, InstanceRow]:
        with self._file.reading() as database:
            rows = _ask(database, f"{_READ_INSTANCE} WHERE id {_LISTED}", _json(list(ids)))
        return {row[0]: _instance(row) for row in rows}

    def query(self, query: Query, size: int, token: str | None = None) -> Page[InstanceRow]:
        limit, after = checked_size(size), key_of(token)
        condition, values = _conditions(query)
        with self._file.reading() as database:
            rows = _ask(
                database,
                f"{_READ_INSTANCE} WHERE (created, id) > (?, ?) {condition}"
                " ORDER BY created, id LIMIT ?",
                *after,
                *values,
                limit,
            )
        return page_of([_instance(row) for row in rows], size, lambda row: (row.created, row.id))

    def count(self, query: Query) -> dict[Status, int]:
        condition, values = _conditions(query)
        with self._file.reading() as database:
            rows = _ask(
                database,
                f"SELECT status, count(*) FROM instance WHERE true {condition} GROUP BY status",
                *values,
            )
        return {Status(status): number for status, number in rows}

    def history(self, instance_id: str, first: int = 0) -> list[TurnRow]:
        condition = "WHERE instance_id = ? AND sequence >= ? ORDER BY sequence"
        with self._file.reading() as database:
            rows = _ask(database, f"{_READ_TURN} {condition}", instance_id, first)
        return [TurnRow(*row) for row in rows]

    def entity(self, entity_id: str) -> EntityRow | None:
        with self._file.reading() as database:
            rows = _ask(database, f"{_READ_ENTITY} WHERE id = ?", entity_id)
        return EntityRow(*rows[0]) if rows else None

    def entities(
        self,
        prefix: str,
        size: int,
        token: str | None = None,
        *,
        updated_from: int | None = None,
        updated_to: int | None = None,
        transient: bool = False,
    ) -> Page[EntityRow]:
        limit, (_, after) = checked_size(size), key_of(token)
        condition, values = _joined(
            [
                *_prefixed(prefix),
                *_between("updated", updated_from, updated_to),
                *([] if transient else [("state IS NOT NULL", ())]),
            ]
        )
        with self._file.reading() as database:
            rows = _ask(
                database,
                f"{_READ_ENTITY} WHERE id > ? {condition} ORDER BY id LIMIT ?",
                after,
                *values,
                limit,
            )
        return page_of([EntityRow(*row) for row in rows], size, lambda row: (0, row.id))

    def backlog(self, target: str) -> int:
        with self._file.reading() as database:
            ((waiting,),) = _ask(
                database,
                "SELECT (SELECT count(*) FROM mailbox WHERE target = ?)"
                " + (SELECT count(*) FROM inbox WHERE target = ?)",
                target,
                target,
            )
        return int(waiting)

    def close(self) -> None:
        self.disown()
        self._file.close()


# Writing. Each statement costs some µs, so what is empty is passed over.


def _write_actors(database: sqlite3.Connection, commit: Commit) -> None:
    if commit.resets:
        resets = _json(list(commit.resets))
        database.execute(f"DELETE FROM turn WHERE instance_id {_LISTED}", (resets,))
        database.execute(f"DELETE FROM timer WHERE instance_id {_LISTED}", (resets,))
    instances, entities = commit.instances, commit.entities
    _INSTANCES.write(database, [_bound(row) for row in instances.values() if row])
    if gone := [instance_id for instance_id, row in instances.items() if row is None]:
        database.execute(f"DELETE FROM instance WHERE id {_LISTED}", (_json(gone),))
    _ENTITIES.write(database, [_entity_values(row) for row in entities.values() if row])
    if gone := [entity_id for entity_id, row in entities.items() if row is None]:
        database.execute(f"DELETE FROM entity WHERE id {_LISTED}", (_json(gone),))
    _TURNS.write(database, [_turn_values(turn) for turn in commit.turns])


def _write_work(database: sqlite3.Connection, commit: Commit) -> None:
    _TIMERS.write(database, [_timer_values(timer) for timer in commit.timers_set])
    if commit.timers_cut:
        database.execute(
            "DELETE FROM timer WHERE (instance_id, timer_id)"
            " IN (SELECT value ->> 0, value ->> 1 FROM json_each(?))",
            (_json(commit.timers_cut),),
        )
    if commit.sent:
        _MAILBOX.write(database, [_message_values(message) for message in commit.sent])
        highest = max(message.position for message in commit.sent)
        database.execute("UPDATE hub SET position = max(position, ?)", (highest,))
    if taken := [position for position in commit.consumed if position > 0]:
        database.execute(f"DELETE FROM mailbox WHERE position {_LISTED}", (_json(taken),))
    if taken := [-position for position in commit.consumed if position < 0]:
        database.execute(f"DELETE FROM inbox WHERE id {_LISTED}", (_json(taken),))
    _REPLIES.write(database, list(commit.replies.items()))


def _bound(row: InstanceRow) -> tuple[Any, ...]:
    values = _instance_values(row)
    tags = orjson.dumps(row.tags).decode() if row.tags else None
    return (*values[:_TAGS], tags, *values[_TAGS + 1 :])


# Reading


def _ask(database: sqlite3.Connection, statement: str, *values: object) -> list[Any]:
    return database.execute(statement, values).fetchall()


def _json(values: Sequence[object]) -> str:
    return orjson.dumps(values).decode()


def _instance(row: tuple[Any, ...]) -> InstanceRow:
    values = list(row)
    values[_STATUS] = Status(values[_STATUS])
    values[_TAGS] = orjson.loads(values[_TAGS]) if values[_TAGS] else {}
    values[_OPEN] = bool(values[_OPEN])
    return InstanceRow(*values)


def _timers(database: sqlite3.Connection, condition: str, *values: int) -> list[TimerRow]:
    order = "ORDER BY due, instance_id, timer_id"
    rows = database.execute(f"{_READ_TIMER} WHERE {condition} {order}", values)
    return [TimerRow(*row) for row in rows]


def _parked(database: sqlite3.Connection) -> list[str]:
    rows = database.execute(
        "SELECT id FROM instance WHERE parked IS NOT NULL"
        " UNION ALL SELECT id FROM entity WHERE parked IS NOT NULL ORDER BY 1"
    )
    return [actor_id for (actor_id,) in rows]


_Condition = tuple[str, tuple[object, ...]]


def _conditions(query: Query) -> tuple[str, list[object]]:
    return _joined(
        [
            *_prefixed(query.id_prefix),
            *_one_of("status", query.statuses),
            *_one_of("name", query.names),
            *_between("created", query.created_from, query.created_to),
            *_between("completed", query.completed_from, query.completed_to),
            *(
                ("id IN (SELECT instance_id FROM tag WHERE key = ? AND value = ?)", tag)
                for tag in query.tags
            ),
            *([] if query.parent_id is None else [("parent_id = ?", (query.parent_id,))]),
        ]
    )


def _joined(conditions: Iterable[_Condition]) -> tuple[str, list[object]]:
    texts: list[str] = []
    values: list[object] = []
    for text, bound in conditions:
        texts.append(f"AND {text}")
        values += bound
    return " ".join(texts), values


def _prefixed(prefix: str) -> Iterator[_Condition]:
    if prefix:
        yield "id >= ?", (prefix,)
        if (end := prefix_end(prefix)) is not None:
            yield "id < ?", (end,)


def _one_of(column: str, values: Collection[object]) -> Iterator[_Condition]:
    if values:
        yield f"{column} IN ({', '.join('?' * len(values))})", tuple(values)


def _between(column: str, first: int | None, last: int | None) -> Iterator[_Condition]:
    if first is not None:
        yield f"{column} >= ?", (first,)
    if last is not None:
        yield f"{column} <= ?", (last,)
