"""A commit as the statements of one transaction."""

from collections.abc import Iterator

import orjson

from . import postgres_errands
from .postgres_connections import Step
from .postgres_rows import (
    ENTITIES,
    INSTANCES,
    LETTERS,
    MAILBOX,
    REPLIES,
    TIMERS,
    TURNS,
    PartitionOf,
    entities,
    instances,
    letter_values,
    messages,
    timers,
    turns,
)
from .records import Commit, Shared

# Raising the changes locks the rows until the transaction ends, so that nobody can take a partition
# over in between. The division undoes everything when one of them is not ours any more.
_FENCE = """
    WITH held AS (
        UPDATE partition SET changes = changes + 1, position = greatest(position, %s)
        WHERE number = ANY(%s::integer[]) AND epoch = %s RETURNING 1
    )
    SELECT 1 / (CASE WHEN count(*) = %s THEN 1 ELSE 0 END) FROM held
"""

_SHARED_FENCE = """
    WITH held AS (
        UPDATE partition SET changes = changes + 1, position = greatest(position, %s)
        FROM unnest(%s::integer[], %s::bigint[]) AS mine (number, epoch)
        WHERE partition.number = mine.number AND partition.epoch = mine.epoch RETURNING 1
    )
    SELECT 1 / (CASE WHEN count(*) = %s THEN 1 ELSE 0 END) FROM held
"""

_GIVEN = "json_to_recordset(%s::json) AS given (id text, execution_id text)"

# With the rows locked, lest a client replaces one before it is written.
_CLAIMS_KEPT = f"""
    WITH kept AS (
        SELECT 1 FROM instance WHERE (id, execution_id) IN (SELECT id, execution_id FROM {_GIVEN})
        ORDER BY id FOR UPDATE
    )
    SELECT 1 / (CASE WHEN count(*) = %s THEN 1 ELSE 0 END) FROM kept
"""
_CLAIMS_FREE = """
    SELECT 1 / (CASE WHEN count(*) = 0 THEN 1 ELSE 0 END) FROM instance WHERE id = ANY(%s::text[])
"""

_CUT = """
    DELETE FROM timer WHERE (instance_id, timer_id)
    IN (SELECT id, timer FROM json_to_recordset(%s::json) AS given (id text, timer bigint))
"""

_RECEIVED = """
    DELETE FROM letter USING json_to_recordset(%s::json)
    AS taken (partition integer, number bigint, sender text)
    WHERE letter.partition = taken.partition AND letter.number = taken.number
    AND letter.sender = taken.sender
"""

# Other partitions have other messages at the same positions.
_CONSUMED = "= ANY(%s::bigint[]) AND partition = ANY(%s::integer[])"


def steps_of(commit: Commit, bound: list[int], partition_of: PartitionOf) -> list[Step]:
    """What makes it durable in these partitions.

    Fails by DivisionByZero or UniqueViolation when the epoch is another's, a claim is lost, or
    what is written is there already.
    """
    return [
        _fence(commit, bound, partition_of),
        *_actors(commit, partition_of),
        *_work(commit, bound, partition_of),
    ]


def _fence(commit: Commit, bound: list[int], partition_of: PartitionOf) -> Step:
    if commit.shared is not None:
        return _shared_fence(commit, commit.shared)
    numbers = bound
    # A commit does not say to whom the messages went that it consumes.
    if len(bound) > 1 and not commit.consumed:
        numbers = sorted({partition_of(actor_id) for actor_id in _touched(commit)}) or bound
    highest = max((message.position for message in commit.sent), default=0)
    return _FENCE, (highest, numbers, commit.epoch, len(numbers))


def _shared_fence(commit: Commit, shared: Shared) -> Step:
    """All that the worker owns: which of them a commit concerns would take longer to find out."""
    used = [message.position for message in commit.sent]
    used += [letter.number for letter in shared.letters]
    used += [errand.number for errand in shared.errands]
    used += [answer.letter.number for answer in shared.answers]
    owned, epochs = list(shared.epochs), list(shared.epochs.values())
    return _SHARED_FENCE, (max(used, default=0), owned, epochs, len(owned))


