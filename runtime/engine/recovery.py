"""From the store to a running partition: at the start, and after every failed commit."""

import logging
from collections.abc import Callable
from functools import partial

from ...actors.damage import is_damaged, legible
from ...actors.effects import Parked
from ...actors.history import TaskScheduled
from ...actors.openwork import open_work
from ...actors.orchestration import Orchestration
from ...actors.status import Status
from ...actors.wire import UnreadableEventError
from ...persistence.records import Due, InstanceRow, MessageRow, Pending, Stored, TimerRow
from ...persistence.store import Store
from ..backoff import Backoff, Trouble
from ..clock import Bell, Clock
from ..instruments import Instruments
from ..lanes import Lane, run_in
from ..settings import Settings
from .partition import Partition
from .restore import message, turn
from .seclusion import secluded
from .slot import Slot
from .timers import Timers

logger = logging.getLogger("perdure.runtime")

LOADED_AT_ONCE = 500
RAREST = 1.0
"""So many seconds at most pass between two looks into an inbox, whatever a glance tells."""
RESTFUL = 3
"""So many times as rarely somebody looks while nothing changes."""
LIVELY = 10
"""So many times as often somebody looks for a while after something has come: more will."""
LIVELY_FOR, LIVELIEST = 1_000_000, 1_000
"""So long, in microseconds, and not more often than that unless `poll_interval` says so."""


