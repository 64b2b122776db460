"""Activities that any worker may run: rows that one worker at a time has taken.

A claim is the id of a worker, and as good as its lease: it says who may begin. That only one
answer counts is up to the commit that deletes the row, and writes the answer if it was its own.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from .postgres_connections import Rows, Step
from .postgres_hub import PostgresHub
from .postgres_rows import (
    ERRANDS,
    LETTERS,
    errand_values,
    escaped,
    letter_values,
    packed,
    unescaped,
)
from .postgres_stuck import ending_stuck
from .records import Errand, ErrandKey, Queue, Shared, Waiting

_COUNTED_MAX = 1_000
"""So many of one activity are counted by who wants to take some."""

_LETTER = ", ".join(LETTERS.columns)
_ERRAND = ", ".join(f"errand.{column}" for column in ERRANDS.columns)
_ALL_BUT_BODY = ", ".join(ERRANDS.columns[:-1])
_NAME = ERRANDS.columns.index("name")

# Locked in their order, so that two who delete the same wait for each other. What others have
# taken meanwhile is not deleted, and says nothing.
_SETTLED = f"""
    WITH given AS (
        SELECT * FROM json_to_recordset(%s::json)
        AS given (errand bigint, {LETTERS.typed})
    ), gone AS (
        DELETE FROM errand WHERE (partition, number) IN (
            SELECT errand.partition, errand.number FROM errand
            JOIN given ON errand.partition = given.partition AND errand.number = given.errand
            WHERE given.sender IS NULL OR errand.worker = given.sender
            ORDER BY 1, 2 FOR UPDATE OF errand
        ) RETURNING partition, number
    )
    INSERT INTO letter ({_LETTER})
    SELECT {", ".join(f"given.{column}" for column in LETTERS.columns)} FROM given
    JOIN gone ON gone.partition = given.partition AND gone.number = given.errand
    WHERE given.sender IS NOT NULL
"""

_ALIVE = "SELECT id FROM worker WHERE leased_until > clock_timestamp()"
LEFT_BEHIND = f"worker IS NOT NULL AND worker NOT IN ({_ALIVE})"

END_STUCK = ending_stuck(
    "errand",
    "SELECT 1 FROM errand JOIN worker ON worker = id WHERE leased_until <= clock_timestamp()",
)


def _begins(by: str) -> str:
    # Only what waits for a back-off looks at the clock: who takes a first attempt may have one that
    # is behind the clock of who asked.
    return f"(attempt = 1 OR due <= {by})"


_WAITING = f"""
    SELECT asked.name, found.count, later.due
    FROM unnest(%s::text[]) AS asked (name) CROSS JOIN LATERAL (
        SELECT count(*) AS count, min(due) AS oldest FROM (
            SELECT due FROM errand
            WHERE worker IS NULL AND name = asked.name AND {_begins("%s")}
            ORDER BY due LIMIT %s
        ) AS first
    ) AS found CROSS JOIN LATERAL (
        SELECT min(due) AS due FROM errand
        WHERE worker IS NULL AND name = asked.name AND attempt > 1 AND due > %s
    ) AS later WHERE found.count > 0 OR later.due IS NOT NULL ORDER BY found.oldest
"""
_FREE = f"""
    WITH dead AS (
        SELECT partition, number FROM errand WHERE {LEFT_BEHIND} FOR UPDATE SKIP LOCKED
    )
    UPDATE errand SET worker = NULL FROM dead
    WHERE errand.partition = dead.partition AND errand.number = dead.number
"""
_TAKE = f"""
    WITH first AS (
        SELECT partition, number FROM errand
        WHERE worker IS NULL AND name = %s AND {_begins("%s")}
        ORDER BY due LIMIT %s FOR UPDATE SKIP LOCKED
    )
    UPDATE errand SET worker = %s FROM first
    WHERE errand.partition = first.partition AND errand.number = first.number
    RETURNING {_ERRAND}
