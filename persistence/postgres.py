"""A store in PostgreSQL: what each operation of the contract is in SQL."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Self

from psycopg import errors

from ..actors.errors import ClaimLostError, StaleOwnerError
from ..actors.identity import is_entity
from ..actors.status import Status
from . import (
    postgres_archive,
    postgres_errands,
    postgres_inbox,
    postgres_membership,
    postgres_purge,
)
from .conditions import Condition, between, conditions, joined, prefixed
from .paging import checked_size, key_of, page_of
from .postgres_address import read_address
from .postgres_commit import steps_of
from .postgres_connections import Step, explained
from .postgres_ear import PostgresEar
from .postgres_hub import PostgresHub
from .postgres_membership import Membership
from .postgres_ownership import Ownership
from .postgres_rows import (
    READ_ENTITY,
    READ_INBOX,
    READ_INSTANCE,
    READ_LETTER,
    READ_MAILBOX,
    READ_TIMER,
    READ_TURN,
    escaped,
    read_instance,
    tag,
)
from .records import (
    Arrivals,
    Commit,
    Due,
    Ended,
    EntityRow,
    Errand,
    InstanceRow,
    Letter,
    MessageRow,
    Page,
    Pending,
    Purged,
    Query,
    Queue,
    Start,
    Stored,
    TimerRow,
    TurnRow,
    Whole,
    WorkerRow,
)
from .schema import UNFINISHED
from .sharing import Told
from .store import Durability

_EPOCHS = "SELECT max(epoch) FROM partition WHERE number = ANY(%s::integer[])"
_NEWEST = "SELECT number, epoch FROM partition WHERE number = ANY(%s::integer[])"
_VERSION = "SELECT changes + (SELECT sum(changes)::bigint FROM partition) FROM hub"

_OURS = "partition = ANY(%s::integer[])"
_STRETCH = f"{_OURS} AND due >= %s AND due < %s"
_WAITING = f"{_OURS} AND (due IS NULL OR due < %s)"
_TIMERS_ORDER = "ORDER BY due, instance_id, timer_id"

_PARKED = (
    f"SELECT id FROM instance WHERE {_OURS} AND parked IS NOT NULL"
    f" UNION ALL SELECT id FROM entity WHERE {_OURS} AND parked IS NOT NULL ORDER BY 1"
)
_BACKLOG = (
    "SELECT (SELECT count(*) FROM mailbox WHERE target = %s)"
    " + (SELECT count(*) FROM inbox WHERE target = %s)"
    " + (SELECT count(*) FROM letter WHERE target = %s)"
)


class PostgresStore:
    """A task hub, of which the owner's side concerns some partitions, or all: `partitions` is None.

    Clients may send to all partitions and read all of them, whatever the store is bound to.
    """

    def __init__(self, hub: PostgresHub, partitions: Collection[int] | None = None) -> None:
        self._hub = hub
        self._ask = hub.connections.ask
        self._bound = sorted(range(hub.partitions) if partitions is None else partitions)
        self._ownership = Ownership(hub, self._bound)
        self._memberships: list[Membership] = []

    @classmethod
    def at(
        cls,
        url: str,
        *,
        durability: Durability = "full",
        create: bool = True,
        unfinished: bool = False,
    ) -> Self:
        """Open the hub that a URL names, with all its partitions."""
        address = read_address(url)
        return cls(PostgresHub(address, durability, create=create, unfinished=unfinished))

    @property
    def location(self) -> str:
        return self._hub.location

    @property
    def round_trips(self) -> int:
        """How often the server was waited for."""
        return self._hub.connections.round_trips

    # One worker among others

    @property
    def partitions(self) -> int:
        return self._hub.partitions

    def partition_of(self, actor_id: str) -> int:
        return self._hub.partition_of(actor_id)

    def enter(
        self, lease: float | None = None, heartbeat: float | None = None, repertoire: str = ""
    ) -> Membership:
        membership = Membership(self._hub, lease, heartbeat, repertoire)
        self._memberships.append(membership)
        return membership

    def workers(self) -> list[WorkerRow]:
        return postgres_membership.workers(self._hub)

    def errands(self, partitions: Collection[int]) -> list[Errand]:
        return postgres_errands.errands(self._hub, partitions)

    def queues(self) -> list[Queue]:
        return postgres_errands.queues(self._hub)

    def listen(self, told: Told) -> PostgresEar:
        return PostgresEar(self._hub, told)

    # The owner's side

    def own(self) -> int:
        return self._ownership.acquire()

    def disown(self) -> None:
        self._ownership.release()

    def commit(self, commit: Commit) -> None:
        steps = steps_of(commit, self._bound, self._hub.partition_of)
        told = self._hub.telling(shared.hint) if (shared := commit.shared) else []
        try:
            self._hub.connections.write(steps, told)
        except (errors.DivisionByZero, errors.UniqueViolation) as error:
            raise self._refused(commit, error) from error

    def _refused(self, commit: Commit, error: errors.Error) -> Exception:
        """Why, now that the transaction is undone: a stale owner, a lost claim, or a double."""
        if commit.shared is not None and (lost := self._lost(commit.shared.epochs)):
            return StaleOwnerError(
                f"{self.location}: other workers have taken over the partitions "
                f"{sorted(lost)}: the lease of this one had ended"
            )
        ((epoch,),) = self._ask(_EPOCHS, self._bound)
        if commit.shared is None and epoch != commit.epoch:
            return StaleOwnerError(
                f"{self.location} has an owner of epoch {epoch}, newer than {commit.epoch}"
            )
        there = self.instances(commit.claims)
        for instance_id, expected in commit.claims.items():
            row = there.get(instance_id)
            if (row.execution_id if row else None) != expected:
                return ClaimLostError(f"instance {instance_id!r} was started by somebody else")
        return explained(self.location, error)

    def _lost(self, epochs: Mapping[int, int]) -> list[int]:
        """Of these partitions those that have another owner."""
        newest: dict[int, int] = dict(self._ask(_NEWEST, list(epochs)))
        return [number for number, epoch in epochs.items() if newest.get(number) != epoch]

    def recover(self, horizon: int, partitions: Collection[int] | None = None) -> Pending:
        bound = self._bound if partitions is None else list(partitions)
        position, mailbox, inbox, timers, unfinished, parked = self._hub.connections.read(
            [
                (
                    "SELECT max(position) FROM partition WHERE number = ANY(%s::integer[])",
                    (bound,),
                ),
                (f"{READ_MAILBOX} WHERE {_WAITING} ORDER BY position", (bound, horizon)),
                (f"{READ_INBOX} WHERE {_WAITING} ORDER BY number", (bound, horizon)),
                (f"{READ_TIMER} WHERE {_OURS} AND due < %s {_TIMERS_ORDER}", (bound, horizon)),
                (f"SELECT id FROM instance WHERE {_OURS} AND open ORDER BY id", (bound,)),
                (_PARKED, (bound, bound)),
            ]
        )
        return Pending(
            position[0][0] or 0,
            [MessageRow(*row) for row in (*mailbox, *inbox)],
            [TimerRow(*row) for row in timers],
            [instance_id for (instance_id,) in unfinished],
            [actor_id for (actor_id,) in parked],
        )

    def due(self, since: int, until: int, partitions: Collection[int] | None = None) -> Due:
        bound = self._bound if partitions is None else list(partitions)
        stretch = (bound, since, until)
        timers, mailbox, inbox = self._hub.connections.read(
            [
                (f"{READ_TIMER} WHERE {_STRETCH} {_TIMERS_ORDER}", stretch),
                (f"{READ_MAILBOX} WHERE {_STRETCH} ORDER BY position", stretch),
                (f"{READ_INBOX} WHERE {_STRETCH} ORDER BY number", stretch),
            ]
        )
        return Due(
            [TimerRow(*row) for row in timers], [MessageRow(*row) for row in (*mailbox, *inbox)]
        )

    def inbox(self, below: int) -> list[MessageRow]:
        rows = self._ask(
            f"{READ_INBOX} WHERE number > %s AND {_OURS} ORDER BY number", -below, self._bound
        )
        return [MessageRow(*row) for row in rows]

    def posted(self, targets: Collection[str]) -> list[MessageRow]:
        rows = self._ask(
            f"{READ_INBOX} WHERE target = ANY(%s::text[]) ORDER BY number", list(targets)
        )
        return [MessageRow(*row) for row in rows]

    def arrived(self, partitions: Collection[int], below: int) -> Arrivals:
        numbers = list(partitions)
        letters, inbox = self._hub.connections.read(
            [
                (f"{READ_LETTER} WHERE {_OURS} ORDER BY number", (numbers,)),
                (f"{READ_INBOX} WHERE number > %s AND {_OURS} ORDER BY number", (-below, numbers)),
            ]
        )
        return Arrivals([Letter(*row) for row in letters], [MessageRow(*row) for row in inbox])

    def load(self, ids: Collection[str]) -> dict[str, Stored]:
        found = {actor_id: Stored() for actor_id in ids}
        instances, turns, entities = self._hub.connections.read(_loads(found))
        for row in instances:
            found[row[0]].instance = read_instance(row)
        for row in turns:
            found[row[0]].turns.append(TurnRow(*row))
        for row in entities:
            found[row[0]].entity = EntityRow(*row)
        return found

    # The clients' side

    def post(self, messages: Sequence[MessageRow], starts: Sequence[Start] = ()) -> None:
        postgres_inbox.post(self._hub, messages, starts)

    def purge(self, ids: Sequence[str]) -> Purged:
        return postgres_purge.purge(self._hub, ids)

    def install(self, wholes: Sequence[Whole]) -> list[str]:
        return postgres_archive.install(self._hub, wholes)

    def take_replies(self, request_ids: Collection[str]) -> dict[str, str]:
        return postgres_inbox.take_replies(self._hub, request_ids)

    def version(self) -> int:
        ((version,),) = self._ask(_VERSION)
        return int(version)

    def glance(self) -> None:
        return None

    # Reading

    def instance(self, instance_id: str) -> InstanceRow | None:
        rows = self._ask(f"{READ_INSTANCE} WHERE id = %s", instance_id)
        return read_instance(rows[0]) if rows else None

    def instances(self, ids: Collection[str]) -> dict[str, InstanceRow]:
        rows = self._ask(f"{READ_INSTANCE} WHERE id = ANY(%s::text[])", list(ids))
        return {row[0]: read_instance(row) for row in rows}

    def query(self, query: Query, size: int, token: str | None = None) -> Page[InstanceRow]:
        limit, after = checked_size(size), key_of(token)
        condition, values = conditions(query, _tagged, escaped)
        rows = self._ask(
            _marked(
                f"{READ_INSTANCE} WHERE (created, id) > (?, ?) {condition}"
                " ORDER BY created, id LIMIT ?"
            ),
            *after,
            *values,
            limit,
        )
        return page_of(
            [read_instance(row) for row in rows], size, lambda row: (row.created, row.id)
        )

    def count(self, query: Query) -> dict[Status, int]:
        condition, values = conditions(query, _tagged, escaped)
        statement = f"SELECT status, count(*) FROM instance WHERE true {condition} GROUP BY status"
        return {Status(status): number for status, number in self._ask(_marked(statement), *values)}

    def ended(self, status: Status, after: Ended, size: int) -> list[Ended]:
        return postgres_purge.ended(self._hub, status, after, size)

    def family(self, ids: Collection[str]) -> list[str]:
        return postgres_purge.family(self._hub, ids)

    def history(self, instance_id: str, first: int = 0) -> list[TurnRow]:
        condition = "WHERE instance_id = %s AND sequence >= %s ORDER BY sequence"
        return [TurnRow(*row) for row in self._ask(f"{READ_TURN} {condition}", instance_id, first)]

    def entity(self, entity_id: str) -> EntityRow | None:
        rows = self._ask(f"{READ_ENTITY} WHERE id = %s", entity_id)
        return EntityRow(*rows[0]) if rows else None

    def entities(
        self,
        prefix: str,
        size: int,
        token: str | None = None,
        *,
        updated_from: int | None = None,
        updated_to: int | None = None,
        transient: bool = False,
    ) -> Page[EntityRow]:
        limit, (_, after) = checked_size(size), key_of(token)
        condition, values = joined(
            [
                *prefixed(prefix),
                *between("updated", updated_from, updated_to),
                *([] if transient else [("state IS NOT NULL", ())]),
            ]
        )
        rows = self._ask(
            _marked(f"{READ_ENTITY} WHERE id > ? {condition} ORDER BY id LIMIT ?"),
            after,
            *values,
            limit,
        )
        return page_of([EntityRow(*row) for row in rows], size, lambda row: (0, row.id))

    def export(self, ids: Collection[str] | None = None) -> Iterator[Whole]:
        return postgres_archive.export(self._hub, ids)

    def is_unfinished(self) -> bool:
        ((version,),) = self._ask("SELECT version FROM migration")
        return bool(version >= UNFINISHED)

    def mark_unfinished(self) -> None:
        marked = "UPDATE migration SET version = mod(version, %s) + %s"
        self._hub.connections.write([(marked, (UNFINISHED, UNFINISHED))])

    def mark_finished(self) -> None:
        whole = "UPDATE migration SET version = mod(version, %s)"
        self._hub.connections.write([(whole, (UNFINISHED,))])

    def backlog(self, target: str) -> int:
        ((waiting,),) = self._ask(_BACKLOG, target, target, target)
        return int(waiting)

    def close(self) -> None:
        self.disown()
        for membership in self._memberships:
            membership.leave()
        self._hub.close()


def _loads(ids: Collection[str]) -> list[Step]:
    instances = [actor_id for actor_id in ids if not is_entity(actor_id)]
    entities = [actor_id for actor_id in ids if is_entity(actor_id)]
    turns = "WHERE instance_id = ANY(%s::text[]) ORDER BY instance_id, sequence"
    return [
        (f"{READ_INSTANCE} WHERE id = ANY(%s::text[])", (instances,)),
        (f"{READ_TURN} {turns}", (instances,)),
        (f"{READ_ENTITY} WHERE id = ANY(%s::text[])", (entities,)),
    ]


def _tagged(key: str, value: str) -> Condition:
    return "tags @> ARRAY[?]", (tag(key, value),)


def _marked(statement: str) -> str:
    """The statement with this database's marks for what is bound."""
    return statement.replace("?", "%s")
