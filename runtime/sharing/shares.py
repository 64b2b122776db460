"""An even share of a hub's partitions for each of its workers, who come and go.

A heartbeat tells who is alive. Who has more than its share, or lacks code that is needed there and
that others have, hands some over: their actors take no
more turns, what they did becomes durable, they leave memory, and the partitions are free. Who has
less claims what is free. Meanwhile everything else goes on.
"""

import logging
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from functools import partial

from ...actors.errors import StoreError
from ...persistence.records import LISTENING_EVERY, Hint, Roster
from ...persistence.sharing import Membership
from ..clock import Bell, Clock
from ..engine.partition import Partition
from ..lanes import Lane, loop_door, run_in
from .apportionment import Apportionment
from .holdings import Holdings
from .lookout import Lookout
from .misfits import Misfits
from .porter import Porter
from .shared_recovery import SharedRecovery

logger = logging.getLogger("perdure.runtime")

GRACE = 2_000_000
"""So long activities may go on before their partition is handed over; longer ones begin anew."""
LOOK = 20_000


class Shares:
    """Sees to the share of one worker."""

    def __init__(
        self,
        membership: Membership,
        holdings: Holdings,
        partition: Partition,
        recovery: SharedRecovery,
        lookout: Lookout,
        porter: Porter,
        clock: Clock,
        lane: Lane,
    ) -> None:
        self._membership = membership
        self._holdings = holdings
        self._partition = partition
        self._recovery = recovery
        self._lookout = lookout
        self._porter = porter
        self._clock = clock
        self._lane = lane
        self._news = holdings.code.bell
        self._misfits = Misfits(holdings, partition.residents)
        self.roster: Roster | None = None
        """As of the last heartbeat."""

    async def enter(self) -> None:
        """Be one of the workers, with what is free for it to have."""
        roster: Roster = await run_in(self._lane, self._membership.beat)
        self.roster = roster
        self._holdings.accompanied = len(roster.alive) > 1
        self._listened_until = 0
        self._holdings.code.met(roster, self._membership.id)
        if wanted := self._apportionment(roster).wanted():
            await run_in(self._lane, partial(self._membership.claim, wanted))
        await self._recovery.run()
        post = loop_door()

        def on_loop(act: Callable[[], object]) -> None:
            # When the loop is gone, so is everyone who would care.
            with suppress(Exception):
                post(act)

        def told(hint: Hint) -> None:
            # Most of what is heard concerns others only: the loop is not to be woken for that.
            if not hint.come.isdisjoint(self._holdings.local):
                on_loop(self._recovery.bell.ring)
            if self._porter.cares(hint):
                on_loop(partial(self._porter.hear, hint))
            if self._lookout.cares(hint.changed):
                on_loop(partial(self._lookout.hear, hint.changed))
            if hint.listening:
                on_loop(self._listened)

        self._membership.watch(lambda roster: on_loop(partial(self._met, roster)), told)

    def _met(self, roster: Roster) -> None:
        self.roster = roster
        self._holdings.accompanied = (
            len(roster.alive) > 1 or self._clock.now() < self._listened_until
        )
        self._holdings.code.met(roster, self._membership.id)
        self._porter.met(roster)
        self._news.ring()

    def _listened(self) -> None:
        """A client hears what is told, until it has not said so for a while."""
        self._listened_until = self._clock.now() + round(3 * LISTENING_EVERY * 1_000_000)
        self._holdings.accompanied = True

    async def run(self) -> None:
        """Keep to an even share, for ever."""
        while True:
            await self._news.wait()
            roster = self.roster
            if roster is None or self._partition.down is not None:
                continue
            try:
                if self._differs(roster):
                    # It may have been read before the last change of ours.
                    await self._balance(await run_in(self._lane, self._membership.beat))
            except Exception as error:  # noqa: BLE001 - the next heartbeat may do better
                logger.warning("cannot see to an even share of the partitions: %s", error)

    def _apportionment(self, roster: Roster) -> Apportionment:
        holdings = self._holdings
        return Apportionment(holdings.worker, holdings.size, roster, holdings.code)

    def _differs(self, roster: Roster) -> bool:
        holdings, fair = self._holdings, self._apportionment(roster)
        return bool(
            roster.owned != holdings.epochs
            or fair.surplus(holdings.local, self._misfits.used)
            or fair.wanted()
            or self._misfits.due(roster, self._clock.now())
        )

    async def _balance(self, roster: Roster) -> None:
        holdings, partition = self._holdings, self._partition
        if partition.down is not None:
            return
        holdings.code.met(roster, holdings.worker)
        fair = self._apportionment(roster)
        lost = [n for n, epoch in holdings.epochs.items() if roster.owned.get(n) != epoch]
        if lost:
            # What is being written now may have come before that: nobody knows.
            partition.fail(StoreError(f"other workers have taken over the partitions {lost}"))
            return
        if strays := roster.owned.keys() - holdings.epochs.keys():
            # Claimed by a call whose answer was lost.
            await run_in(self._lane, partial(self._membership.release, strays))
        elif needs := self._misfits.due(roster, self._clock.now()):
            await self._hand_over(frozenset(needs), needs)
            self._misfits.gave_up(needs)
        elif surplus := fair.surplus(holdings.local, self._misfits.used):
            await self._hand_over(frozenset(surplus))
        elif wanted := fair.wanted():
            await self._claim(wanted)

    async def _claim(self, wanted: Collection[int]) -> None:
        holdings, partition = self._holdings, self._partition
        life = partition.life
        holdings.joining = {number: [] for number in wanted}
        # What was sent there before is durable, so that it is read; the rest is noted.
        await partition.all_durable()
        claimed = await run_in(self._lane, partial(self._membership.claim, wanted))
        if life != partition.life:
            return
        holdings.epochs.update(claimed)
        for number in set(wanted) - claimed.keys():
            holdings.joining.pop(number, None)
        if claimed:
            self._misfits.taken(claimed, self._clock.now())
            try:
                await self._recovery.take_in(claimed)
            except Exception as error:
                # Half of it may be here: what is held is recovered as a whole.
                partition.fail(error)
                raise
            self._lookout.look_again()
            logger.info("this worker has taken the partitions %s", sorted(claimed))

    async def _hand_over(
        self, numbers: frozenset[int], needs: Mapping[int, str] | None = None
    ) -> None:
        holdings, partition = self._holdings, self._partition
        life = partition.life

        def gone(actor_id: str) -> bool:
            return holdings.number_of(actor_id) in numbers

        holdings.leaving = numbers
        await self._let_activities_end(gone)
        if life != partition.life:
            return
        holdings.halt(numbers)
        partition.freeze(gone)
        await partition.all_durable()
        if life != partition.life:
            return
        partition.let_go(gone)
        holdings.give_up(numbers)
        await run_in(self._lane, partial(self._membership.release, numbers, needs))
        logger.info("this worker has handed over the partitions %s", sorted(numbers))

    async def _let_activities_end(self, gone: Callable[[str], bool]) -> None:
        until = self._clock.now() + GRACE
        while self._partition.activities.executing_for(gone) and self._clock.now() < until:
            await self._clock.wait(Bell(), self._clock.now() + LOOK)
