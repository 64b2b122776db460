"""Rows as values: what stores keep, and what one commit changes.

All times are whole microseconds since 1970 UTC. Payloads, events and messages are texts that a
store never looks into. What a store has found to be damaged says so in `damage`: which row, and
what to do. Nothing else in such a row can be relied on, and it stays damaged when it is written.
"""

import math
from collections.abc import Iterable
from typing import Generic, TypeVar

from attrs import Factory, define, fields, frozen

from ..actors.damage import legible
from ..actors.status import Status


@define
class InstanceRow:
    """What queries can see of an orchestration."""

    id: str
    execution_id: str
    name: str
    version: str | None
    status: Status
    created: int
    updated: int
    completed: int | None = None
    scheduled_start: int | None = None
    parent_id: str | None = None
    tags: dict[str, str] = Factory(dict[str, str])
    input: str | None = None
    output: str | None = None
    failure: str | None = None
    custom_status: str | None = None
    parked: str | None = None
    """Why an instance that could go on does not, as JSON; None when it is not parked."""
    open: bool = False
    """Whether activities may be unfinished, so that recovery has to look."""
    damage: str | None = None


@define
class EntityRow:
    """The snapshot of an entity."""

    id: str
    updated: int
    state: str | None = None
    """None when the entity does not exist (yet, or any more)."""
    locked_by: str | None = None
    """The orchestration that holds its lock."""
    lock: str | None = None
    """The critical section that holds it, as JSON that only the entity actor reads."""
    parked: str | None = None
    damage: str | None = None


@define
class TurnRow:
    """One turn of an orchestration."""

    instance_id: str
    sequence: int
    """From 0, without gaps, anew for each execution."""
    at: int
    events: str
    notes: str | None = None
    damage: str | None = None


@define
class TimerRow:
    """A timer that is set."""

    instance_id: str
    timer_id: int
    execution_id: str
    due: int
    damage: str | None = None


@define
class MessageRow:
    """A message that waits: in the owner's mailbox, or in the clients' inbox."""

    position: int
    """Positive in the mailbox, negative in the inbox; nearer to zero is older."""
    target: str
    body: str
    execution_id: str | None = None
    due: int | None = None
    """None when it may be delivered at once."""
    damage: str | None = None


AnyRow = InstanceRow | EntityRow | TurnRow | TimerRow | MessageRow


def columns(row: type[AnyRow]) -> tuple[str, ...]:
    """The names of what is stored of such a row, in the order of its fields."""
    return tuple(field.name for field in fields(row) if field.name != "damage")


Postmark = tuple[int, int, str]
"""What names a letter: the partition that it is for, its number, and the worker that sent it."""


@define
class Letter:
    """A message on its way to an actor whose partition another worker owns."""

    partition: int
    """The receiver's."""
    number: int
    """The sender's: those of one sending actor grow, whichever worker has it."""
    sender: str
    """The worker."""
    target: str
    body: str
    execution_id: str | None = None
    due: int | None = None

    @property
    def postmark(self) -> Postmark:
        """What names it."""
        return self.partition, self.number, self.sender


ErrandKey = tuple[int, int]
"""What names an errand: the partition of its instance, and its number there."""


@define
class Errand:
    """An activity that any worker may run."""

    partition: int
    """That of the instance."""
    number: int
    """Given by the owner of the partition, and never again."""
    instance_id: str
    execution_id: str
    task_id: int
    attempt: int
    name: str
    """The activity's."""
    due: int
    """When it may begin, if not at once as all first attempts; the oldest comes first."""
    body: str = ""
    """The event that asked for it; empty where one is looked at that the reader knows."""

    @property
    def key(self) -> ErrandKey:
        """What names it."""
        return self.partition, self.number


@frozen
class Answer:
    """What became of an errand that a worker had taken: a letter, if nobody else has taken it."""

    errand: ErrandKey
    letter: Letter


@frozen
class Waiting:
    """Errands that are nobody's."""

    counts: dict[str, int]
    """How many of each activity may begin; that of the oldest comes first."""
    next_due: int | None = None
    """When the back-off of the first of the others is over."""


@frozen
class Queue:
    """The errands of one activity."""

    name: str
    waiting: int
    """How many nobody has taken."""
    taken: int
    """How many are some worker's."""
    silent: int
    """For how many microseconds the first that waits might have begun; below zero if none may."""


