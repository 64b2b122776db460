"""What a runtime has because it is one of several workers of a hub."""

import anyio

from ...actors.app import App
from ...actors.repertoire import Repertoire, written
from ...persistence.records import Roster
from ...persistence.sharing import SharedStore
from ..activities import Activities
from ..client.courier import Courier
from ..client.gateway import LocalGateway
from ..client.store_gateway import StoreGateway
from ..engine.partition import Partition
from ..engine.timers import Timers
from ..lanes import Lane
from ..settings import Settings
from .errands import Errands
from .holdings import Holdings
from .lookout import Lookout
from .porter import Porter
from .shared_gateway import SharedGateway
from .shared_recovery import SharedRecovery
from .shares import Shares


class Crew:
    """One worker's place among the others; made on the thread of the commits."""

    def __init__(self, store: SharedStore, settings: Settings, app: App) -> None:
        self._store = store
        self._settings = settings
        # As it is now: what is registered later is not known to the others.
        repertoire = Repertoire.of(app)
        self._membership = store.enter(
            settings.worker_lease, settings.worker_heartbeat, written(repertoire.definitions)
        )
        self.holdings = Holdings(self._membership.id, store.partitions, store.partition_of)
        self.holdings.code.own = repertoire

    def join(
        self,
        here: LocalGateway,
        partition: Partition,
        activities: Activities,
        timers: Timers,
        lanes: tuple[Lane, Lane, Lane, Lane],
    ) -> SharedGateway:
        """Put together what brings work here and sends it elsewhere; returns the way in."""
        writer, loader, reader, poster = lanes
        clock, holdings, membership = here.clock, self.holdings, self._membership
        errands = Errands(here.app, holdings, timers)
        errands.serve(partition)
        self.recovery = SharedRecovery(
            self._store,
            self._settings,
            clock,
            timers,
            (writer, loader),
            partition,
            holdings,
            membership,
            errands,
        )
        self._porter = Porter(here.app, membership, errands, activities, clock, loader)
        self._lookout = Lookout(self._store, clock, reader, lambda: membership.hears)
        self._shares = Shares(
            membership,
            holdings,
            partition,
            self.recovery,
            self._lookout,
            self._porter,
            clock,
            writer,
        )
        self._courier = Courier(self._store, poster)
        post = self._courier.post
        afar = StoreGateway(here.app, clock, here.new_id, self._store, reader, post)
        return SharedGateway(here, afar, partition, holdings, self.recovery, self._lookout)

    @property
    def roster(self) -> Roster | None:
        """As of the last heartbeat; None before the first."""
        return self._shares.roster

    async def enter(self) -> None:
        """Take what is free of this worker's share, and recover it."""
        await self._shares.enter()

    async def run(self) -> None:
        """Be one of the workers, until it is cancelled."""
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._lookout.run)
                group.start_soon(self._shares.run)
                group.start_soon(self._porter.run)
        finally:
            self._courier.close()

    def leave(self) -> None:
        """Let the others have everything."""
        self._membership.leave()
