"""Deleting what has ended, in steps that no commit has to wait long for."""

from collections.abc import Collection, Mapping, Sequence

from ..actors.status import TERMINAL, Status
from .postgres_connections import Link
from .postgres_hub import PostgresHub
from .records import Ended, Purged
from .sought import storable

_TERMINAL = f"({', '.join(str(int(status)) for status in sorted(TERMINAL))})"

_INSTANCES_MAX = 100
_TURNS_MAX = 2_000
"""So much is deleted by one transaction."""

_LENGTHS = f"""
    SELECT id, (SELECT max(sequence) + 1 FROM turn WHERE instance_id = instance.id)
    FROM instance WHERE status IN {_TERMINAL} AND id = ANY(%s::text[]) ORDER BY id FOR UPDATE
"""
_PURGES = (
    "DELETE FROM turn WHERE instance_id = ANY(%s::text[])",
    "DELETE FROM timer WHERE instance_id = ANY(%s::text[])",
    "DELETE FROM mailbox WHERE target = ANY(%s::text[])",
    "DELETE FROM inbox WHERE target = ANY(%s::text[])",
    "DELETE FROM letter WHERE target = ANY(%s::text[])",
    "DELETE FROM instance WHERE id = ANY(%s::text[])",
)
# By partition, as that is what its key begins with; in order, as who answers them locks them too.
_ERRANDS = """
    DELETE FROM errand WHERE (partition, number) IN (
        SELECT partition, number FROM errand
        WHERE partition = ANY(%s::integer[]) AND instance_id = ANY(%s::text[])
        ORDER BY 1, 2 FOR UPDATE
    )
"""

# The bound on `completed` alone is what the index is entered by.
_ENDED = """
    SELECT completed, id FROM instance
    WHERE status = %s AND parked IS NULL AND completed IS NOT NULL
    AND completed >= %s AND (completed, id) > (%s, %s)
    AND NOT EXISTS (SELECT 1 FROM inbox WHERE target = instance.id)
    AND NOT EXISTS (SELECT 1 FROM letter WHERE target = instance.id)
    ORDER BY completed, id LIMIT %s
"""
_BELOW = "SELECT id FROM instance WHERE parent_id = ANY(%s::text[]) ORDER BY id"


def purge(hub: PostgresHub, ids: Sequence[str]) -> Purged:
    """See `Store.purge`."""
    asked = storable(dict.fromkeys(ids))
    return hub.connections.insist(lambda link: _purge(hub, link, asked))


def _purge(hub: PostgresHub, link: Link, asked: list[str]) -> Purged:
    with link.transaction():
        turns: dict[str, int | None] = dict(
            link.execute(_LENGTHS.encode(), (asked[:_INSTANCES_MAX],)).fetchall()
        )
        come_to = _come_to(asked, turns)
        gone = [actor_id for actor_id in asked[:come_to] if actor_id in turns]
        if gone:
            with link.pipeline():
                for statement in _PURGES:
                    link.execute(statement.encode(), (gone,))
                partitions = sorted({hub.partition_of(actor_id) for actor_id in gone})
                link.execute(_ERRANDS.encode(), (partitions, gone))
                link.execute("UPDATE hub SET changes = changes + 1")
    return Purged(gone, asked[come_to:])


def _come_to(asked: Sequence[str], turns: Mapping[str, int | None]) -> int:
    """How many of them fit into one transaction, at least one."""
    total = 0
    for place, actor_id in enumerate(asked[:_INSTANCES_MAX]):
        total += turns.get(actor_id) or 0
        if total > _TURNS_MAX and place > 0:
            return place
    return min(len(asked), _INSTANCES_MAX)


def ended(hub: PostgresHub, status: Status, after: Ended, size: int) -> list[Ended]:
    """See `Store.ended`."""
    rows = hub.connections.ask(_ENDED, int(status), after[0], *after, size)
    return [(completed, actor_id) for completed, actor_id in rows]


def family(hub: PostgresHub, ids: Collection[str]) -> list[str]:
    """See `Store.family`."""
    found = dict.fromkeys(ids)
    last = list(found)
    while last:
        below = [actor_id for (actor_id,) in hub.connections.ask(_BELOW, last)]
        last = [actor_id for actor_id in dict.fromkeys(below) if actor_id not in found]
        found |= dict.fromkeys(last)
    return list(found)
