"""Rows to and from the tables of an SQLite file, by position, in the order of their fields."""

import sqlite3
from collections.abc import Sequence
from operator import attrgetter
from typing import Any

import orjson
from attrs import fields

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

_DOCUMENT_BYTES_MAX = 64 << 20
"""SQLite takes up to 1,000,000,000; no need to hold so much twice."""


class Writes:
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


INSTANCES = Writes("instance", _INSTANCE, "id")
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


def read_instance(row: tuple[Any, ...]) -> InstanceRow:
    """The row that these columns are."""
    values = list(row)
    values[_STATUS] = Status(values[_STATUS])
    values[_TAGS] = orjson.loads(values[_TAGS]) if values[_TAGS] else {}
    values[_OPEN] = bool(values[_OPEN])
    return InstanceRow(*values)
