"""The sweeper: deletes what has been kept for long enough, and is in nobody's way.

Everything that it does comes from rows, so that it goes on after a crash where it was. What is to
go is found through an index, and deleted by short transactions with long rests in between.
"""

import logging
from datetime import timedelta
from functools import partial

import anyio

from ..actors.entity import Entity
from ..actors.status import Status
from ..persistence.records import LONG_AGO, Ended, EntityRow, Page
from ..persistence.store import Store
from .client.gateway import LocalGateway
from .clock import Bell, Clock
from .engine.partition import Partition
from .engine.slot import Slot
from .retention import Retention

logger = logging.getLogger("perdure.runtime")

FOUND_AT_ONCE = 100
EVERY_ENTITY = "@"
RESTS_PER_STEP = 4
"""Four fifths of the time nothing is in the way of a lonely turn either."""
PAUSE_MAX = 1_000_000


class Sweeper:
    """Holds one runtime to its retention."""

    def __init__(
        self, retention: Retention, clock: Clock, gateway: LocalGateway, partition: Partition
    ) -> None:
        self._retention = retention
        self._clock = clock
        self._gateway = gateway
        self._partition = partition
        self._scope = anyio.CancelScope()
        self.purged = 0
        """How many orchestrations were deleted up to now."""
        self.entities_purged = 0
        """How many entities likewise."""
        self.working = False
        """Whether a sweep is under way, and does not rest just now."""
        self._took = 0
        """How long the last step of this sweep took."""

    async def run(self) -> None:
        """Sweep now and then, until it is told to stop."""
        never, interval = Bell(), _micros(self._retention.interval)
        with self._scope:
            while True:
                await self._sweep()
                until = self._clock.now() + interval
                await self._clock.wait(never, until, background=True)

    def stop(self) -> None:
        """Let the step that is being taken be the last one."""
        self._scope.cancel()

    async def _sweep(self) -> None:
        before = self.purged, self.entities_purged
        self.working, self._took = True, 0
        try:
            for status, period in self._retention.periods:
                await self._purge_ended(status, self._clock.now() - _micros(period))
            if self._retention.entities is not None:
                await self._purge_entities(self._clock.now() - _micros(self._retention.entities))
        except Exception as error:  # noqa: BLE001 - a store may raise anything
            logger.warning("retention is interrupted until the next sweep: %s", error)
        finally:
            self.working = False
        if before != (self.purged, self.entities_purged):
            text = "retention has deleted %d orchestrations and %d entities"
            logger.info(text, self.purged - before[0], self.entities_purged - before[1])

    # Orchestrations

    async def _purge_ended(self, status: Status, until: int) -> None:
        after: Ended = LONG_AGO
        while True:
            found = await self._gateway.read(partial(_ended, status, after))
            due = [instance_id for completed, instance_id in found if completed <= until]
            await self._purge([instance_id for instance_id in due if self._is_ours(instance_id)])
            if len(due) < FOUND_AT_ONCE:
                return
            after = found[-1]

    def _is_ours(self, actor_id: str) -> bool:
        """Whether no other worker sweeps it."""
        holdings = self._partition.holdings
        return holdings is None or holdings.has(actor_id)

    async def _purge(self, ids: list[str]) -> None:
        if not ids:
            return
        family = await self._gateway.read(lambda store: store.family(ids))
        # Children first: what is interrupted is found again by the parent. To whoever is in memory
        # something is being done just now, and be it that it is parked in the middle of it.
        resident = self._partition.residents.slots
        left = [instance_id for instance_id in reversed(family) if instance_id not in resident]
        while left:
            await self._rest()
            began = self._clock.now()
            purged = await self._gateway.purge(left)
            self._took = self._clock.now() - began
            self.purged += len(purged.gone)
            left = purged.left

    async def _rest(self) -> None:
        """Leave the store to others for most of the time, except before a sweep's first step."""
        if self._took:
            self.working = False
            pause = min(self._took * RESTS_PER_STEP, PAUSE_MAX)
            await self._clock.wait(Bell(), self._clock.now() + pause)
            self.working = True

    # Entities

    async def _purge_entities(self, until: int) -> None:
        token: str | None = None
        while True:
            page = await self._gateway.read(partial(_idle_entities, until, token))
            unheld = [row.id for row in page.rows if row.lock is None and row.parked is None]
            idle = list(filter(self._is_ours, unheld))
            await self._gateway.visit(idle, partial(self._let_go, until))
            token = page.token
            if token is None:
                return

    def _let_go(self, until: int, slot: Slot) -> None:
        """Delete the state, if nobody has touched it since, and nobody is about to."""
        actor = slot.actor
        if not isinstance(actor, Entity) or not slot.settled or slot.parked is not None:
            return
        if actor.state is not None and actor.lock is None and actor.updated <= until:
            actor.state = None
            actor.detach()
            self._partition.show(slot)
            self.entities_purged += 1


def _ended(status: Status, after: Ended, store: Store) -> list[Ended]:
    return store.ended(status, after, FOUND_AT_ONCE)


def _idle_entities(until: int, token: str | None, store: Store) -> Page[EntityRow]:
    return store.entities(EVERY_ENTITY, FOUND_AT_ONCE, token, updated_to=until)


def _micros(duration: timedelta) -> int:
    return duration // timedelta(microseconds=1)
