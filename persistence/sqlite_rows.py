"""Rows to and from the tables of an SQLite file, by position, in the order of their fields.

Behind them comes their checksum, by the rules of `sums.py`.
"""

import json
import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import chain
from operator import attrgetter
from typing import Any, Generic, TypeVar

import orjson
from attrs import fields

from ..actors.damage import encoded, legible
from ..actors.errors import StoreCorruptError
from ..actors.status import Status
from .records import (
    AnyRow,
    EntityRow,
    InstanceRow,
    MessageRow,
    TimerRow,
    TurnRow,
    columns,
)
from .sought import storable
from .sums import NO_SUM, damaged, is_sound, sum_of

R = TypeVar("R", bound=AnyRow)

LISTED = "IN (SELECT value FROM json_each(?))"
"""A condition on a column; the values are bound as one JSON array."""

_INSTANCE = columns(InstanceRow)
_ENTITY = columns(EntityRow)
_TURN = columns(TurnRow)
_TIMER = columns(TimerRow)
_MESSAGE = columns(MessageRow)
_POSTED = tuple(name for name in _MESSAGE if name != "position")

_STATUS, _TAGS, _OPEN = (_INSTANCE.index(name) for name in ("status", "tags", "open"))

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


INSTANCES = Writes("instance", (*_INSTANCE, "sum"), "id")
# SQLite writes the index entries of every column that is set, though it be to what it was.
PROGRESS = Writes("instance", (*_INSTANCE, "sum"), "id", kept=["created"])
ENTITIES = Writes("entity", (*_ENTITY, "sum"), "id")
TURNS = Writes("turn", (*_TURN, "sum"))
TIMERS = Writes("timer", (*_TIMER, "sum"), "instance_id", "timer_id")
MAILBOX = Writes("mailbox", (*_MESSAGE, "sum"))
INBOX = Writes("inbox", (*_POSTED, "sum"))
REPLIES = Writes("reply", ("request_id", "body", "sum"), "request_id")

# What is bound for a row

_instance_values = attrgetter(*_INSTANCE)
_entity_values = attrgetter(*_ENTITY)
_turn_values = attrgetter(*_TURN)
_timer_values = attrgetter(*_TIMER)
_message_values = attrgetter(*_MESSAGE)
_posted_values = attrgetter(*_POSTED)


def instance_values(row: InstanceRow) -> tuple[Any, ...]:
    values = _instance_values(row)
    tags = orjson.dumps(row.tags).decode() if row.tags else None
    status, is_open = int(row.status), int(row.open)
    before, between = values[:_STATUS], values[_STATUS + 1 : _TAGS]
    values = (*before, status, *between, tags, *values[_TAGS + 1 : _OPEN], is_open)
    return _summed(values, row)


def entity_values(row: EntityRow) -> tuple[Any, ...]:
    return _summed(_entity_values(row), row)


def turn_values(row: TurnRow) -> tuple[Any, ...]:
    return _summed(_turn_values(row), row)


def timer_values(row: TimerRow) -> tuple[Any, ...]:
    return _summed(_timer_values(row), row)


def message_values(row: MessageRow) -> tuple[Any, ...]:
    return _summed(_message_values(row), row)


def posted_values(row: MessageRow) -> tuple[Any, ...]:
    return _summed(_posted_values(row), row)


def reply_values(request_id: str, body: str) -> tuple[Any, ...]:
    return request_id, body, sum_of((request_id, body))


def _summed(values: tuple[Any, ...], row: AnyRow) -> tuple[Any, ...]:
    return (*values, sum_of(values) if row.damage is None else NO_SUM)


# What is read of a row


def _select(table: str, names: Sequence[str]) -> str:
    found = "ifnull(sum, (SELECT absent_sum FROM hub))"
    return f"SELECT {', '.join(names)}, {found} FROM {table}"


READ_INSTANCE = _select("instance", _INSTANCE)
READ_ENTITY = _select("entity", _ENTITY)
READ_TURN = _select("turn", _TURN)
READ_TIMER = _select("timer", _TIMER)
READ_MAILBOX = _select("mailbox", _MESSAGE)
READ_INBOX = _select("inbox", ("-id", *_MESSAGE[1:]))
READ_REPLY = _select("reply", ("request_id", "body"))


def read_instance(row: tuple[Any, ...]) -> InstanceRow:
    """The row that these columns are; so are those below."""
    values = row[:-1]
    if is_sound(values, row[-1]):
        return _instance(list(values))
    read = _instance(_fitting(InstanceRow, values))
    read.damage = damaged("instance", values[0])
    return read


def _instance(values: list[Any]) -> InstanceRow:
    values[_STATUS] = Status(values[_STATUS])
    values[_TAGS] = _tags(values[_TAGS]) if values[_TAGS] else {}
    values[_OPEN] = bool(values[_OPEN])
    return InstanceRow(*values)


