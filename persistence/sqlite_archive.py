"""Whole orchestrations and entities out of an SQLite file, and into another."""

import sqlite3
from collections import Counter
from collections.abc import Collection, Iterator, Sequence

import orjson

from .records import Whole
from .sqlite_file import SQLiteFile
from .sqlite_rows import (
    ENTITIES,
    ENTITIES_OF,
    INBOX,
    INBOX_OF,
    INSTANCES,
    INSTANCES_OF,
    LISTED,
    MAILBOX_OF,
    TIMERS,
    TIMERS_OF,
    TURNS,
    TURNS_OF,
    entity_values,
    instance_values,
    posted_values,
    timer_values,
    turn_values,
)

_READ_AT_ONCE = 100

_ALL = (
    "SELECT id FROM instance UNION SELECT id FROM entity"
    " UNION SELECT target FROM mailbox UNION SELECT target FROM inbox ORDER BY 1"
)
_IN_THE_WAY = (
    f"SELECT id FROM instance WHERE id {LISTED} UNION SELECT id FROM entity WHERE id {LISTED}"
    f" UNION SELECT target FROM mailbox WHERE target {LISTED}"
    f" UNION SELECT target FROM inbox WHERE target {LISTED}"
)


def export(file: SQLiteFile, ids: Collection[str] | None) -> Iterator[Whole]:
    """Read these orchestrations and entities, or all, in one transaction."""
    with file.reading() as database:
        if ids is None:
            wanted = [actor_id for (actor_id,) in database.execute(_ALL)]
        else:
            wanted = sorted(set(ids))
        for begin in range(0, len(wanted), _READ_AT_ONCE):
            yield from _wholes(database, wanted[begin : begin + _READ_AT_ONCE])


def _wholes(database: sqlite3.Connection, ids: list[str]) -> Iterator[Whole]:
    wholes = {actor_id: Whole(actor_id) for actor_id in ids}
    for actor_id, instance in INSTANCES_OF.of(database, wholes.keys()):
        wholes[actor_id].instance = instance
    for actor_id, entity in ENTITIES_OF.of(database, wholes.keys()):
        wholes[actor_id].entity = entity
    for actor_id, turn in TURNS_OF.of(database, wholes.keys()):
        wholes[actor_id].turns.append(turn)
    for actor_id, timer in TIMERS_OF.of(database, wholes.keys()):
        wholes[actor_id].timers.append(timer)
    for waiting in (MAILBOX_OF, INBOX_OF):
        for actor_id, message in waiting.of(database, wholes.keys()):
            wholes[actor_id].messages.append(message)
    return (whole for whole in wholes.values() if whole.exists)


def install(file: SQLiteFile, wholes: Sequence[Whole]) -> list[str]:
    """Write them all in one transaction, or return the ids that are in the way."""
    ids = [whole.id for whole in wholes]
    twice = {actor_id for actor_id, times in Counter(ids).items() if times > 1}
    with file.writing() as database:
        listed = orjson.dumps(ids).decode()
        there = database.execute(_IN_THE_WAY, (listed,) * 4).fetchall()
        in_the_way = twice.union(actor_id for (actor_id,) in there)
        if not in_the_way:
            _write(database, wholes)
    return sorted(in_the_way)


def _write(database: sqlite3.Connection, wholes: Sequence[Whole]) -> None:
    INSTANCES.write(database, [instance_values(w.instance) for w in wholes if w.instance])
    ENTITIES.write(database, [entity_values(w.entity) for w in wholes if w.entity])
    TURNS.write(database, [turn_values(turn) for w in wholes for turn in w.turns])
    TIMERS.write(database, [timer_values(timer) for w in wholes for timer in w.timers])
    INBOX.write(database, [posted_values(message) for w in wholes for message in w.messages])
