"""What an operator wants to know of a database file, read without changing anything in it."""

import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from operator import methodcaller
from pathlib import Path
from typing import Any, Generic, TypeVar

from attrs import frozen

from ..actors.errors import StoreCorruptError, StoreError
from ..actors.status import TERMINAL, Status
from . import schema
from .owner_lock import OwnerLock
from .sqlite_file import APPLICATION_ID

_LEGIBLE = methodcaller("decode", "utf-8", "replace")

_LISTED_MAX = 20

_FINDINGS_MAX = 5
_SECOND = 1_000_000
_OVERDUE_MICROSECONDS = 10 * _SECOND
_REPLY_SECONDS = 3_600

_TERMINAL = f"({', '.join(str(int(status)) for status in sorted(TERMINAL))})"
_HELD_BACK = (
    f"(SELECT id FROM instance WHERE parked IS NOT NULL OR status = {int(Status.SUSPENDED)}"
    " UNION ALL SELECT id FROM entity WHERE parked IS NOT NULL OR locked_by IS NOT NULL)"
)
_PARKED = (
    "SELECT id, parked FROM instance WHERE parked IS NOT NULL"
    " UNION ALL SELECT id, parked FROM entity WHERE parked IS NOT NULL ORDER BY 1"
)
_OVERDUE = (
    f"SELECT instance_id, due FROM timer WHERE due < ?1 AND instance_id NOT IN {_HELD_BACK}"
    f" UNION ALL SELECT target, due FROM mailbox WHERE due < ?1 AND target NOT IN {_HELD_BACK}"
    f" UNION ALL SELECT target, due FROM inbox WHERE due < ?1 AND target NOT IN {_HELD_BACK}"
    " ORDER BY 2, 1"
)
_STUCK = (
    "SELECT entity.id, entity.locked_by, instance.status FROM entity"
    " LEFT JOIN instance ON instance.id = entity.locked_by WHERE entity.locked_by IS NOT NULL"
    f" AND (instance.id IS NULL OR instance.status IN {_TERMINAL}) ORDER BY 1"
)


T = TypeVar("T")


@frozen
class Some(Generic[T]):
    """How many there are, and the first of them."""

    count: int
    first: list[T]


@frozen
class StuckLock:
    """The lock of an entity that nobody will give back."""

    entity_id: str
    holder: str
    status: Status | None
    """How the holder ended; None when there is no such instance."""


@frozen
class Contents:
    """What lies in a file of the schema that this version knows."""

    statuses: dict[Status, int]
    entities: int
    turns: int
    timers: int
    mailbox: int
    inbox: int
    replies: int
    old_replies: int
    """Answers that nobody has taken for an hour."""
    parked: Some[tuple[str, str]]
    """Ids with the reasons as JSON."""
    overdue: Some[tuple[str, int]]
    """Timers and messages of actors that could take them, by actor and time, the oldest first."""
    stuck_locks: Some[StuckLock]


@frozen
class Checkup:
    """The state of a file."""

    path: Path
    size: int
    log_size: int
    """Bytes of the write-ahead log beside it."""
    reusable: int
    """Bytes inside the file that hold nothing any more."""
    schema_version: int
    newest_schema_version: int
    owner: str | None
    """The pid of the process that owns it."""
    damage: list[str]
    contents: Contents | None
    """None when the schema is not the newest, or the file is damaged."""


def schema_version(path: Path) -> int:
    """The schema's number. Raises `StoreError` when the file is no store of ours."""
    with _opened(path) as database:
        return _schema_version(database, path)


def newest_schema_version() -> int:
    """The schema's number in files that this version writes."""
    return max(schema.migrations("sqlite"))


def examine(path: Path, now: int) -> Checkup:
    """Look at everything. Raises `StoreError` when the file is no store of ours."""
    newest = newest_schema_version()
    log = path.with_name(path.name + "-wal")
    with _opened(path) as database:
        version = _schema_version(database, path)
        damage = _damage(database)
        contents = _contents(database, now) if version == newest and not damage else None
        reusable = _number(database, "freelist_count") * _number(database, "page_size")
    return Checkup(
        path,
        path.stat().st_size,
        log.stat().st_size if log.exists() else 0,
        reusable,
        version,
        newest,
        OwnerLock(path.resolve()).holder(),
        damage,
        contents,
    )


@contextmanager
def _opened(path: Path) -> Generator[sqlite3.Connection]:
    try:
        place = f"{path.resolve().as_uri()}?mode=ro"
        with closing(sqlite3.connect(place, uri=True, isolation_level=None)) as database:
            database.text_factory = _LEGIBLE
            yield database
    except UnicodeDecodeError as error:
        advice = "it is damaged: restore a backup"
        raise StoreCorruptError(f"{path}: {advice} ({error})") from error
    except sqlite3.DatabaseError as error:
        damaged = error.sqlite_errorcode & 0xFF in {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT}
        kind = StoreCorruptError if damaged else StoreError
        advice = "it is damaged or no database: restore a backup" if damaged else "SQLite refused"
        raise kind(f"{path}: {advice} ({error})") from error


def _schema_version(database: sqlite3.Connection, path: Path) -> int:
    if _number(database, "application_id") != APPLICATION_ID:
        raise StoreError(f"{path} is the database of another program: choose another file")
    return _number(database, "user_version")


def _damage(database: sqlite3.Connection) -> list[str]:
    try:
        rows = database.execute(f"PRAGMA integrity_check({_FINDINGS_MAX})").fetchall()
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_CORRUPT:
            raise
        return [str(error)]
    return [finding for (finding,) in rows if finding != "ok"]


def _contents(database: sqlite3.Connection, now: int) -> Contents:
    database.execute("BEGIN")
    statuses = database.execute("SELECT status, count(*) FROM instance GROUP BY status").fetchall()
    stuck = _some(database, _STUCK)
    locks = [
        StuckLock(entity_id, holder, None if status is None else Status(status))
        for entity_id, holder, status in stuck.first
    ]
    old = f"SELECT count(*) FROM reply WHERE at < {now // _SECOND - _REPLY_SECONDS}"
    return Contents(
        statuses={Status(status): number for status, number in statuses},
        entities=_count(database, "entity"),
        turns=_count(database, "turn"),
        timers=_count(database, "timer"),
        mailbox=_count(database, "mailbox"),
        inbox=_count(database, "inbox"),
        replies=_count(database, "reply"),
        old_replies=_first(database, old),
        parked=_some(database, _PARKED),
        overdue=_some(database, _OVERDUE, now - _OVERDUE_MICROSECONDS),
        stuck_locks=Some(stuck.count, locks),
    )


def _some(database: sqlite3.Connection, statement: str, *values: int) -> Some[Any]:
    ((count,),) = database.execute(f"SELECT count(*) FROM ({statement})", values).fetchall()
    rows = database.execute(f"{statement} LIMIT {_LISTED_MAX}", values)
    return Some(count, rows.fetchall())


def _count(database: sqlite3.Connection, table: str) -> int:
    return _first(database, f"SELECT count(*) FROM {table}")


def _number(database: sqlite3.Connection, pragma: str) -> int:
    return _first(database, f"PRAGMA {pragma}")


def _first(database: sqlite3.Connection, statement: str) -> int:
    row: tuple[Any, ...] = database.execute(statement).fetchone()
    return int(row[0])
