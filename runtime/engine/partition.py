"""A partition: the actors of one owner, their mailboxes, and the one loop that takes turns.

1.  Messages between its actors are delivered in memory at once; what the outside can see waits in
    the batch until it is durable.
2.  One loop takes turns, in the order in which actors became ready, and hands batches over.
3.  A failed commit drops all memory and recovers it from the store; there is no other way back.
4.  One message at a time: an actor takes its next turn after this one, and async operations run
    beside the loop while it waits for them.
"""

import logging
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import anyio
import anyio.abc
import anyio.lowlevel

from ...actors.effects import Parked
from ...actors.entity import Entity
from ...actors.errors import PerdureError, StoreError
from ...actors.failure import details_of
from ...actors.history import TaskCompleted, TaskFailed
from ...actors.messages import Message, hurried
from ...actors.orchestration import Orchestration
from ...persistence.records import Stored
from ...persistence.store import Store
from ..activities import Activities
from ..clock import Bell, Clock
from ..lanes import Lane
from ..settings import Settings
from ..sharing.errands import Errands
from ..sharing.holdings import Holdings, MovedError
from ..sharing.letters import LetterCarrier
from .admission import Admission
from .batch import Batch
from .bookkeeper import Answer, Bookkeeper
from .later import Later
from .observing import Audience
from .operations import Operations
from .pipeline import Pipeline
from .postman import Postman
from .reply import Reply
from .residents import Residents
from .restore import Restorer
from .seclusion import secluded
from .slot import Slot
from .timers import Timers
from .watchers import MEMORY_LOST, Watchers

logger = logging.getLogger("perdure.runtime")


MANY = "*"
"""In place of an actor's id: the request is for several."""


class ReadyQueue(Protocol):
    """Chooses which ready actor goes next; a simulation may choose otherwise."""

    def append(self, slot: Slot, /) -> None:
        """This one has become ready."""
        ...

    def popleft(self) -> Slot:
        """The next one."""
        ...

    def __len__(self) -> int: ...

    def clear(self) -> None:
        """None is ready any more."""
        ...


