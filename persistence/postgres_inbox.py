"""What clients send, and the answers that they fetch."""

from collections.abc import Collection, Sequence
from contextlib import suppress

from attrs import define
from psycopg import errors

from ..actors.errors import InstanceAlreadyExistsError, StoreError
from ..actors.status import Status
from .postgres_connections import Step
from .postgres_hub import PostgresHub
from .postgres_rows import INBOX, INSTANCES, PartitionOf, instances, messages
from .records import Hint, InstanceRow, MessageRow, Start

# What is not written stands in the way, which the division makes an error of.
_BEGIN = f"""
    WITH kept AS (
        {INSTANCES.upsert} WHERE instance.status = ANY(%s::smallint[]) RETURNING 1
    )
    SELECT 1 / (CASE WHEN count(*) = %s THEN 1 ELSE 0 END) FROM kept
"""

# The last of its transaction, as all other clients wait from here to its end.
_SEND = f"""
    WITH counted AS (
        UPDATE hub SET posted = posted + %s, changes = changes + 1 RETURNING posted - %s AS before
    )
    INSERT INTO inbox ({", ".join(INBOX.columns)})
    SELECT before + {", ".join(INBOX.columns)} FROM counted, {INBOX.rows}
"""

_THERE = "SELECT id, status FROM instance WHERE id = ANY(%s::text[])"
_REPLIES = "SELECT request_id, body FROM reply WHERE request_id = ANY(%s::text[])"
_TAKE = "DELETE FROM reply WHERE request_id = ANY(%s::text[])"
_FORGET = "DELETE FROM reply WHERE at < now() - interval '1 day'"


@define
class _Beginning:
    """The instance that the starts of one id come to."""

    row: InstanceRow
    replaceable: frozenset[Status]


def post(hub: PostgresHub, sent: Sequence[MessageRow], starts: Sequence[Start]) -> None:
    """See `Store.post`."""
    begun = _begun(starts)
    steps = [*_begin(begun, hub.partition_of), *send(sent, hub.partition_of)]
    told = hub.telling(Hint(come=frozenset(hub.partition_of(row.target) for row in sent)))
    while True:
        try:
            hub.connections.write(steps, told)
        except errors.DivisionByZero:
            # Looked at only now. It may have gone meanwhile, and then nothing is in the way.
            there: dict[str, int] = dict(hub.connections.ask(_THERE, list(begun)))
            for actor_id, beginning in begun.items():
                if actor_id in there and there[actor_id] not in beginning.replaceable:
                    raise InstanceAlreadyExistsError(actor_id, Status(there[actor_id])) from None
        else:
            return


def _begun(starts: Sequence[Start]) -> dict[str, _Beginning]:
    begun: dict[str, _Beginning] = {}
    for start in starts:
        if (known := begun.get(start.row.id)) is None:
            begun[start.row.id] = _Beginning(start.row, start.replaceable)
        elif known.row.status in start.replaceable:
            known.row = start.row
        else:
            raise InstanceAlreadyExistsError(start.row.id, known.row.status)
    return begun


def _begin(begun: dict[str, _Beginning], partition_of: PartitionOf) -> list[Step]:
    together: dict[frozenset[Status], list[InstanceRow]] = {}
    for beginning in begun.values():
        together.setdefault(beginning.replaceable, []).append(beginning.row)
    steps: list[Step] = []
    for replaceable, rows in together.items():
        wanted = [int(status) for status in replaceable]
        for document, count in INSTANCES.documents(instances(rows, partition_of)):
            steps.append((_BEGIN, (document, wanted, count)))
    return steps


def send(sent: Sequence[MessageRow], partition_of: PartitionOf) -> list[Step]:
    """What puts messages into the inbox, or tells others at least that something has changed."""
    if not sent:
        return [("UPDATE hub SET changes = changes + 1", ())]
    rows = messages(sent, partition_of)
    numbered = [(number, *values[1:]) for number, values in enumerate(rows, 1)]
    steps: list[Step] = []
    up_to = 0
    for document, count in INBOX.documents(numbered):
        up_to += count
        steps.append((_SEND, (count, up_to, document)))
    return steps


def take_replies(hub: PostgresHub, request_ids: Collection[str]) -> dict[str, str]:
    """See `Store.take_replies`."""
    found: dict[str, str] = dict(hub.connections.ask(_REPLIES, list(request_ids)))
    if found:
        # In a second step: what is deleted and then lost on the way here would be missed for ever.
        with suppress(StoreError):
            hub.connections.write([(_TAKE, (list(found),)), (_FORGET, ())])
    return found