def read_entity(row: tuple[Any, ...]) -> EntityRow:
    values = row[:-1]
    if is_sound(values, row[-1]):
        return EntityRow(*values)
    return _damaged(EntityRow, values, "entity", values[0])


def read_turn(row: tuple[Any, ...]) -> TurnRow:
    values = row[:-1]
    if is_sound(values, row[-1]):
        return TurnRow(*values)
    return _damaged(TurnRow, values, "turn", *values[:2])


def read_timer(row: tuple[Any, ...]) -> TimerRow:
    values = row[:-1]
    if is_sound(values, row[-1]):
        return TimerRow(*values)
    return _damaged(TimerRow, values, "timer", *values[:2])


def read_message(row: tuple[Any, ...]) -> MessageRow:
    values, position = row[:-1], row[0]
    if is_sound(values if position > 0 else values[1:], row[-1]):
        return MessageRow(*values)
    table = "mailbox" if position > 0 else "inbox"
    read = _damaged(MessageRow, values, table, abs(position))
    read.position = position
    return read


def read_reply(row: tuple[Any, ...]) -> str:
    """The answer; raises `StoreCorruptError`."""
    if not is_sound(row[:-1], row[-1]):
        raise StoreCorruptError(damaged("reply", row[0]))
    return str(row[1])


def _tags(text: str) -> dict[str, str]:
    try:
        tags: dict[str, str] = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {"damaged": legible(text)}
    return tags


SUMMED: dict[str, Callable[[tuple[Any, ...]], AnyRow | str]] = {
    READ_INSTANCE: read_instance,
    READ_ENTITY: read_entity,
    READ_TURN: read_turn,
    READ_TIMER: read_timer,
    READ_MAILBOX: read_message,
    READ_INBOX: read_message,
    READ_REPLY: read_reply,
}
"""All that has checksums."""


def damage_of(statement: str, row: tuple[Any, ...]) -> str | None:
    """What is wrong with a row that one of these statements gave."""
    try:
        read = SUMMED[statement](row)
    except StoreCorruptError as error:
        return str(error)
    return None if isinstance(read, str) else read.damage


class Reads(Generic[R]):
    """The statement that reads the rows of one table that belong to some actors."""

    def __init__(
        self, select: str, owner: str, order: str, read: Callable[[tuple[Any, ...]], R]
    ) -> None:
        self._statement = f"{select} WHERE {owner} {LISTED} ORDER BY {order}"
        self._table = select.rpartition(" ")[2]
        self._owner = attrgetter(owner)
        self._read = read

    def of(self, database: sqlite3.Connection, ids: Collection[str]) -> Iterator[tuple[str, R]]:
        """The rows, each with the id of these that it belongs to.

        Raises `StoreCorruptError` for a row of somebody else.
        """
        for columns_ in database.execute(self._statement, (json_of(storable(ids)),)):
            row = self._read(columns_)
            # SQLite mostly takes the id from the index: then it is one of these even where the row
            # says another, which shows in the row's sum.
            if (owner := self._owner(row)) not in ids:
                raise StoreCorruptError(row.damage or damaged(self._table, owner))
            yield owner, row


INSTANCES_OF = Reads(READ_INSTANCE, "id", "id", read_instance)
ENTITIES_OF = Reads(READ_ENTITY, "id", "id", read_entity)
TURNS_OF = Reads(READ_TURN, "instance_id", "instance_id, sequence", read_turn)
TIMERS_OF = Reads(READ_TIMER, "instance_id", "due, instance_id, timer_id", read_timer)
MAILBOX_OF = Reads(READ_MAILBOX, "target", "position", read_message)
INBOX_OF = Reads(READ_INBOX, "target", "id", read_message)


def json_of(values: Sequence[object]) -> str:
    """Values as one, for `LISTED`."""
    try:
        return orjson.dumps(values).decode()
    except TypeError:
        # A damaged id, which so becomes one that nobody has.
        return json.dumps(values)


# What a damaged row may hold where something else belongs

_LATEST = 253_402_300_799_999_999
"""The last microsecond that a datetime knows."""
_COLUMN_TYPES: dict[Any, Any] = {Status: int, bool: int, dict[str, str]: str | None}


def _damaged(kind: type[R], values: Sequence[Any], table: str, *key: object) -> R:
    row = kind(*_fitting(kind, values))
    row.damage = damaged(table, *key)
    return row


def _fitting(kind: type[Any], values: Sequence[Any]) -> list[Any]:
    """These columns, with something harmless in place of what cannot be there."""
    types = [field.type for field in fields(kind)]
    return [_as(type_, value) for type_, value in zip(types, values, strict=False)]


def _as(type_: Any, value: Any) -> Any:
    expected = _COLUMN_TYPES.get(type_, type_)
    if not isinstance(value, expected):
        value = None if isinstance(None, expected) else 0 if expected is int else ""
    if type_ is Status:
        return value if value in tuple(Status) else Status.RUNNING
    return max(0, min(value, _LATEST)) if isinstance(value, int) else value