def _touched(commit: Commit) -> Iterator[str]:
    yield from commit.claims
    yield from commit.resets
    yield from commit.instances
    yield from commit.entities
    yield from (row.instance_id for row in commit.turns)
    yield from (row.instance_id for row in commit.timers_set)
    yield from (instance_id for instance_id, _ in commit.timers_cut)
    yield from (row.target for row in commit.sent)


def _actors(commit: Commit, partition_of: PartitionOf) -> Iterator[Step]:
    if commit.resets:
        resets = (list(commit.resets),)
        yield "DELETE FROM turn WHERE instance_id = ANY(%s::text[])", resets
        yield "DELETE FROM timer WHERE instance_id = ANY(%s::text[])", resets
    yield from _instances(commit, partition_of)
    kept = [row for row in commit.entities.values() if row]
    yield from ENTITIES.steps(ENTITIES.upsert, entities(kept, partition_of))
    if gone := [actor_id for actor_id, row in commit.entities.items() if row is None]:
        yield "DELETE FROM entity WHERE id = ANY(%s::text[])", (gone,)
    yield from TURNS.steps(TURNS.insert, turns(commit.turns, partition_of))


def _instances(commit: Commit, partition_of: PartitionOf) -> Iterator[Step]:
    """Instances with those that have to be new, or the execution that was there."""
    rows = {actor_id: row for actor_id, row in commit.instances.items() if row}
    free = [actor_id for actor_id, execution in commit.claims.items() if execution is None]
    if kept := [(i, execution) for i, execution in commit.claims.items() if execution is not None]:
        named = [{"id": actor_id, "execution_id": execution} for actor_id, execution in kept]
        yield _CLAIMS_KEPT, (orjson.dumps(named).decode(), len(kept))
    # A plain insert waits for a client that is just starting the same, and then fails.
    new = [rows.pop(actor_id) for actor_id in free if actor_id in rows]
    yield from INSTANCES.steps(INSTANCES.insert, instances(new, partition_of))
    if unwritten := [actor_id for actor_id in free if commit.instances.get(actor_id) is None]:
        yield _CLAIMS_FREE, (unwritten,)
    yield from INSTANCES.steps(INSTANCES.upsert, instances(rows.values(), partition_of))
    if gone := [actor_id for actor_id, row in commit.instances.items() if row is None]:
        yield "DELETE FROM instance WHERE id = ANY(%s::text[])", (gone,)


def _work(commit: Commit, bound: list[int], partition_of: PartitionOf) -> Iterator[Step]:
    if (shared := commit.shared) is not None:
        bound = list(shared.epochs)
    yield from TIMERS.steps(TIMERS.upsert, timers(commit.timers_set, partition_of))
    if commit.timers_cut:
        cut = [{"id": instance_id, "timer": timer} for instance_id, timer in commit.timers_cut]
        yield _CUT, (orjson.dumps(cut).decode(),)
    yield from MAILBOX.steps(MAILBOX.insert, messages(commit.sent, partition_of))
    if taken := [position for position in commit.consumed if position > 0]:
        yield f"DELETE FROM mailbox WHERE position {_CONSUMED}", (taken, bound)
    if taken := [-position for position in commit.consumed if position < 0]:
        yield f"DELETE FROM inbox WHERE number {_CONSUMED}", (taken, bound)
    yield from REPLIES.steps(REPLIES.upsert, list(commit.replies.items()))
    if shared is not None:
        yield from _letters(shared)
        yield from postgres_errands.steps_of(shared)
        if not shared.epochs:
            # No partition shows that something has changed.
            yield "UPDATE hub SET changes = changes + 1", ()


def _letters(shared: Shared) -> Iterator[Step]:
    yield from LETTERS.steps(LETTERS.insert, [letter_values(letter) for letter in shared.letters])
    if shared.received:
        names = ("partition", "number", "sender")
        taken = [dict(zip(names, postmark, strict=True)) for postmark in shared.received]
        yield _RECEIVED, (orjson.dumps(taken).decode(),)