@define
class Commit:
    """Turns made durable together. All of it happens, or nothing."""

    epoch: int
    """The owner's; a store refuses any other than the newest."""
    claims: dict[str, str | None] = Factory(dict[str, str | None])
    """Instances begun anew, or written to after their end, each with the execution id that the
    store must still show for it (None: no such instance). Otherwise `ClaimLostError`, and nothing
    is written."""
    resets: set[str] = Factory(set[str])
    """Instances of which all turns and timers are deleted, before anything below is written."""
    instances: dict[str, InstanceRow | None] = Factory(dict[str, InstanceRow | None])
    """Rows to write; None deletes. `created` of a row that is there differs only with a claim."""
    entities: dict[str, EntityRow | None] = Factory(dict[str, EntityRow | None])
    """Snapshots to write; None deletes."""
    turns: list[TurnRow] = Factory(list[TurnRow])
    timers_set: list[TimerRow] = Factory(list[TimerRow])
    timers_cut: list[tuple[str, int]] = Factory(list[tuple[str, int]])
    """Instance and timer id; a timer that is not there is no error."""
    sent: list[MessageRow] = Factory(list[MessageRow])
    """Messages that nobody took within this commit."""
    consumed: list[int] = Factory(list[int])
    """Positions of stored messages that are taken now, of the mailbox and of the inbox."""
    replies: dict[str, str] = Factory(dict[str, str])
    """Answers for clients in other processes, by request id."""
    shared: "Shared | None" = None
    """What a worker adds that owns some partitions of a hub, in place of the `epoch`."""


@frozen
class Hint:
    """What workers and clients let each other hear."""

    come: frozenset[int] = frozenset()
    """Partitions for which messages have come."""
    changed: frozenset[int] = frozenset()
    """Partitions in which actors have changed, or were answered for."""
    members: bool = False
    """Whether workers have come or gone, or let partitions go."""
    asked: bool = False
    """Whether errands wait to be taken."""
    withdrawn: bool = False
    """Whether some were withdrawn, which a worker may have taken."""
    listening: bool = False
    """Whether a client wants to hear of changes, for a while."""

    def __bool__(self) -> bool:
        told = self.members or self.asked or self.withdrawn or self.listening
        return bool(self.come or self.changed or told)


LISTENING_EVERY = 5.0
"""A client that wants to hear of changes says so after so many seconds at most."""


@define
class Shared:
    """What only a commit of one worker among others has."""

    epochs: dict[int, int]
    """Of the partitions that the worker owns: each has to be the newest."""
    letters: list[Letter] = Factory(list[Letter])
    """Messages for actors elsewhere."""
    received: list[Postmark] = Factory(list[Postmark])
    """Letters that are taken now."""
    changed: frozenset[int] = frozenset()
    """Partitions of which others may want to hear at once that something has changed there."""
    errands: list[Errand] = Factory(list[Errand])
    """Activities that are asked for now."""
    withdrawn: list[ErrandKey] = Factory(list[ErrandKey])
    """Errands that are answered here, or that nobody wants any more."""
    answers: list[Answer] = Factory(list[Answer])
    """Those whose errand is not this worker's any more say nothing."""
    recalls: bool = False
    """Whether others may be running what is withdrawn."""

    @property
    def hint(self) -> Hint:
        """What others may want to hear of it."""
        letters = (*self.letters, *(answer.letter for answer in self.answers))
        return Hint(
            frozenset(letter.partition for letter in letters),
            self.changed,
            asked=bool(self.errands),
            withdrawn=self.recalls,
        )


@define
class Start:
    """An instance that a client in another process begins."""

    row: InstanceRow
    replaceable: frozenset[Status]
    """Statuses in which an existing instance of that id gives way."""


@define
class Stored:
    """What is needed to bring an actor back to memory."""

    instance: InstanceRow | None = None
    turns: list[TurnRow] = Factory(list[TurnRow])
    entity: EntityRow | None = None

    @property
    def damage(self) -> str | None:
        """What is wrong with the row that queries see."""
        row = self.instance or self.entity
        return None if row is None else row.damage


@define
class Whole:
    """All that is stored of one orchestration or entity."""

    id: str
    instance: InstanceRow | None = None
    entity: EntityRow | None = None
    turns: list[TurnRow] = Factory(list[TurnRow])
    timers: list[TimerRow] = Factory(list[TimerRow])
    messages: list[MessageRow] = Factory(list[MessageRow])
    """The mailbox's, then the inbox's, each oldest first; positions mean nothing elsewhere."""

    @property
    def exists(self) -> bool:
        """Whether there is anything; an entity without state may have messages only."""
        return bool(self.instance or self.entity or self.messages)

    @property
    def damage(self) -> str | None:
        """What is wrong with the first row that is damaged, or which turn is missing."""
        rows = (self.instance, self.entity, *self.turns, *self.timers, *self.messages)
        damaged = (row.damage for row in rows if row is not None and row.damage)
        return next(damaged, None) or missing_turn(self.turns)


