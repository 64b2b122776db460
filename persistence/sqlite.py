"""A store in one SQLite file: what each operation of the contract is in SQL."""

import os
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from attrs import evolve

from ..actors.errors import (
    ClaimLostError,
    InstanceAlreadyExistsError,
    StaleOwnerError,
    StoreCorruptError,
    StoreError,
)
from ..actors.identity import is_entity
from ..actors.status import Status
from . import sqlite_archive, sqlite_purge
from .conditions import Condition, between, conditions, joined, prefixed
from .owner_lock import OwnerLock
from .paging import checked_size, key_of, page_of
from .records import (
    Commit,
    Due,
    Ended,
    EntityRow,
    InstanceRow,
    MessageRow,
    Page,
    Pending,
    Purged,
    Query,
    Start,
    Stored,
    TimerRow,
    TurnRow,
    Whole,
)
from .schema import UNFINISHED
from .sought import sought
from .sqlite_file import SQLiteFile, refuse_cut_log
from .sqlite_log import frames_valid
from .sqlite_rows import (
    ENTITIES,
    ENTITIES_OF,
    INBOX,
    INBOX_OF,
    INSTANCES,
    INSTANCES_OF,
    LISTED,
    MAILBOX,
    PROGRESS,
    READ_ENTITY,
    READ_INBOX,
    READ_INSTANCE,
    READ_MAILBOX,
    READ_REPLY,
    READ_TIMER,
    READ_TURN,
    REPLIES,
    TIMERS,
    TURNS,
    TURNS_OF,
    entity_values,
    instance_values,
    json_of,
    message_values,
    posted_values,
    read_entity,
    read_instance,
    read_message,
    read_reply,
    read_timer,
    read_turn,
    reply_values,
    timer_values,
    turn_values,
)
from .store import Durability

PAGE, IN_ORDER = f"{READ_INSTANCE} WHERE (created, id) > (?, ?)", "ORDER BY created, id LIMIT ?"

INCOMPLETE = f"status <> {int(Status.COMPLETED)}"
"""What the index over the status is for; it is only used where these words stand."""

ANY = -1
COUNT = f"""
    SELECT {ANY}, count(*) FROM instance WHERE true {{0}}
    UNION ALL
    SELECT status, count(*) FROM instance WHERE {INCOMPLETE} {{0}} GROUP BY status
"""
"""How many match, and how many of them by status; who is not among these has completed."""


