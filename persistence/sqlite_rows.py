"""Rows to and from the tables of an SQLite file, by position, in the order of their fields."""

import sqlite3
from collections.abc import Collection, Sequence
from itertools import chain
from operator import attrgetter
from typing import Any

import orjson
from attrs import fields

from ..actors.damage import encoded, legible
from ..actors.status import Status
from .records import EntityRow, InstanceRow, MessageRow, TimerRow, TurnRow

LISTED = "IN (SELECT value FROM json_each(?))"
"""A condition on a column; the values are bound as one JSON array."""

_INSTANCE = tuple(field.name for field in fields(InstanceRow))
_ENTITY = tuple(field.name for field in fields(EntityRow))
_TURN = tuple(field.name for field in fields(TurnRow))
_TIMER = tuple(field.name for field in fields(TimerRow))
_MESSAGE = tuple(field.name for field in fields(MessageRow))
_POSTED = tuple(name for name in _MESSAGE if name != "position")

_STATUS, _TAGS, _OPEN = (_INSTANCE.index(name) for name in ("status", "tags", "open"))

_instance_values = attrgetter(*_INSTANCE)
entity_values = attrgetter(*_ENTITY)
turn_values = attrgetter(*_TURN)
timer_values = attrgetter(*_TIMER)
message_values = attrgetter(*_MESSAGE)
posted_values = attrgetter(*_POSTED)

_CHUNKS = (256, 128, 64, 32, 16, 8, 4, 2)
"""How many rows one statement writes; each size is compiled once and kept by the connection."""
_VALUES_MAX = 32_000
"""SQLite binds up to 32,766 values to a statement."""


class Writes:
    """The statements that write rows of one table, many rows at a time.

    SQLite's bindings release the GIL for each step of a statement, which `executemany` takes for
    each row, and while the loop's thread is busy getting it back costs more than the row: so that
    a statement writes as many rows as it can. CPU time of the commits of 3,000 orchestrations with
    4 turns and 2 changes of their instance's row each, in groups of 25, per orchestration: 40 µs
    by these chunks, 42 µs by `executemany`, 54 µs by one JSON document for `json_each`.

    A row whose key is there already is replaced, but for the columns that are `kept`.
    """

    def __init__(
        self, table: str, names: Sequence[str], *key: str, kept: Collection[str] = ()
    ) -> None:
        self._into = f"INSERT INTO {table} ({', '.join(names)}) VALUES "
        self._marks = f"({', '.join('?' * len(names))})"
        self._conflict = ""
        if key:
            changed = [name for name in names if name not in key and name not in kept]
            changes = ", ".join(f"{name} = excluded.{name}" for name in changed)
            self._conflict = f" ON CONFLICT ({', '.join(key)}) DO UPDATE SET {changes}"
        chunks = [size for size in _CHUNKS if size * len(names) <= _VALUES_MAX]
        self._chunks = [(size, self._statement(size)) for size in chunks]
        self._row = self._statement(1)
        casts = ", ".join(["CAST(? AS TEXT)"] * len(names))
        self._damaged_row = f"{self._into}({casts}){self._conflict}"

    def _statement(self, rows: int) -> str:
        return self._into + ", ".join([self._marks] * rows) + self._conflict

    def write(self, database: sqlite3.Connection, rows: list[tuple[Any, ...]]) -> None:
        """Write these rows, of which there may be none."""
        begin, left = 0, len(rows)
        for size, statement in self._chunks:
            while left >= size:
                chunk = rows[begin : begin + size]
                try:
                    database.execute(statement, tuple(chain.from_iterable(chunk)))
                except UnicodeEncodeError:
                    self._write_damaged(database, chunk)
                begin, left = begin + size, left - size
        if left:
            rest = iter(rows[begin:])
            try:
                database.executemany(self._row, rest)
            except UnicodeEncodeError:
                written = len(rows) - len(list(rest)) - 1
                self._write_damaged(database, rows[written:])

    def _write_damaged(self, database: sqlite3.Connection, rows: list[tuple[Any, ...]]) -> None:
        """Write texts that were damaged when they were read as the bytes that they were."""
        for row in rows:
            values = [encoded(value) if isinstance(value, str) else value for value in row]
            database.execute(self._damaged_row, values)


def _select(table: str, names: Sequence[str]) -> str:
    return f"SELECT {', '.join(names)} FROM {table}"


INSTANCES = Writes("instance", _INSTANCE, "id")
# SQLite writes the index entries of every column that is set, though it be to what it was.
PROGRESS = Writes("instance", _INSTANCE, "id", kept=["created"])
ENTITIES = Writes("entity", _ENTITY, "id")
TURNS = Writes("turn", _TURN)
TIMERS = Writes("timer", _TIMER, "instance_id", "timer_id")
MAILBOX = Writes("mailbox", _MESSAGE)
INBOX = Writes("inbox", _POSTED)
REPLIES = Writes("reply", ("request_id", "body"), "request_id")

READ_INSTANCE = _select("instance", _INSTANCE)
READ_ENTITY = _select("entity", _ENTITY)
READ_TURN = _select("turn", _TURN)
READ_TIMER = _select("timer", _TIMER)
READ_MAILBOX = _select("mailbox", _MESSAGE)
READ_INBOX = _select("inbox", ("-id", *_MESSAGE[1:]))


def instance_values(row: InstanceRow) -> tuple[Any, ...]:
    """What is bound for all columns of an instance."""
    values = _instance_values(row)
    tags = orjson.dumps(row.tags).decode() if row.tags else None
    return (*values[:_TAGS], tags, *values[_TAGS + 1 :])


def _tags(text: str) -> dict[str, str]:
    try:
        tags: dict[str, str] = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {"damaged": legible(text)}
    return tags


def read_instance(row: tuple[Any, ...]) -> InstanceRow:
    """The row that these columns are."""
    values = list(row)
    values[_STATUS] = Status(values[_STATUS])
    values[_TAGS] = _tags(values[_TAGS]) if values[_TAGS] else {}
    values[_OPEN] = bool(values[_OPEN])
    return InstanceRow(*values)