class Recovery:
    """Finds what there is to do and hands it to the partition."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        clock: Clock,
        timers: Timers,
        lane: Lane,
        partition: Partition,
    ) -> None:
        self._store = store
        self._clock = clock
        self._timers = timers
        self._lane = lane
        self._partition = partition
        self._ahead = round(settings.timer_horizon * 1_000_000)
        self._poll = round(settings.poll_interval * 1_000_000)
        self.instruments: Instruments | None = None
        self._seen = 0
        """The newest inbox position that was delivered; they go down."""
        self._lively_until = 0

    async def run(self) -> None:
        """Bring everything unfinished back."""
        partition = self._partition
        partition.later.horizon = self._clock.now() + self._ahead
        pending: Pending = await run_in(
            self._lane, partial(self._store.recover, partition.later.horizon)
        )
        self._bring_back(pending)
        await self._tell_watchers()
        await self._restart_all(pending.open)
        self._timers.call_at(partition.later.horizon - self._ahead // 2, self._look_further)
        partition.down = None
        partition.reported.clear()
        partition.recovered.set()

    def _bring_back(self, pending: Pending) -> None:
        partition = self._partition
        partition.postman.raise_to(pending.position)
        for row in pending.timers:
            self._arm(row)
        # Before the messages: one of them may be what parks an actor.
        for target in pending.parked:
            partition.residents.when_loaded(target, self._try_again)
        for message_row in pending.messages:
            self._accept(message_row)

    async def _restart_all(self, ids: list[str]) -> None:
        for start in range(0, len(ids), LOADED_AT_ONCE):
            some = ids[start : start + LOADED_AT_ONCE]
            self._restart(await run_in(self._lane, partial(self._store.load, some)))

    async def _tell_watchers(self) -> None:
        """What they wait for may have been in a commit that was durable although it failed."""
        watchers = self._partition.watchers
        if ids := watchers.ids:
            rows = await run_in(self._lane, partial(self._store.instances, ids))
            for row in rows.values():
                if row.status is Status.FAILED:
                    # A rewind may be among the messages that came back.
                    self._partition.residents.when_loaded(row.id, partial(self._tell_failed, row))
                else:
                    watchers.tell(row)
            watchers.stir(ids)

    def _tell_failed(self, row: InstanceRow, slot: Slot) -> None:
        if not slot.rewinding:
            self._partition.watchers.tell(row)

    def _accept(self, row: MessageRow) -> None:
        if row.position < 0:
            self._seen = min(self._seen, row.position)
        if is_damaged(row.target):
            target = legible(row.target)
            logger.error("message %d is for nobody, as its id is damaged: %s", row.position, target)
            return
        try:
            read = message(row)
        except UnreadableEventError as error:
            logger.exception("a message for %s is unreadable and stays where it is", row.target)
            parked = Parked("unreadable", f"message {row.position}: {error}")
            self._partition.residents.when_loaded(row.target, partial(self._park, parked))
            return
        if self.instruments is not None and row.position < 0:
            self.instruments.arrived(read)
        self._partition.note(read)
        self._partition.later.deliver(read)

    def _arm(self, row: TimerRow) -> None:
        if row.damage is None:
            self._partition.later.arm(row)
            return
        logger.error("a timer does not fire: %s", row.damage)
        parked = Parked("unreadable", row.damage)
        self._partition.residents.when_loaded(row.instance_id, partial(self._park, parked))

    def _park(self, parked: Parked, slot: Slot) -> None:
        if slot.actor is not None:
            self._partition.park(slot, parked)

    def _try_again(self, slot: Slot) -> None:
        """A parked actor may have been mended by the deployment."""
        if slot.parked is None:
            return
        actor = slot.actor
        parked = None if actor is None else actor.unreadable
        if isinstance(actor, Orchestration):
            with secluded():
                parked = actor.probe(self._clock.now())
        if parked is None:
            self._partition.unpark(slot)
        else:
            self._partition.park(slot, parked)

    def _restart(self, found: dict[str, Stored]) -> None:
        """Start the activities again of which no outcome is known."""
        partition = self._partition
        for instance_id, stored in found.items():
            work = _open_activities(stored)
            if work is None:
                # Being loaded is what parks it.
                partition.residents.when_loaded(instance_id, lambda _: None)
                continue
            for execution_id, event in work:
                if (execution_id, event.id, event.attempt) not in partition.reported:
                    self._begin_again(instance_id, execution_id, event)

    def _begin_again(self, instance_id: str, execution_id: str, event: TaskScheduled) -> None:
        self._partition.activities.start(instance_id, execution_id, event, recovered=True)

    def _look_further(self) -> None:
        """Move the horizon on, and fetch what lies before it once all is durable."""
        partition = self._partition
        since, partition.later.horizon = partition.later.horizon, self._clock.now() + self._ahead
        until = partition.later.horizon
        found = partial(self._found, partition.life, partition.postman.newest, self._seen)

        def fetch() -> None:
            self._lane.submit(self._due(since, until), found)

        partition.when_all_durable(fetch)
        self._timers.call_at(until - self._ahead // 2, self._look_further)

    def _due(self, since: int, until: int) -> Callable[[], Due]:
        return partial(self._store.due, since, until)

    def _found(
        self, life: int, newest: int, seen: int, due: Due, error: BaseException | None
    ) -> None:
        """Take what came before the horizon moved on; memory has the later messages already."""
        if life != self._partition.life:
            return
        if error is not None:
            self._partition.fail(error)
            return
        for row in due.timers:
            self._arm(row)
        for message_row in due.messages:
            if self._is_new(message_row.position, newest, seen):
                self._accept(message_row)

    def _is_new(self, position: int, newest: int, seen: int) -> bool:
        return seen <= position <= newest

    async def poll(self) -> None:
        """Look for what clients in other processes have sent, for ever."""
        never = Bell()
        version = -1
        backoff = Backoff(self._poll / 1_000_000, RAREST)
        trouble = Trouble(self._clock, "look into the inbox", backoff)
        idle = Idleness(self._store, self._clock)
        while True:
            await self._clock.wait(never, self._next_look(idle), background=True)
            if self._partition.down is not None:
                continue
            try:
                # Changes within one tick of the file system's clock look the same.
                if idle.lasts() and self._clock.now() >= self._lively_until:
                    continue
                found = await run_in(self._lane, self._store.version)
                if found != version and await self._fetch_inbox():
                    version = found
            except Exception as error:  # noqa: BLE001 - the next look may do better
                await trouble.meet(error)
            else:
                trouble.end()

    def _next_look(self, idle: "Idleness") -> int:
        now = self._clock.now()
        if now < self._lively_until:
            return now + max(self._poll // LIVELY, min(self._poll, LIVELIEST))
        return now + self._poll * (RESTFUL if idle.spared else 1)

    async def _fetch_inbox(self) -> bool:
        """Take what is new; returns False when a recovery came in between, which takes it too."""
        partition, life = self._partition, self._partition.life
        rows = await run_in(self._lane, partial(self._store.inbox, self._seen))
        if life != partition.life or partition.down is not None:
            return False
        if rows:
            self._lively_until = self._clock.now() + LIVELY_FOR
        for row in rows:
            # A recovery that was under way when they were asked for has delivered some already.
            if row.position < self._seen:
                self._accept(row)
        return True

    def forget(self) -> None:
        """Memory was dropped."""
        self._seen = 0
        self._timers.clear()


def _open_activities(stored: Stored) -> list[tuple[str, TaskScheduled]] | None:
    """Those that have no outcome, with their executions; None for what is damaged."""
    row = stored.instance
    if row is None:
        return []
    if row.damage is not None:
        return None
    try:
        work = open_work([turn(recorded) for recorded in stored.turns])
    except UnreadableEventError:
        return None
    return [(row.execution_id, event) for event in work.activities.values()]


class Idleness:
    """Whether a look into the store can be spared: a thread's work, where a glance is none."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._seen: tuple[int, ...] | None = None
        self._steady = False
        self._until = 0
        self.spared = False
        """Whether the last look was."""

    def lasts(self) -> bool:
        """Whether nothing has changed for two glances, and the last look is not long ago."""
        found = self._store.glance()
        # A change may look like the one before it, so that one look more follows each.
        steady = found is not None and found == self._seen
        self.spared = steady and self._steady
        self._steady, self._seen = steady, found
        now = self._clock.now()
        if self.spared and now < self._until:
            return True
        self._until = now + round(RAREST * 1_000_000)
        return False
