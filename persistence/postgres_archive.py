"""Whole orchestrations and entities out of a hub in PostgreSQL, and into another."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence

from psycopg import errors

from .postgres_connections import SNAPSHOT, Link
from .postgres_hub import PostgresHub
from .postgres_inbox import send
from .postgres_rows import (
    ENTITIES,
    INSTANCES,
    READ_ENTITY,
    READ_INBOX,
    READ_INSTANCE,
    READ_MAILBOX,
    READ_TIMER,
    READ_TURN,
    TIMERS,
    TURNS,
    PartitionOf,
    entities,
    instances,
    read_instance,
    timers,
    turns,
)
from .records import EntityRow, MessageRow, TimerRow, TurnRow, Whole

_READ_AT_ONCE = 100

_ALL = (
    "SELECT id FROM instance UNION SELECT id FROM entity"
    " UNION SELECT target FROM mailbox UNION SELECT target FROM inbox"
    " UNION SELECT target FROM letter ORDER BY 1"
)
_READ_LETTER = "SELECT number, target, body, execution_id, due FROM letter"
_IN_THE_WAY = """
    SELECT id FROM instance WHERE id = ANY(%(ids)s::text[])
    UNION SELECT id FROM entity WHERE id = ANY(%(ids)s::text[])
    UNION SELECT target FROM mailbox WHERE target = ANY(%(ids)s::text[])
    UNION SELECT target FROM inbox WHERE target = ANY(%(ids)s::text[])
    UNION SELECT target FROM letter WHERE target = ANY(%(ids)s::text[])
"""


def export(hub: PostgresHub, ids: Collection[str] | None) -> Iterator[Whole]:
    """Read these orchestrations and entities, or all, in one transaction."""
    with hub.connections.lent() as link:
        link.execute(SNAPSHOT)
        if ids is None:
            wanted = [actor_id for (actor_id,) in link.execute(_ALL).fetchall()]
        else:
            wanted = sorted(set(ids))
        for begin in range(0, len(wanted), _READ_AT_ONCE):
            yield from _wholes(link, wanted[begin : begin + _READ_AT_ONCE])


def _wholes(link: Link, ids: list[str]) -> list[Whole]:
    wholes = {actor_id: Whole(actor_id) for actor_id in ids}
    listed = "= ANY(%s::text[])"
    statements = (
        f"{READ_INSTANCE} WHERE id {listed}",
        f"{READ_ENTITY} WHERE id {listed}",
        f"{READ_TURN} WHERE instance_id {listed} ORDER BY instance_id, sequence",
        f"{READ_TIMER} WHERE instance_id {listed} ORDER BY due, instance_id, timer_id",
        f"{READ_MAILBOX} WHERE target {listed} ORDER BY position",
        f"{_READ_LETTER} WHERE target {listed} ORDER BY number",
        f"{READ_INBOX} WHERE target {listed} ORDER BY number",
    )
    with link.pipeline():
        cursors = [link.execute(text.encode(), (ids,), prepare=True) for text in statements]
    instances_, entities_, turns_, timers_, *messages = (c.fetchall() for c in cursors)
    for row in instances_:
        wholes[row[0]].instance = read_instance(row)
    for row in entities_:
        wholes[row[0]].entity = EntityRow(*row)
    for row in turns_:
        wholes[row[0]].turns.append(TurnRow(*row))
    for row in timers_:
        wholes[row[0]].timers.append(TimerRow(*row))
    for message in (MessageRow(*row) for rows in messages for row in rows):
        wholes[message.target].messages.append(message)
    return [whole for whole in wholes.values() if whole.exists]


def install(hub: PostgresHub, wholes: Sequence[Whole]) -> list[str]:
    """Write them all in one transaction, or return the ids that are in the way."""
    ids = [whole.id for whole in wholes]
    twice = {actor_id for actor_id, times in Counter(ids).items() if times > 1}
    while True:
        try:
            return hub.connections.insist(lambda link: _install(link, hub, wholes, ids, twice))
        except errors.UniqueViolation:
            # Somebody has just started one of them: looked at again, it is in the way.
            continue


def _install(
    link: Link, hub: PostgresHub, wholes: Sequence[Whole], ids: list[str], twice: set[str]
) -> list[str]:
    with link.transaction():
        # Nobody posts for as long as this takes.
        link.execute("SELECT posted FROM hub FOR UPDATE")
        there = link.execute(_IN_THE_WAY, {"ids": ids}).fetchall()
        in_the_way = twice.union(actor_id for (actor_id,) in there)
        if wholes and not in_the_way:
            _write(link, wholes, hub.partition_of)
    return sorted(in_the_way)


def _write(link: Link, wholes: Sequence[Whole], partition_of: PartitionOf) -> None:
    rows = instances((whole.instance for whole in wholes if whole.instance), partition_of)
    snapshots = entities((whole.entity for whole in wholes if whole.entity), partition_of)
    histories = turns((turn for whole in wholes for turn in whole.turns), partition_of)
    waiting = timers((timer for whole in wholes for timer in whole.timers), partition_of)
    messages = [message for whole in wholes for message in whole.messages]
    with link.pipeline():
        for statement, values in (
            *INSTANCES.steps(INSTANCES.insert, rows),
            *ENTITIES.steps(ENTITIES.insert, snapshots),
            *TURNS.steps(TURNS.upsert, histories),
            *TIMERS.steps(TIMERS.upsert, waiting),
            *send(messages, partition_of),
        ):
            link.execute(statement.encode(), values)
