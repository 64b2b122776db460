"""A store in memory: the readable definition of what a store does. Nothing outlives the process."""

import threading
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice

from attrs import evolve

from ..actors.errors import (
    ClaimLostError,
    InstanceAlreadyExistsError,
    StaleOwnerError,
    StoreError,
    StoreInUseError,
)
from ..actors.identity import is_entity
from ..actors.status import Status
from .memory_order import Order
from .paging import checked_size, key_of, page_of
from .records import (
    Commit,
    Due,
    Ended,
    EntityRow,
    InstanceRow,
    MessageRow,
    Page,
    Pending,
    Purged,
    Query,
    Start,
    Stored,
    TimerRow,
    TurnRow,
    Whole,
)

_PURGED_AT_ONCE_MAX = 100


class MemoryStore:
    """A task hub in this process. The runtime and any number of clients may share the object.

    `close` only disowns: the content stays as long as the object, for a next owner.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._owned = False
        self._epoch = 0
        self._version = 0
        self._position = 0
        self._inbox_position = 0
        self._instances: dict[str, InstanceRow] = {}
        self._children: dict[str, dict[str, None]] = {}
        """By their parent."""
        self._ended: dict[Status, Order] = {status: Order() for status in Status}
        self._entities: dict[str, EntityRow] = {}
        self._turns: dict[str, dict[int, TurnRow]] = {}
        """By instance and sequence."""
        self._timers: dict[tuple[str, int], TimerRow] = {}
        self._messages: dict[int, MessageRow] = {}
        self._replies: dict[str, str] = {}

    @property
    def location(self) -> str:
        return "memory://"

    # The owner's side

    def own(self) -> int:
        with self._lock:
            if self._owned:
                raise StoreInUseError("memory:// is owned by another runtime of this process")
            self._owned = True
            self._epoch += 1
            self._version += 1
            return self._epoch

    def disown(self) -> None:
        with self._lock:
            self._owned = False

    def commit(self, commit: Commit) -> None:
        with self._lock:
            self._check(commit)
            self._write_actors(commit)
            self._write_work(commit)
            self._version += 1

    def _check(self, commit: Commit) -> None:
        if commit.epoch != self._epoch:
            raise StaleOwnerError(f"memory:// has a newer owner than epoch {commit.epoch}")
        for instance_id, expected in commit.claims.items():
            row = self._instances.get(instance_id)
            if (row.execution_id if row else None) != expected:
                raise ClaimLostError(f"instance {instance_id!r} was started by somebody else")
        taken = any(
            turn.sequence in self._turns.get(turn.instance_id, ())
            for turn in commit.turns
            if turn.instance_id not in commit.resets
        )
        added = [(turn.instance_id, turn.sequence) for turn in commit.turns]
        positions = [message.position for message in commit.sent]
        if (
            taken
            or not self._messages.keys().isdisjoint(positions)
            or len(set(added)) < len(added)
            or len(set(positions)) < len(positions)
        ):
            raise StoreError("memory:// refused a commit: a turn or a message is there already")

    def _write_actors(self, commit: Commit) -> None:
        for instance_id in commit.resets:
            self._reset(instance_id)
        for instance_id, instance in commit.instances.items():
            if instance is None:
                self._drop(instance_id)
            else:
                self._keep(instance)
        for entity_id, entity in commit.entities.items():
            if entity is None:
                self._entities.pop(entity_id, None)
            else:
                self._entities[entity_id] = evolve(entity)
        for turn in commit.turns:
            self._turns.setdefault(turn.instance_id, {})[turn.sequence] = evolve(turn)

    def _keep(self, row: InstanceRow) -> None:
        self._drop(row.id)
        self._instances[row.id] = _copied(row)
        if row.parent_id is not None:
            self._children.setdefault(row.parent_id, {})[row.id] = None
        if row.completed is not None:
            self._ended[row.status].add((row.completed, row.id))

    def _drop(self, instance_id: str) -> None:
        row = self._instances.pop(instance_id, None)
        if row is None:
            return
        if row.parent_id is not None:
            siblings = self._children[row.parent_id]
            del siblings[instance_id]
            if not siblings:
                del self._children[row.parent_id]
        if row.completed is not None:
            self._ended[row.status].remove((row.completed, row.id))

    def _write_work(self, commit: Commit) -> None:
        for timer in commit.timers_set:
            self._timers[timer.instance_id, timer.timer_id] = evolve(timer)
        for cut in commit.timers_cut:
            self._timers.pop(cut, None)
        for message in commit.sent:
            self._messages[message.position] = evolve(message)
            self._position = max(self._position, message.position)
        for position in commit.consumed:
            self._messages.pop(position, None)
        self._replies.update(commit.replies)

    def recover(self, horizon: int) -> Pending:
        with self._lock:
            return Pending(
                self._position,
                _by_age(m for m in self._messages.values() if m.due is None or m.due < horizon),
                _by_due(t for t in self._timers.values() if t.due < horizon),
                sorted(row.id for row in self._instances.values() if row.open),
                sorted(
                    row.id
                    for rows in (self._instances, self._entities)
                    for row in rows.values()
                    if row.parked is not None
                ),
            )

    def due(self, since: int, until: int) -> Due:
        with self._lock:
            return Due(
                _by_due(t for t in self._timers.values() if since <= t.due < until),
                _by_age(
                    message
                    for message in self._messages.values()
                    if message.due is not None and since <= message.due < until
                ),
            )

    def inbox(self, below: int) -> list[MessageRow]:
        with self._lock:
            return _by_age(m for m in self._messages.values() if m.position < min(below, 0))

    def posted(self, targets: Collection[str]) -> list[MessageRow]:
        return [row for row in self.inbox(0) if row.target in targets]

    def load(self, ids: Collection[str]) -> dict[str, Stored]:
        with self._lock:
            return {
                actor_id: Stored(entity=self.entity(actor_id))
                if is_entity(actor_id)
                else Stored(self.instance(actor_id), self.history(actor_id))
                for actor_id in ids
            }

    # The clients' side

    def post(self, messages: Sequence[MessageRow], starts: Sequence[Start] = ()) -> None:
        with self._lock:
            begun: dict[str, InstanceRow] = {}
            for start in starts:
                existing = begun.get(start.row.id) or self._instances.get(start.row.id)
                if existing and existing.status not in start.replaceable:
                    raise InstanceAlreadyExistsError(existing.id, existing.status)
                begun[start.row.id] = start.row
            for row in begun.values():
                self._keep(row)
            self._put(messages)
            self._version += 1

    def _put(self, messages: Iterable[MessageRow]) -> None:
        for message in messages:
            self._inbox_position -= 1
            row = evolve(message, position=self._inbox_position)
            self._messages[row.position] = row

    def install(self, wholes: Sequence[Whole]) -> list[str]:
        with self._lock:
            ids = [whole.id for whole in wholes]
            in_the_way = {i for i, times in Counter(ids).items() if times > 1 or self._whole(i)}
            for whole in wholes if not in_the_way else ():
                if whole.instance:
                    self._keep(whole.instance)
                if whole.entity:
                    self._entities[whole.id] = evolve(whole.entity)
                if whole.turns:
                    self._turns[whole.id] = {turn.sequence: evolve(turn) for turn in whole.turns}
                for timer in whole.timers:
                    self._timers[timer.instance_id, timer.timer_id] = evolve(timer)
                self._put(whole.messages)
            self._version += not in_the_way
            return sorted(in_the_way)

    def purge(self, ids: Sequence[str]) -> Purged:
        with self._lock:
            asked = list(dict.fromkeys(ids))
            gone = [
                instance_id
                for instance_id in asked[:_PURGED_AT_ONCE_MAX]
                if (row := self._instances.get(instance_id)) and row.status.is_terminal
            ]
            for instance_id in gone:
                self._drop(instance_id)
                self._turns.pop(instance_id, None)
            lost = set(gone)
            for key in [key for key in self._timers if key[0] in lost]:
                del self._timers[key]
            for position in [p for p, m in self._messages.items() if m.target in lost]:
                del self._messages[position]
            self._version += bool(gone)
            return Purged(gone, asked[_PURGED_AT_ONCE_MAX:])

    def _reset(self, instance_id: str) -> None:
        self._turns.pop(instance_id, None)
        for key in [key for key in self._timers if key[0] == instance_id]:
            del self._timers[key]

    def take_replies(self, request_ids: Collection[str]) -> dict[str, str]:
        with self._lock:
            found = {i: self._replies.pop(i) for i in request_ids if i in self._replies}
            self._version += bool(found)
            return found

    def version(self) -> int:
        with self._lock:
            return self._version

    def glance(self) -> None:
        return None

    # Reading

    def instance(self, instance_id: str) -> InstanceRow | None:
        return self.instances([instance_id]).get(instance_id)

    def instances(self, ids: Collection[str]) -> dict[str, InstanceRow]:
        with self._lock:
            return {row.id: _copied(row) for i in ids if (row := self._instances.get(i))}

    def query(self, query: Query, size: int, token: str | None = None) -> Page[InstanceRow]:
        limit, after = checked_size(size), key_of(token)
        with self._lock:
            rows = sorted(
                (r for r in self._instances.values() if _matches(r, query) and _place(r) > after),
                key=_place,
            )
            return page_of([_copied(row) for row in rows[:limit]], size, _place)

    def count(self, query: Query) -> dict[Status, int]:
        with self._lock:
            matching = (row.status for row in self._instances.values() if _matches(row, query))
            return dict(Counter(matching))

    def ended(self, status: Status, after: Ended, size: int) -> list[Ended]:
        with self._lock:
            awaited = {m.target for m in self._messages.values() if m.position < 0}
            settled = (
                (completed, instance_id)
                for completed, instance_id in self._ended[status].following(after)
                if self._instances[instance_id].parked is None and instance_id not in awaited
            )
            return list(islice(settled, size))

    def family(self, ids: Collection[str]) -> list[str]:
        with self._lock:
            found = list(dict.fromkeys(ids))
            known = set(found)
            for instance_id in found:
                below = self._children.get(instance_id, {}).keys() - known
                known |= below
                found += sorted(below)
            return found

    def history(self, instance_id: str, first: int = 0) -> list[TurnRow]:
        with self._lock:
            turns = self._turns.get(instance_id, {})
            return [evolve(turns[sequence]) for sequence in sorted(turns) if sequence >= first]

    def entity(self, entity_id: str) -> EntityRow | None:
        with self._lock:
            row = self._entities.get(entity_id)
            return evolve(row) if row else None

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
        with self._lock:
            rows = [
                evolve(row)
                for row in sorted(self._entities.values(), key=lambda row: row.id)
                if row.id > after
                and row.id.startswith(prefix)
                and (transient or row.state is not None)
                and _within(row.updated, updated_from, updated_to)
            ]
            return page_of(rows[:limit], size, lambda row: (0, row.id))

    def export(self, ids: Collection[str] | None = None) -> Iterator[Whole]:
        with self._lock:
            if ids is None:
                targets = {message.target for message in self._messages.values()}
                ids = self._instances.keys() | self._entities.keys() | targets
            wholes = [self._whole(actor_id) for actor_id in sorted(set(ids))]
        return (whole for whole in wholes if whole)

    def _whole(self, actor_id: str) -> Whole | None:
        whole = Whole(
            actor_id,
            self.instance(actor_id),
            self.entity(actor_id),
            self.history(actor_id),
            _by_due(t for t in self._timers.values() if t.instance_id == actor_id),
            _by_age(m for m in self._messages.values() if m.target == actor_id),
        )
        return whole if whole.exists else None

    def backlog(self, target: str) -> int:
        with self._lock:
            return sum(message.target == target for message in self._messages.values())

    def close(self) -> None:
        self.disown()


def _copied(row: InstanceRow) -> InstanceRow:
    return evolve(row, tags=dict(row.tags))


def _by_age(messages: Iterable[MessageRow]) -> list[MessageRow]:
    ordered = sorted(messages, key=lambda m: (m.position < 0, abs(m.position)))
    return [evolve(message) for message in ordered]


def _by_due(timers: Iterable[TimerRow]) -> list[TimerRow]:
    ordered = sorted(timers, key=lambda t: (t.due, t.instance_id, t.timer_id))
    return [evolve(timer) for timer in ordered]


def _place(row: InstanceRow) -> tuple[int, str]:
    return row.created, row.id


def _within(time: int | None, first: int | None, last: int | None) -> bool:
    if first is None and last is None:
        return True
    return time is not None and (first is None or time >= first) and (last is None or time <= last)


def _matches(row: InstanceRow, query: Query) -> bool:
    return (
        (not query.statuses or row.status in query.statuses)
        and (not query.names or row.name in query.names)
        and row.id.startswith(query.id_prefix)
        and _within(row.created, query.created_from, query.created_to)
        and _within(row.completed, query.completed_from, query.completed_to)
        and all(row.tags.get(key) == value for key, value in query.tags)
        and query.parent_id in (None, row.parent_id)
        and query.version in (None, row.version or "")
    )