def missing_turn(turns: Iterable[TurnRow], first: int = 0) -> str | None:
    """What is said of turns that are not numbered without a gap from `first` on."""
    for number, row in enumerate(turns, first):
        if row.sequence != number:
            return (
                f"turn {number} of {legible(row.instance_id)!r} is missing: restore a backup, or "
                "purge it; `perdure doctor` lists all such instances"
            )
    return None


@define
class Pending:
    """What a new owner finds to do."""

    position: int
    """The highest mailbox position that was ever used."""
    messages: list[MessageRow]
    """All that wait and are due before the horizon, the mailbox's first, each oldest first."""
    timers: list[TimerRow]
    """All that are due before the horizon."""
    open: list[str]
    """Instances that may have unfinished activities."""
    parked: list[str]
    """Instances and entities that wait for a mend; the new owner tries each of them once."""


@define
class Purged:
    """What one step of a purge did."""

    gone: list[str]
    """What it deleted."""
    left: list[str]
    """What it did not come to."""


Ended = tuple[int, str]
"""When an orchestration ended, and its id."""

LONG_AGO: Ended = (-(2**63), "")
"""Before everything that ever ended."""


@define
class WorkerRow:
    """A process that runs partitions of a hub, as the store's clock sees it."""

    id: str
    name: str
    """Host and process."""
    partitions: list[int]
    entered: int
    """When it began."""
    silent: int
    """Microseconds since its last heartbeat."""
    lease: int
    """Microseconds until others may take over; below zero once they may."""
    lag: int = 0
    """How many messages of clients and of other workers wait in its partitions to be taken."""
    repertoire: str = ""
    """Which code it has, as `SharedStore.enter` was told."""


@define
class Roster:
    """Who shares a hub now, as one of its workers learns at its heartbeat."""

    owned: dict[int, int]
    """The partitions of this worker with their epochs."""
    free: list[int]
    """Partitions that nobody alive owns."""
    released: list[int]
    """Of the free ones those that their owner gave up by itself."""
    alive: list[str]
    """The ids of all workers with a lease, this one among them, in order."""
    owners: dict[int, str] = Factory(dict[int, str])
    """Who owns which partition, as far as they live."""
    needs: dict[int, str] = Factory(dict[int, str])
    """Which code partitions are known to need, as `Membership.release` was told; few have any."""
    names: dict[str, str] = Factory(dict[str, str])
    """Host and process of the workers with a lease, by id."""
    repertoires: dict[str, str] = Factory(dict[str, str])
    """Which code they have, as `SharedStore.enter` was told, by id."""
    lapsed: bool = False
    """Whether the lease of this worker had ended, so that those of others may have too."""
    lag: int = 0
    """How many messages of clients and of other workers wait to be taken in by this worker."""
    errands: int = 0
    """How many errands this worker has taken, and not answered."""
    waiting: int = 0
    """How many errands may begin that nobody has taken; not all of a long queue are counted."""
    waited: int = 0
    """For how many microseconds the first of these might have begun."""
    left_behind: bool = False
    """Whether there are some whose worker is dead."""
    beaten: float = 0.0
    """When the heartbeat began, in seconds of `time.monotonic`."""
    lease: float = 0.0
    """For how many seconds from then on nobody takes over, at the least."""
    lapses: float = math.inf
    """In how many seconds the next lease of another worker ends, unless it is renewed."""


@define
class Arrivals:
    """What has come from elsewhere."""

    letters: list[Letter]
    """From other workers, by number."""
    inbox: list[MessageRow]
    """From clients, oldest first."""


@define
class Due:
    """What comes due in a stretch of time."""

    timers: list[TimerRow]
    messages: list[MessageRow]


@frozen
class Query:
    """Which orchestrations. Every field narrows the answer; an empty one does not."""

    statuses: frozenset[Status] = frozenset()
    names: frozenset[str] = frozenset()
    id_prefix: str = ""
    created_from: int | None = None
    created_to: int | None = None
    """Up to and including."""
    completed_from: int | None = None
    completed_to: int | None = None
    tags: tuple[tuple[str, str], ...] = ()
    """All of these pairs."""
    parent_id: str | None = None
    version: str | None = None
    """Empty for those that were started without one."""


Row = TypeVar("Row")


@frozen
class Page(Generic[Row]):
    """Part of an answer."""

    rows: list[Row]
    token: str | None
    """Ask with it for what follows; None when nothing does."""