"""
_TAKEN = f"""
    SELECT {_ALL_BUT_BODY}, CASE WHEN (partition, number) IN (
        SELECT * FROM unnest(%s::integer[], %s::bigint[])
    ) THEN '' ELSE body END FROM errand WHERE worker = %s
"""
_OF = f"SELECT {_ALL_BUT_BODY} FROM errand WHERE partition = ANY(%s::integer[])"
RELEASE = "UPDATE errand SET worker = NULL WHERE worker = %s"

_NOW = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
_WAITED = f"greatest({_NOW} - due, CASE WHEN attempt = 1 THEN 0 END)"
# What a long queue has beyond that, no heartbeat has to know.
IDLE = f"""
    SELECT count(*), coalesce(max(waited), 0) AS waited FROM (
        SELECT {_WAITED} AS waited FROM errand
        WHERE worker IS NULL AND {_begins(_NOW)} LIMIT 10000
    ) AS begun
"""
# What the dead have taken waits too, as others begin it anew.
QUEUES = f"""
    SELECT name, count(*) FILTER (WHERE idle), count(*) FILTER (WHERE NOT idle),
        coalesce(max(waited) FILTER (WHERE idle), -1)
    FROM (
        SELECT name, worker IS NULL OR {LEFT_BEHIND} AS idle, {_WAITED} AS waited FROM errand
    ) AS one GROUP BY name ORDER BY name
"""


def steps_of(shared: Shared) -> list[Step]:
    """What a commit does to errands."""
    steps = ERRANDS.steps(ERRANDS.insert, [errand_values(errand) for errand in shared.errands])
    settled: list[dict[str, Any]] = [
        {"partition": partition, "errand": number} for partition, number in shared.withdrawn
    ]
    for answer in shared.answers:
        letter = dict(zip(LETTERS.columns, letter_values(answer.letter), strict=True))
        settled.append({"errand": answer.errand[1], **letter})
    return [*steps, *((_SETTLED, (document,)) for document, _ in packed(settled))]


def waiting(hub: PostgresHub, names: Collection[str], now: int) -> Waiting:
    """See `Membership.waiting`."""
    asked = [escaped(name) for name in names]
    rows = hub.connections.ask(_WAITING, asked, now, _COUNTED_MAX, now)
    counts = {unescaped(name): count for name, count, _ in rows if count}
    return Waiting(counts, min((due for _, _, due in rows if due is not None), default=None))


def take(
    hub: PostgresHub, worker: str, wanted: Mapping[str, int], now: int, *, left_behind: bool
) -> list[Errand]:
    """See `Membership.take`."""
    steps: list[Step] = [(_FREE, ())] if left_behind else []
    steps += [(_TAKE, (escaped(name), now, most, worker)) for name, most in wanted.items()]
    return [_errand(row) for rows in hub.connections.write(steps) for row in rows]


def taken(hub: PostgresHub, worker: str, known: Collection[ErrandKey]) -> list[Errand]:
    """See `Membership.taken`."""
    partitions, numbers = [key[0] for key in known], [key[1] for key in known]
    return [_errand(row) for row in hub.connections.ask(_TAKEN, partitions, numbers, worker)]


def errands(hub: PostgresHub, partitions: Collection[int]) -> list[Errand]:
    """See `SharedStore.errands`."""
    return [_errand(row) for row in hub.connections.ask(_OF, list(partitions))]


def queues(hub: PostgresHub) -> list[Queue]:
    """See `SharedStore.queues`."""
    return queues_of(hub.connections.ask(QUEUES))


def queues_of(rows: Rows) -> list[Queue]:
    """What was asked for."""
    return [Queue(unescaped(name), *row) for name, *row in rows]


def _errand(row: Sequence[Any]) -> Errand:
    values = list(row)
    values[_NAME] = unescaped(values[_NAME])
    return Errand(*values)
