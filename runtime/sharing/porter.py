"""The porter: takes errands, as many as there is room for, and says what became of them.

1.  Who can run an activity takes an even share of what waits, and more only after a pause: so the
    many activities of one orchestration go to all who have room.
2.  What has been taken is what the store says. It is compared with what is run here whenever that
    may differ: what is not known here begins, what is not ours any more is called off.
3.  An outcome is kept until its answer is durable. Where a commit fails it is given once more, as
    activities run for hours and databases are restarted.
"""

import logging
from functools import partial
from random import SystemRandom

from attrs import define

from ...actors.app import App
from ...actors.history import TaskScheduled
from ...actors.messages import Message
from ...actors.repertoire import Needed
from ...actors.wire import UnreadableEventError, read_event
from ...persistence.records import Errand, ErrandKey, Hint, Roster, Waiting
from ...persistence.sharing import Membership
from ..activities import Activities
from ..backoff import Backoff, Trouble
from ..clock import Clock
from ..lanes import Lane, run_in
from .errands import Errands

logger = logging.getLogger("perdure.activity")

PAUSE = 100_000
"""So long who has taken its share leaves the rest to others."""

Attempt = tuple[str, str, int, int]
"""Instance, execution, task and number."""


@define(eq=False)
class Taken:
    """An errand that is this worker's."""

    attempt: Attempt
    key: ErrandKey
    outcome: Message | None = None
    answered: int = -1
    """In which life it was; in a later one that has to be done again."""


class Porter:
    """Sees to the errands that one worker runs, for itself and for others."""

    def __init__(
        self,
        app: App,
        membership: Membership,
        errands: Errands,
        activities: Activities,
        clock: Clock,
        lane: Lane,
    ) -> None:
        self._app = app
        self._membership = membership
        self._errands = errands
        self._activities = activities
        self._clock = clock
        self._lane = lane
        self._bell = errands.bell
        self._taken: dict[Attempt, Taken] = {}
        self._again: int | None = None
        """When to look next, if nothing happens before."""
        self._hungry = False
        """Whether errands wait for which there was no room."""
        self._unsure = False
        """Whether the store may know of others than those above."""
        self._left_behind = False
        self._life = 0
        activities.freed = self._freed

    # What is heard

    def cares(self, hint: Hint) -> bool:
        """Whether this is news; may be asked on any thread."""
        return (hint.asked and bool(self._app.activities)) or (hint.withdrawn and bool(self._taken))

    def hear(self, hint: Hint) -> None:
        """Errands may be there to take, or may be nobody's any more."""
        self._unsure |= hint.withdrawn
        self._bell.ring()

    def met(self, roster: Roster) -> None:
        """See what a heartbeat has brought along."""
        self._left_behind = roster.left_behind
        if roster.errands != len(self._taken):
            self._unsure = True
        if self._unsure or roster.waiting or roster.left_behind:
            self._bell.ring()

    def _freed(self) -> None:
        if self._hungry:
            self._bell.ring()

    # Taking

    async def run(self) -> None:
        """Take errands, for ever."""
        trouble = Trouble(self._clock, "take errands", Backoff(0.05, 5.0, SystemRandom().random))
        partition = self._errands.partition
        while True:
            await self._clock.wait(self._bell, self._again, background=True)
            self._again = None
            if partition.down is not None:
                continue  # It rings again once that is over.
            self._unsure |= self._life != partition.life
            self._life = partition.life
            try:
                if self._unsure:
                    await self._compare()
                await self._take()
            except Exception as error:  # noqa: BLE001 - the next look may do better
                # Some may have been taken all the same.
                self._unsure = True
                await trouble.meet(error)
                self._bell.ring()
            else:
                trouble.end()

    async def _take(self) -> None:
        membership, now = self._membership, self._clock.now()
        if not self._app.activities or self._activities.draining:
            return
        if self._left_behind:
            await run_in(self._lane, partial(membership.take, {}, now, left_behind=True))
            self._left_behind = False
        names = list(self._app.activities)
        idle: Waiting = await run_in(self._lane, partial(membership.waiting, names, now))
        waiting, self._again = idle.counts, idle.next_due
        wanted = self._activities.fitting(
            {name: self._share(name, count) for name, count in waiting.items()}
        )
        found: list[Errand] = []
        if wanted:
            found = await run_in(self._lane, partial(membership.take, wanted, now))
        for errand in found:
            self._begin(errand)
        self._hungry = sum(waiting.values()) > len(found)
        if self._hungry and self._activities.fitting(waiting):
            self._again = now + PAUSE

    def _share(self, name: str, count: int) -> int:
        sharers = self._errands.code.sharers(Needed("activity", name))
        return -(-count // sharers)

    def _begin(self, errand: Errand) -> None:
        attempt = _attempt(errand)
        if (known := self._taken.get(attempt)) is not None:
            # It was ours before, and nobody else's meanwhile.
            known.key = errand.key
            self._answer(known)
            return
        self._taken[attempt] = taken = Taken(attempt, errand.key)
        try:
            event = read_event(errand.body)
        except UnreadableEventError:
            logger.exception("an errand of %s is unreadable and stays", errand.instance_id)
            return
        if isinstance(event, TaskScheduled):
            told = partial(self._ended, taken)
            self._activities.start(errand.instance_id, errand.execution_id, event, told=told)

    # What became of it

    def _ended(self, taken: Taken, outcome: Message) -> None:
        taken.outcome = outcome
        if self._taken.get(taken.attempt) is taken:
            self._answer(taken)

    def _answer(self, taken: Taken) -> None:
        partition, outcome = self._errands.partition, taken.outcome
        if outcome is None or partition.down is not None or taken.answered == partition.life:
            return
        taken.answered = partition.life
        told = Message(outcome.target, outcome.event, outcome.execution_id)
        self._errands.carrier.answer(taken.key, told)
        partition.when_all_durable(partial(self._settled, taken))

    def _settled(self, taken: Taken) -> None:
        if self._taken.get(taken.attempt) is taken:
            del self._taken[taken.attempt]

    async def _compare(self) -> None:
        """Run what is this worker's, and nothing else."""
        before = list(self._taken.values())
        known = [taken.key for taken in before]
        rows: list[Errand] = await run_in(self._lane, partial(self._membership.taken, known))
        self._unsure = False
        found = {_attempt(errand): errand for errand in rows}
        for taken in before:
            if taken.attempt in found:
                self._answer(taken)
            elif taken.answered != self._errands.partition.life:
                self._settled(taken)
                self._activities.cancel(*taken.attempt)
        for attempt, errand in found.items():
            if attempt not in self._taken and errand.body:
                self._begin(errand)


def _attempt(errand: Errand) -> Attempt:
    return errand.instance_id, errand.execution_id, errand.task_id, errand.attempt
