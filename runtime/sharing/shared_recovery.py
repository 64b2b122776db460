"""The way back to memory for one worker among others: for some partitions, and for all it has."""

from collections.abc import Callable, Mapping
from functools import partial
from random import SystemRandom

import anyio

from ...actors.history import TaskScheduled
from ...persistence.records import Arrivals, Due, Errand, Letter, MessageRow, Pending
from ...persistence.sharing import Membership, SharedStore
from ..backoff import Backoff, Trouble
from ..clock import Bell, Clock
from ..engine.partition import Partition
from ..engine.recovery import Recovery
from ..engine.timers import Timers
from ..lanes import Lane, run_in
from ..settings import Settings
from .errands import Errands
from .holdings import Holdings
from .letters import LetterCarrier

NOTHING = -(2**62)
"""A position below which no client's message is."""

UNHEARD = 1.0
"""So many seconds at most pass between two looks for what comes from elsewhere."""


class SharedRecovery(Recovery):
    """Finds what there is to do in the partitions of this worker, and what comes for them."""

    def __init__(
        self,
        store: SharedStore,
        settings: Settings,
        clock: Clock,
        timers: Timers,
        lanes: tuple[Lane, Lane],
        partition: Partition,
        holdings: Holdings,
        membership: Membership,
        errands: Errands,
    ) -> None:
        super().__init__(store, settings, clock, timers, lanes[1], partition)
        self._hub = store
        self._writer = lanes[0]
        self._holdings = holdings
        self._membership = membership
        self._errands = errands
        self._ahead_of_all: set[int] = set()
        """Positions of the inbox beyond the newest that all were read to, which are here."""
        self._reading = anyio.Lock()
        self.bell = Bell()
        """Rung when something has come, perhaps."""

    async def run(self) -> None:
        """Bring everything unfinished back that is this worker's."""
        partition = self._partition
        partition.later.horizon = self._clock.now() + self._ahead
        # With new epochs: a commit that was given up may still be on its way to the store.
        ours = await run_in(self._writer, self._membership.reclaim)
        self._holdings.epochs = dict(ours)
        await self.take_in(ours)
        await self._tell_watchers()
        self._timers.call_at(partition.later.horizon - self._ahead // 2, self._look_further)
        partition.down = None
        partition.reported.clear()
        partition.redirect(self._holdings.lacks)
        partition.recovered.set()
        self._errands.bell.ring()

    async def take_in(self, numbers: Mapping[int, int]) -> None:
        """Run these partitions, whose epochs are known to the commits, from now on."""
        partition = self._partition
        life, partition.restoring = partition.life, True
        try:
            await self._bring_in(numbers)
        finally:
            partition.restoring = False
            if partition.down is None:
                partition.reported.clear()
        # Only then may clients here overtake what they have posted.
        await self.fetch()
        if life == partition.life:
            self._holdings.let_clients_in(numbers)

    async def _bring_in(self, numbers: Mapping[int, int]) -> None:
        holdings, partition = self._holdings, self._partition
        life = partition.life
        async with self._reading:
            settled = self._carrier.settled()
            # Before anything else: what is answered meanwhile has come with what is read then.
            asked = partial(self._hub.errands, list(numbers))
            errands: list[Errand] = await run_in(self._lane, asked)
            pending, letters = await self._read(list(numbers))
            if life != partition.life:
                return
            self._errands.found(errands)
            first = not holdings.local
            self._carrier.raise_to(pending.position)
            holdings.run(numbers)
            if not first:
                self._note_inbox(pending.messages)
            self._bring_back(pending)
            self._carrier.receive(letters)
            for number in numbers:
                self._carrier.receive_own(number)
            self._carrier.forget_letters(settled)
        await self._restart_all(pending.open)

    async def _read(self, numbers: list[int]) -> tuple[Pending, list[Letter]]:
        """What there is to do in these partitions, and letters for those that run here as well.

        Some of their senders may have been elsewhere up to now.
        """
        later, local = self._partition.later, self._holdings.local
        while True:
            horizon = later.horizon
            recover = partial(self._hub.recover, horizon, numbers)
            pending: Pending = await run_in(self._lane, recover)
            arrived = partial(self._hub.arrived, [*local, *numbers], NOTHING)
            arrivals: Arrivals = await run_in(self._lane, arrived)
            if horizon == later.horizon:
                return pending, arrivals.letters

    @property
    def _carrier(self) -> LetterCarrier:
        carrier = self._partition.postman
        assert isinstance(carrier, LetterCarrier)  # noqa: S101 - made so for all who share
        return carrier

    def _begin_again(self, instance_id: str, execution_id: str, event: TaskScheduled) -> None:
        errands = self._errands
        if errands.knows(instance_id, execution_id, event):
            return
        if errands.concerned_by(event, recovered=True):
            errands.ask(instance_id, execution_id, event)
        else:
            super()._begin_again(instance_id, execution_id, event)

    def _note_inbox(self, rows: list[MessageRow]) -> None:
        self._ahead_of_all.update(row.position for row in rows if row.position < self._seen)

    def _accept(self, row: MessageRow) -> None:
        seen = self._seen
        super()._accept(row)
        if row.position in self._ahead_of_all:
            self._seen = seen

    def _due(self, since: int, until: int) -> Callable[[], Due]:
        return partial(self._hub.due, since, until, list(self._holdings.local))

    def _is_new(self, position: int, newest: int, seen: int) -> bool:
        return super()._is_new(position, newest, seen) or position in self._ahead_of_all

    # What comes from elsewhere

    async def poll(self) -> None:
        """Look for what has come, for ever: when that is heard of, and now and then."""
        version = -1
        backoff = Backoff(self._poll / 1_000_000, UNHEARD, SystemRandom().random)
        trouble = Trouble(self._clock, "look for what has come", backoff)
        while True:
            pause = max(self._poll, round(UNHEARD * 1_000_000))
            heard = self._membership.hears
            until = self._clock.now() + (pause if heard else self._poll)
            await self._clock.wait(self.bell, until, background=True)
            if self._partition.down is not None:
                continue
            try:
                if heard and self._clock.now() < until:
                    await self.fetch()
                elif (found := await run_in(self._lane, self._store.version)) != version:
                    self._errands.bell.ring()
                    await self.fetch()
                    version = found
            except Exception as error:  # noqa: BLE001 - the next look may do better
                await trouble.meet(error)
            else:
                trouble.end()

    async def fetch(self) -> None:
        """Bring in what has come up to now for partitions that run here."""
        partition, holdings = self._partition, self._holdings
        # One after the other, so that no earlier look comes back after a later one.
        async with self._reading:
            while True:
                life, changes = partition.life, holdings.changes
                settled = self._carrier.settled()
                arrived = partial(self._hub.arrived, list(holdings.local), self._seen)
                arrivals: Arrivals = await run_in(self._lane, arrived)
                if life != partition.life:
                    return
                if changes == holdings.changes:
                    break
            self._carrier.receive(arrivals.letters)
            self._carrier.forget_letters(settled)
            self._accept_all(arrivals.inbox)

    def _accept_all(self, rows: list[MessageRow]) -> None:
        for row in rows:
            if row.position in self._ahead_of_all:
                self._ahead_of_all.discard(row.position)
                self._seen = min(self._seen, row.position)
            else:
                self._accept(row)

    def forget(self) -> None:
        """Memory was dropped."""
        super().forget()
        self._ahead_of_all.clear()
