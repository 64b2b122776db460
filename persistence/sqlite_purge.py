"""Deleting what has ended, in steps that no commit has to wait long for."""

from collections.abc import Collection, Mapping, Sequence

import orjson

from ..actors.status import TERMINAL, Status
from .records import Ended, Purged
from .sought import storable
from .sqlite_file import SQLiteFile
from .sqlite_rows import LISTED

_TERMINAL = f"({', '.join(str(int(status)) for status in sorted(TERMINAL))})"

_INSTANCES_MAX = 100
_TURNS_MAX = 500
"""So much is deleted by one transaction: some 3 ms, as 500 turns of 230 bytes take 2 ms, 100
instances of 4 turns 2.9 ms, and the transaction itself 1 ms (2 cores, synchronous=FULL)."""

PURGES = (
    f"DELETE FROM instance WHERE id {LISTED}",
    f"DELETE FROM turn WHERE instance_id {LISTED}",
    f"DELETE FROM timer WHERE instance_id {LISTED}",
    f"DELETE FROM mailbox WHERE target {LISTED}",
    f"DELETE FROM inbox WHERE target {LISTED}",
)

# The plus keeps SQLite from going through all that has ever ended, by the index over the status.
LENGTHS = f"""
    SELECT id, (SELECT max(sequence) + 1 FROM turn WHERE instance_id = instance.id)
    FROM instance WHERE id {LISTED} AND +status IN {_TERMINAL}
"""

# The bound on `completed` alone is what the index is entered by.
ENDED = """
    SELECT completed, id FROM instance
    WHERE status = ? AND parked IS NULL AND completed >= ? AND (completed, id) > (?, ?)
    AND NOT EXISTS (SELECT 1 FROM inbox WHERE target = instance.id)
    ORDER BY completed, id LIMIT ?
"""

# What the queue of a recursive query without an ORDER BY gives first is what went in first.
FAMILY = """
    WITH RECURSIVE family (id) AS (
        SELECT value FROM json_each(?)
        UNION SELECT instance.id FROM family JOIN instance ON instance.parent_id = family.id
    )
    SELECT id FROM family
"""


def purge(file: SQLiteFile, ids: Sequence[str]) -> Purged:
    """See `Store.purge`."""
    asked = storable(dict.fromkeys(ids))
    with file.writing() as database:
        found = database.execute(LENGTHS, (_json(asked[:_INSTANCES_MAX]),))
        turns = {instance_id: number or 0 for instance_id, number in found}
        come_to = _come_to(asked, turns)
        gone = [instance_id for instance_id in asked[:come_to] if instance_id in turns]
        for statement in PURGES if gone else ():
            database.execute(statement, (_json(gone),))
    return Purged(gone, asked[come_to:])


def _come_to(asked: Sequence[str], turns: Mapping[str, int]) -> int:
    """How many of them fit into one transaction, at least one."""
    total = 0
    for place, instance_id in enumerate(asked[:_INSTANCES_MAX]):
        total += turns.get(instance_id, 0)
        if total > _TURNS_MAX and place > 0:
            return place
    return min(len(asked), _INSTANCES_MAX)


def ended(file: SQLiteFile, status: Status, after: Ended, size: int) -> list[Ended]:
    """See `Store.ended`."""
    with file.reading() as database:
        return database.execute(ENDED, (int(status), after[0], *after, size)).fetchall()


def family(file: SQLiteFile, ids: Collection[str]) -> list[str]:
    """See `Store.family`."""
    with file.reading() as database:
        return [found for (found,) in database.execute(FAMILY, (_json(list(ids)),))]


def _json(values: Sequence[object]) -> str:
    return orjson.dumps(values).decode()