class SQLiteStore:
    """A task hub in the file `path`, which is created when it is not there.

    `durability="relaxed"` lets a power failure, but no crash of the process, undo the last commits.
    `lock_seconds_max` bounds how long a write waits for other processes. A file that is half filled
    by `moving.move` is opened with `unfinished` only.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        durability: Durability = "full",
        lock_seconds_max: float = 10.0,
        unfinished: bool = False,
    ) -> None:
        # Resolved, so that all names of one file lead to one lock.
        resolved = Path(path).resolve()
        self._owner_lock = OwnerLock(resolved)
        refused = self._cut_log(resolved) if durability == "full" else None
        self._file = SQLiteFile(resolved, durability, lock_seconds_max, unfinished=unfinished)
        if refused is not None:
            self._file.close()  # SQLite removes the log, of which there is a copy now
            raise refused

    def _cut_log(self, path: Path) -> StoreCorruptError | None:
        """Looked for before anything is opened, as whoever closes a file last removes its log."""
        if self._owner_lock.holder() is not None:
            return None
        try:
            refuse_cut_log(path, lambda: frames_valid(Path(f"{path}-wal")))
        except StoreCorruptError as error:
            return error
        return None

    @property
    def location(self) -> str:
        return f"sqlite:///{self._file.path}"

    # The owner's side

    def own(self) -> int:
        self._owner_lock.acquire()
        try:
            self._file.refuse_cut_log()
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
                *database.execute(f"{READ_MAILBOX} {waiting} position", (horizon,)),
                *database.execute(f"{READ_INBOX} {waiting} id", (horizon,)),
            ]
            unfinished = database.execute("SELECT id FROM instance WHERE open = 1 ORDER BY id")
            return Pending(
                position,
                [read_message(row) for row in messages],
                _timers(database, "due < ?", horizon),
                [instance_id for (instance_id,) in unfinished],
                _parked(database),
            )

    def due(self, since: int, until: int) -> Due:
        with self._file.reading() as database:
            stretch = "due >= ? AND due < ?"
            messages = [
                *database.execute(
                    f"{READ_MAILBOX} WHERE {stretch} ORDER BY position", (since, until)
                ),
                *database.execute(f"{READ_INBOX} WHERE {stretch} ORDER BY id", (since, until)),
            ]
            return Due(
                _timers(database, stretch, since, until), [read_message(row) for row in messages]
            )

    def inbox(self, below: int) -> list[MessageRow]:
        with self._file.reading() as database:
            rows = database.execute(f"{READ_INBOX} WHERE id > ? ORDER BY id", (-below,))
            return [read_message(row) for row in rows]

    def posted(self, targets: Collection[str]) -> list[MessageRow]:
        with self._file.reading() as database:
            return [row for _, row in INBOX_OF.of(database, targets)]

    def load(self, ids: Collection[str]) -> dict[str, Stored]:
        found = {actor_id: Stored() for actor_id in ids}
        instances = {actor_id for actor_id in found if not is_entity(actor_id)}
        with self._file.reading() as database:
            for actor_id, instance in INSTANCES_OF.of(database, instances):
                found[actor_id].instance = instance
            for actor_id, turn in TURNS_OF.of(database, instances):
                found[actor_id].turns.append(turn)
            for actor_id, entity in ENTITIES_OF.of(database, found.keys() - instances):
                found[actor_id].entity = entity
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
                INSTANCES.write(database, [instance_values(start.row)])
            INBOX.write(database, [posted_values(message) for message in messages])

    def purge(self, ids: Sequence[str]) -> Purged:
        return sqlite_purge.purge(self._file, ids)

    def install(self, wholes: Sequence[Whole]) -> list[str]:
        return sqlite_archive.install(self._file, wholes)

    def take_replies(self, request_ids: Collection[str]) -> dict[str, str]:
        with self._file.reading() as database:
            rows = _ask(
                database, f"{READ_REPLY} WHERE request_id {LISTED}", json_of(list(request_ids))
            )
        found = {row[0]: read_reply(row) for row in rows}
        if found:
            # What cannot be deleted now is after a day, and is nobody's until then.
            with suppress(StoreError), self._file.writing() as database:
                ids = json_of(list(found))
                database.execute(f"DELETE FROM reply WHERE request_id {LISTED}", (ids,))
                database.execute("DELETE FROM reply WHERE at < unixepoch() - 86400")
        return found

    def version(self) -> int:
        return self._file.version()

    def glance(self) -> tuple[int, ...] | None:
        return self._file.glance()

    # Reading

    def instance(self, instance_id: str) -> InstanceRow | None:
        with self._file.reading() as database:
            found = dict(INSTANCES_OF.of(database, [instance_id]))
        return found.get(instance_id)

    def instances(self, ids: Collection[str]) -> dict[str, InstanceRow]:
        with self._file.reading() as database:
            return dict(INSTANCES_OF.of(database, set(ids)))

    def query(self, query: Query, size: int, token: str | None = None) -> Page[InstanceRow]:
        limit, after = checked_size(size), key_of(token)
        condition, values = conditions(query, _tagged)
        if query.statuses and Status.COMPLETED not in query.statuses:
            condition += f" AND {INCOMPLETE}"
        with self._file.reading() as database:
            rows = _ask(database, f"{PAGE} {condition} {IN_ORDER}", *after, *values, limit)
        return page_of(
            [read_instance(row) for row in rows], size, lambda row: (row.created, row.id)
        )

    def count(self, query: Query) -> dict[Status, int]:
        condition, values = conditions(evolve(query, statuses=frozenset()), _tagged)
        with self._file.reading() as database:
            found = dict(_ask(database, COUNT.format(condition), *values, *values))
        found[Status.COMPLETED] = found.pop(ANY) - sum(found.values())
        wanted = query.statuses or frozenset(Status)
        return {status: found[status] for status in sorted(wanted) if found.get(status)}

    def ended(self, status: Status, after: Ended, size: int) -> list[Ended]:
        return sqlite_purge.ended(self._file, status, after, size)

    def family(self, ids: Collection[str]) -> list[str]:
        return sqlite_purge.family(self._file, ids)

    def history(self, instance_id: str, first: int = 0) -> list[TurnRow]:
        condition = "WHERE instance_id = ? AND sequence >= ? ORDER BY sequence"
        with self._file.reading() as database:
            rows = _ask(database, f"{READ_TURN} {condition}", instance_id, first)
        return [read_turn(row) for row in rows]

    def entity(self, entity_id: str) -> EntityRow | None:
        with self._file.reading() as database:
            found = dict(ENTITIES_OF.of(database, [entity_id]))
        return found.get(entity_id)

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
        condition, values = joined(
            [
                *prefixed(prefix),
                *between("updated", updated_from, updated_to),
                *([] if transient else [("state IS NOT NULL", ())]),
            ]
        )
        with self._file.reading() as database:
            rows = _ask(
                database,
                f"{READ_ENTITY} WHERE id > ? {condition} ORDER BY id LIMIT ?",
                after,
                *values,
                limit,
            )
        return page_of([read_entity(row) for row in rows], size, lambda row: (0, row.id))

    def export(self, ids: Collection[str] | None = None) -> Iterator[Whole]:
        return sqlite_archive.export(self._file, ids)

    def is_unfinished(self) -> bool:
        with self._file.reading() as database:
            ((version,),) = _ask(database, "PRAGMA user_version")
        return bool(version >= UNFINISHED)

    def mark_unfinished(self) -> None:
        self._mark(UNFINISHED)

    def mark_finished(self) -> None:
        self._mark(0)

    def _mark(self, mark: int) -> None:
        with self._file.writing() as database:
            ((version,),) = _ask(database, "PRAGMA user_version")
            database.execute(f"PRAGMA user_version = {version % UNFINISHED + mark}")

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
        resets = json_of(list(commit.resets))
        database.execute(f"DELETE FROM turn WHERE instance_id {LISTED}", (resets,))
        database.execute(f"DELETE FROM timer WHERE instance_id {LISTED}", (resets,))
    instances, entities = commit.instances, commit.entities
    begun = [instance_id for instance_id, before in commit.claims.items() if before is not None]
    gone = [instance_id for instance_id, row in instances.items() if row is None]
    if begun or gone:
        database.execute(f"DELETE FROM instance WHERE id {LISTED}", (json_of([*begun, *gone]),))
    PROGRESS.write(database, [instance_values(row) for row in instances.values() if row])
    ENTITIES.write(database, [entity_values(row) for row in entities.values() if row])
    if gone := [entity_id for entity_id, row in entities.items() if row is None]:
        database.execute(f"DELETE FROM entity WHERE id {LISTED}", (json_of(gone),))
    TURNS.write(database, [turn_values(turn) for turn in commit.turns])


def _write_work(database: sqlite3.Connection, commit: Commit) -> None:
    TIMERS.write(database, [timer_values(timer) for timer in commit.timers_set])
    if commit.timers_cut:
        database.execute(
            "DELETE FROM timer WHERE (instance_id, timer_id)"
            " IN (SELECT value ->> 0, value ->> 1 FROM json_each(?))",
            (json_of(commit.timers_cut),),
        )
    if commit.sent:
        MAILBOX.write(database, [message_values(message) for message in commit.sent])
        highest = max(message.position for message in commit.sent)
        database.execute("UPDATE hub SET position = max(position, ?)", (highest,))
    if taken := [position for position in commit.consumed if position > 0]:
        database.execute(f"DELETE FROM mailbox WHERE position {LISTED}", (json_of(taken),))
    if taken := [-position for position in commit.consumed if position < 0]:
        database.execute(f"DELETE FROM inbox WHERE id {LISTED}", (json_of(taken),))
    REPLIES.write(database, [reply_values(*reply) for reply in commit.replies.items()])


# Reading


def _ask(database: sqlite3.Connection, statement: str, *values: object) -> list[Any]:
    return database.execute(statement, sought(values)).fetchall()


def _tagged(key: str, value: str) -> Condition:
    return "id IN (SELECT instance_id FROM tag WHERE key = ? AND value = ?)", (key, value)


def _timers(database: sqlite3.Connection, condition: str, *values: int) -> list[TimerRow]:
    order = "ORDER BY due, instance_id, timer_id"
    rows = database.execute(f"{READ_TIMER} WHERE {condition} {order}", values)
    return [read_timer(row) for row in rows]


def _parked(database: sqlite3.Connection) -> list[str]:
    rows = database.execute(
        "SELECT id FROM instance WHERE parked IS NOT NULL"
        " UNION ALL SELECT id FROM entity WHERE parked IS NOT NULL ORDER BY 1"
    )
    return [actor_id for (actor_id,) in rows]