class Partition:
    """All actors of a single-owner store."""

    restoring = False
    """Whether actors are being brought back while others go on."""
    errands: Errands | None = None
    """What other workers of the hub may do for the actors here."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        clock: Clock,
        timers: Timers,
        restorer: Restorer,
        lanes: tuple[Lane, Lane],
        ready: ReadyQueue | None = None,
        holdings: Holdings | None = None,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._restorer = restorer
        self.bell = Bell()
        self._resting = Bell()
        self.pipeline = Pipeline(store, lanes[0], self.bell.ring)
        self.activities: Activities
        self.admission = Admission(self, restorer)
        self.down: PerdureError | None = StoreError("the runtime is starting")
        """Why clients cannot be served, while they cannot."""
        self.residents = Residents(
            store, lanes[1], settings.resident_max, self._settle_in, self.bell.ring
        )
        self._bookkeeper = Bookkeeper(self, settings)
        self.absorb = self._bookkeeper.absorb
        """Make a turn's effects part of the batch, and deliver what it sent."""
        self.holdings = holdings
        """Which partitions of a hub the actors are of, if other workers have the others."""
        self.postman = Postman(self) if holdings is None else LetterCarrier(self, holdings)
        self.send, self.deliver = self.postman.send, self.postman.deliver
        self.later = Later(clock, timers, self._life_of, self.deliver)
        self.operations = Operations(self)
        self.requests: dict[Reply[Any], str | None] = {}
        """Clients' requests that are not answered yet, each with the actor that it is for."""
        self.watchers = Watchers()
        self.callers: dict[str, Reply[Answer]] = {}
        self.lasting: set[Reply[Any]] = set()
        """Of the callers those whose question is durable; their answer comes after a recovery."""
        self.reported: set[tuple[str | None, int, int]] = set()
        """Attempts of activities that have ended, which histories that are being read do not say
        yet."""
        self.recovered = anyio.Event()
        """Set while clients are served, and once that is over for good."""
        self.audience: Audience | None = None
        """Who is told of turns once they are durable, if anybody is."""
        self._ready: ReadyQueue = ready if ready is not None else deque()
        if holdings is not None:
            self.residents.stranger = holdings.lacks
            self.pipeline.seal = holdings.sealed

    @property
    def batch(self) -> Batch:
        """What becomes durable next."""
        return self.pipeline.batch

    @property
    def life(self) -> int:
        """Counts recoveries: what was asked for in an earlier life is not wanted any more."""
        return self.residents.life

    @property
    def ready(self) -> int:
        """How many actors wait for their turn."""
        return len(self._ready)

    def _life_of(self, target: str) -> object:
        """Differs once what was asked for in the name of this actor is not wanted any more."""
        holdings = self.holdings
        if holdings is None:
            return self.life
        number = holdings.number_of(target)
        return self.life, number in holdings.local and holdings.epochs.get(number)

    def now(self) -> int:
        """The current time."""
        return self._clock.now()

    @property
    def quiet(self) -> bool:
        """Whether nothing is to be done right now, and everything is durable."""
        if self.down is not None:
            return True
        return not (self._ready or self.residents.loading) and self.pipeline.idle

    def open(self, group: anyio.abc.TaskGroup, activities: Activities) -> None:
        """Run async operations in this task group, and activities there."""
        self.operations.open(group)
        self.activities = activities
        if self.holdings is not None:
            activities.leaving = self.holdings.is_leaving
        self._secluded = secluded()

    # The loop

    async def run(self) -> None:
        """Take turns until a commit fails; returns why."""
        while self.pipeline.failure is None:
            self._release()
            if (error := self.residents.finish_loading()) is not None:
                self.fail(error)
                continue
            self._take_turns()
            self.residents.begin_loading()
            self.pipeline.flush()
            if self._ready:
                await anyio.lowlevel.checkpoint()
            else:
                self._resting.ring()
                await self.bell.wait()

    async def settled(self) -> None:
        """Return once nothing is left to do and all is durable, or the store has failed."""
        while self.down is None and (self.operations.running or not self.quiet):
            await self._resting.wait()

    def _take_turns(self) -> None:
        now = self._clock.now()
        for _ in range(self._settings.turns_between_breaths):
            if not self._ready:
                return
            slot = self._ready.popleft()
            slot.queued = False
            if slot.actor is not None and not slot.busy and slot.parked is None:
                self._take_turn(slot, slot.actor, now)

    def _take_turn(self, slot: Slot, actor: Orchestration | Entity, now: int) -> None:
        try:
            if isinstance(actor, Orchestration):
                with self._secluded:
                    effects = actor.step(now)
            else:
                effects = actor.step(now)
        except Exception as error:
            logger.exception("a bug in the engine parks %s", slot.id)
            self.park(slot, Parked("engine error", str(details_of(error))))
            return
        if effects.operation is not None:
            self.operations.begin(slot, actor, effects.operation)
        else:
            self.absorb(slot, effects)
            if effects.parked is not None and not hurried(actor.inbox):
                self.park(slot, effects.parked)
            elif effects.reload:
                self.when_all_durable(partial(self._load_anew, slot, actor))
            elif actor.inbox:
                self.queue(slot)

    def queue(self, slot: Slot) -> None:
        """Let the actor take a turn."""
        if not slot.queued and not slot.busy:
            slot.queued = slot.used = True
            self._ready.append(slot)
            self.bell.ring()

    def park(self, slot: Slot, parked: Parked) -> None:
        """Let the actor wait for a mend, visibly."""
        known = slot.parked
        if self.holdings is not None and slot.actor is not None:
            parked = self.holdings.code.explained(slot.actor, parked)
        slot.parked = parked
        if known is None or known.message != parked.message:
            logger.warning("%s is parked: %s", slot.id, parked.message)
            self.show(slot)
            if self.audience is not None:
                self.audience.parked(self.batch, slot.actor, parked)

    def unpark(self, slot: Slot) -> None:
        """Let a parked actor try again."""
        if slot.parked is not None:
            slot.parked = None
            if self.holdings is not None:
                self.holdings.code.missed.pop(slot.id, None)
            self.show(slot)
            self.queue(slot)

    def show(self, slot: Slot, now: int | None = None) -> None:
        """What queries can see of this actor has changed."""
        slot.updated = max(self._clock.now() if now is None else now, slot.updated)
        batch = self.pipeline.batch
        batch.touch(slot)
        batch.changed[slot.id] = slot

    # Loading

    def _load_anew(self, slot: Slot, actor: Orchestration | Entity) -> None:
        if self.residents.slots.get(slot.id) is slot:
            waiting = list(actor.inbox)
            self.residents.drop(slot)
            for message in waiting:
                self.deliver(message)

    def _settle_in(self, slot: Slot, record: Stored) -> None:
        restored = self._restorer.actor(slot.id, record)
        slot.actor, slot.parked, slot.updated = restored.actor, restored.parked, restored.updated
        slot.loaded, slot.damage = True, record.damage
        if record.instance is not None:
            slot.stored_execution = record.instance.execution_id
        if restored.found_broken is not None:
            self.park(slot, restored.found_broken)
        if restored.replaced is not None:
            self.admission.end_replaced(slot, restored.replaced)
        if restored.stale:
            self.batch.touch(slot)
            self.batch.reset(slot.id)

    # What is durable

    def _release(self) -> None:
        durable = self.pipeline.take_durable()
        if durable is None:
            return
        batch, commit = durable
        for act in batch.when_durable:
            act()
        self.watchers.tell_of_commit(commit, batch.touched)
        for slot in batch.touched.values():
            slot.undurable -= 1
            if not (slot.undurable or slot.queued):
                self.residents.retire(slot)

    def fail(self, error: BaseException) -> None:
        """The store failed: drop memory and recover, as soon as the loop can."""
        self.pipeline.failure = error
        self.bell.ring()

    def when_all_durable(self, act: Callable[[], object]) -> None:
        """Call back once everything up to here is in the store."""
        self.batch.when_durable.append(act)
        self.bell.ring()

    async def all_durable(self) -> None:
        """Return once everything up to here is in the store; raises what made memory be dropped."""
        reply: Reply[bool] = Reply()
        self.requests[reply] = None
        self.when_all_durable(partial(self.settle, reply, True))
        try:
            await reply.wait()
        finally:
            self.requests.pop(reply, None)

    def settle(self, reply: Reply[Any], value: Any) -> None:
        """Answer a client."""
        self.requests.pop(reply, None)
        reply.set(value)

    def refuse(self, reply: Reply[Any], error: BaseException) -> None:
        """Answer a client with an error."""
        self.requests.pop(reply, None)
        reply.fail(error)

    def refuse_once_durable(self, slot: Slot, reply: Reply[Any], error: BaseException) -> None:
        """Answer with an error that this actor's state is the reason for."""
        if slot.undurable:
            self.when_all_durable(partial(self.refuse, reply, error))
        else:
            self.refuse(reply, error)

    def report(self, message: Message) -> None:
        """Deliver what became of an activity, and note it for a recovery that is under way."""
        self.note(message)
        self.deliver(message)

    def note(self, message: Message) -> None:
        """If this is what became of an activity, do not begin it again now."""
        if not (self.restoring or self.down is not None):
            return
        event = message.event
        if isinstance(event, (TaskCompleted, TaskFailed)):
            self.reported.add((message.execution_id, event.task_id, event.attempt))

    def forget(self, error: BaseException) -> None:
        """Drop all memory; clients that wait for an answer learn that it is unknown."""
        self.pipeline.drop()
        self.residents.drop_all()
        self._ready.clear()
        self.later.forget()
        self.postman.forget()
        if self.holdings is not None:
            self.holdings.forget()
        if self.errands is not None:
            self.errands.forget()
        self.reported.clear()
        self.callers = {key: r for key, r in self.callers.items() if r in self.lasting}
        if self.recovered.is_set():
            self.recovered = anyio.Event()
        self.operations.cancel()
        unknown = (
            error if isinstance(error, PerdureError) else StoreError(f"the store failed: {error!r}")
        )
        self.down = unknown
        self._resting.ring()
        for reply in [reply for reply in self.requests if reply not in self.lasting]:
            self.refuse(reply, unknown)
        for reply in self.watchers.replies:
            reply.set(MEMORY_LOST)

    # Handing over

    def freeze(self, gone: Callable[[str], bool]) -> None:
        """These actors take no turn any more; what they did before is still to become durable."""
        self.operations.cancel_those(gone)
        for slot in [slot for slot in self.residents.slots.values() if gone(slot.id)]:
            if slot.loaded:
                slot.busy = True
            else:
                self.residents.drop(slot)

    def let_go(self, gone: Callable[[str], bool]) -> None:
        """Forget these actors, all of whose turns are durable; others run them from now on."""
        for slot in [slot for slot in self.residents.slots.values() if gone(slot.id)]:
            self.residents.drop(slot)
        if self.holdings is not None:
            self.holdings.code.forget_those(gone)
        self.activities.cancel_those(gone)
        self.later.forget_those(gone)
        if self.errands is not None:
            self.errands.forget_those(gone)
        self.redirect(gone)

    def redirect(self, gone: Callable[[str], bool]) -> None:
        """Let clients who wait for these actors do so elsewhere."""
        for reply, target in list(self.requests.items()):
            if target == MANY or (target is not None and gone(target)):
                self.refuse(reply, MovedError("other workers run what was asked for"))
        for reply in self.watchers.replies:
            reply.set(MEMORY_LOST)

    def close(self, error: PerdureError) -> None:
        """Nobody takes turns any more; whoever waits for something learns that."""
        for reply in self.watchers.replies:
            reply.fail(error)
        self.lasting.clear()
        self.forget(error)
        self.down = error
        self.recovered.set()
