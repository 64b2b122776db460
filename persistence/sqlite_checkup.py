"""What an operator wants to know of a database file, read without changing anything in it."""

import sqlite3
from collections import Counter
from collections.abc import Generator
from contextlib import closing, contextmanager
from operator import methodcaller
from pathlib import Path
from typing import Any

from attrs import frozen

from ..actors.damage import decoded
from ..actors.errors import StoreCorruptError, StoreError
from . import schema
from .checkup import LISTED_MAX, REPLY_SECONDS, SECOND, Contents, Some, contents
from .owner_lock import OwnerLock
from .sqlite_file import APPLICATION_ID, on_one_line
from .sqlite_log import frames_valid, is_cut_off
from .sqlite_rows import SUMMED, damage_of

_LEGIBLE = methodcaller("decode", "utf-8", "replace")

_FINDINGS_MAX = 5


@frozen
class Rows:
    """What the checksums of all rows say."""

    sound: int
    unverified: int
    """How many were written before there were checksums."""
    damaged: Some[str]
    """What is wrong with which."""


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
    rows: Rows | None
    """None when the schema is not the newest."""
    contents: Contents | None
    """None when the schema is not the newest, or the file is damaged."""


def schema_version(path: Path) -> int:
    """The schema's number. Raises `StoreError` when the file is no store of ours."""
    with _opened(path) as database:
        return _schema_version(database, path)


def damaged_rows(path: Path) -> Some[str]:
    """What is wrong with which rows, by their checksums. Raises `StoreError`."""
    with _opened(path) as database:
        return _rows(database, []).damaged


def newest_schema_version() -> int:
    """The schema's number in files that this version writes."""
    return max(schema.migrations("sqlite"))


def examine(path: Path, now: int) -> Checkup:
    """Look at everything. Raises `StoreError` when the file is no store of ours."""
    newest = newest_schema_version()
    log = path.with_name(path.name + "-wal")
    with _opened(path) as database:
        version = _schema_version(database, path)
        damage = _log_damage(path, log) + _damage(database)
        rows = _rows(database, damage) if version == newest else None
        found = _contents(database, now) if version == newest and not damage else None
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
        rows,
        found,
    )


_DAMAGED = (StoreCorruptError, "it is damaged or no database: restore a backup")
_REFUSALS: dict[int, tuple[type[StoreError], str]] = {
    sqlite3.SQLITE_NOTADB: _DAMAGED,
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_CANTOPEN: (
        StoreError,
        "let this process read it and write in its folder, or copy it to another folder",
    ),
}


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
        kind, advice = _REFUSALS.get(error.sqlite_errorcode & 0xFF, (StoreError, "SQLite refused"))
        raise kind(f"{path}: {advice} ({error})") from error


def _schema_version(database: sqlite3.Connection, path: Path) -> int:
    if _number(database, "application_id") != APPLICATION_ID:
        raise StoreError(f"{path} is the database of another program: choose another file")
    return _number(database, "user_version")


def _log_damage(path: Path, log: Path) -> list[str]:
    """What a start would refuse; the log of a living owner changes while it is read."""
    kept = log.with_name(f"{log.name}.damaged")
    resting = OwnerLock(path.resolve()).holder() is None
    if kept.exists() or (resting and is_cut_off(log, frames_valid(log))):
        return [f"{log} was damaged in its midst, and durable commits behind that cannot be read"]
    return []


def _damage(database: sqlite3.Connection) -> list[str]:
    try:
        rows = database.execute(f"PRAGMA integrity_check({_FINDINGS_MAX})").fetchall()
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_CORRUPT:
            raise
        return [str(error)]
    return [on_one_line(finding) for (finding,) in rows if finding != "ok"]


def _rows(database: sqlite3.Connection, damage: list[str]) -> Rows:
    """Read every row; what keeps SQLite from it becomes part of the damage."""
    numbers, first = Counter[str](), list[str]()
    database.text_factory = decoded
    try:
        for statement in SUMMED:
            for row in database.execute(statement):
                problem = damage_of(statement, row)
                if problem is None:
                    numbers["sound" if row[-1] is not None else "unverified"] += 1
                    continue
                numbers["damaged"] += 1
                first += [problem] * (len(first) < LISTED_MAX)
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_CORRUPT:
            raise
        damage += [str(error)] * (str(error) not in damage)
    finally:
        database.text_factory = _LEGIBLE
    return Rows(numbers["sound"], numbers["unverified"], Some(numbers["damaged"], first))


def _contents(database: sqlite3.Connection, now: int) -> Contents:
    def ask(statement: str, *values: Any) -> list[Any]:
        return database.execute(statement, values).fetchall()

    database.execute("BEGIN")
    return contents(ask, now, f"at < {now // SECOND - REPLY_SECONDS}")


def _number(database: sqlite3.Connection, pragma: str) -> int:
    return _first(database, f"PRAGMA {pragma}")


def _first(database: sqlite3.Connection, statement: str) -> int:
    row: tuple[Any, ...] = database.execute(statement).fetchone()
    return int(row[0])
