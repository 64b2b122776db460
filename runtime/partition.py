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

from ..actors.effects import AsyncOperation, Effects, Parked
from ..actors.entity import Entity
from ..actors.errors import PerdureError, StoreError
from ..actors.failure import details_of
from ..actors.history import (
    EntityOperationCalled,
    EntityOperationCompleted,
    EntityOperationFailed,
    ExecutionResumed,
    ExecutionRewound,
    ExecutionStarted,
    ExecutionTerminated,
    TimerFired,
)
from ..actors.messages import Message, hurried
from ..actors.orchestration import Orchestration
from ..actors.wire import write_event
from ..persistence.records import Stored, TimerRow
from ..persistence.store import Store
from .activities import Activities
from .admission import Admission
from .batch import Batch, turn_rows
from .clock import Bell, Clock
from .lanes import Lane
from .later import Later
from .observing import Audience
from .outcome import outcome_of
from .pipeline import Pipeline
from .reply import Reply
from .residents import Residents
from .restore import Restorer
from .seclusion import secluded
from .settings import Settings
from .slot import Slot
from .timers import Timers
from .watchers import MEMORY_LOST, Watchers

logger = logging.getLogger("perdure.runtime")

Answer = EntityOperationCompleted | EntityOperationFailed


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

    def __init__(
        self,
        store: Store,
        settings: Settings,
        clock: Clock,
        timers: Timers,
        restorer: Restorer,
        lanes: tuple[Lane, Lane],
        ready: ReadyQueue | None = None,
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
        self.later = Later(clock, timers, lambda: self.life, self.deliver)
        self.position = 0
        self.requests: set[Reply[Any]] = set()
        """Clients' requests that are not answered yet."""
        self.watchers = Watchers()
        self.callers: dict[str, Reply[Answer]] = {}
        self.lasting: set[Reply[Any]] = set()
        """Of the callers those whose question is durable; their answer comes after a recovery."""
        self.recovered = anyio.Event()
        """Set while clients are served, and once that is over for good."""
        self.audience: Audience | None = None
        """Who is told of turns once they are durable, if anybody is."""
        self._ready: ReadyQueue = ready if ready is not None else deque()
        self._group: anyio.abc.TaskGroup | None = None
        self._operations: set[anyio.CancelScope] = set()

    @property
    def batch(self) -> Batch:
        """What becomes durable next."""
        return self.pipeline.batch

    @property
    def life(self) -> int:
        """Counts recoveries: what was asked for in an earlier life is not wanted any more."""
        return self.residents.life

    @property
    def operations_running(self) -> int:
        """How many async entity operations run now."""
        return len(self._operations)

    @property
    def ready(self) -> int:
        """How many actors wait for their turn."""
        return len(self._ready)

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
        self._group = group
        self.activities = activities
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
        while self.down is None and (self._operations or not self.quiet):
            await self._resting.wait()

    def _take_turns(self) -> None:
        for _ in range(self._settings.turns_between_breaths):
            if not self._ready:
                return
            slot = self._ready.popleft()
            slot.queued = False
            if slot.actor is not None and not slot.busy and slot.parked is None:
                self._take_turn(slot, slot.actor)

    def _take_turn(self, slot: Slot, actor: Orchestration | Entity) -> None:
        try:
            if isinstance(actor, Orchestration):
                with self._secluded:
                    effects = actor.step(self._clock.now())
            else:
                effects = actor.step(self._clock.now())
        except Exception as error:
            logger.exception("a bug in the engine parks %s", slot.id)
            self.park(slot, Parked("engine error", str(details_of(error))))
            return
        if effects.operation is not None:
            self._operate(slot, actor, effects.operation)
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
            slot.queued = True
            self.residents.busy(slot)
            self._ready.append(slot)
            self.bell.ring()

    def park(self, slot: Slot, parked: Parked) -> None:
        """Let the actor wait for a mend, visibly."""
        known = slot.parked
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
            self.show(slot)
            self.queue(slot)

    def show(self, slot: Slot, now: int | None = None) -> None:
        """What queries can see of this actor has changed."""
        slot.updated = max(self._clock.now() if now is None else now, slot.updated)
        batch = self.pipeline.batch
        batch.touch(slot)
        batch.changed[slot.id] = slot

    # Effects

    def absorb(self, slot: Slot, effects: Effects) -> None:
        """Make a turn's effects part of the batch, and deliver what it sent inside."""
        batch = self.pipeline.batch
        if effects.reset:
            batch.reset(slot.id)
        for message in effects.taken:
            batch.touch(slot)
            batch.take(message)
            if isinstance(message.event, TimerFired) and _is_current(message, slot.actor):
                batch.cut_timer(slot.id, message.event.timer_id)
        actor = slot.actor
        if isinstance(actor, Orchestration):
            self._absorb_orchestration(batch, slot, actor, effects)
        if effects.changed:
            self.show(slot, effects.now)
        if effects.replies:
            self._reply(effects.replies, effects.taken)
        for message in effects.sent:
            self.send(message)
        if self.audience is not None:
            self.audience.turned(batch, actor, effects)

    def _absorb_orchestration(
        self, batch: Batch, slot: Slot, actor: Orchestration, effects: Effects
    ) -> None:
        if effects.turns:
            batch.touch(slot)
            rows = turn_rows(actor, effects.turns)
            batch.turns.setdefault(slot.id, []).extend(rows)
            self._warn_of_length(actor, len(rows))
        for timer in effects.timers_set:
            row = TimerRow(slot.id, timer.id, effects.execution_id, timer.fire_at)
            batch.set_timer(row)
            self.later.set(row)
        for timer_id in effects.timers_cut:
            batch.cut_timer(slot.id, timer_id)
            self.later.cut(slot.id, timer_id)
        execution_id = effects.execution_id
        for event in effects.activities:
            start = partial(self.activities.start, slot.id, execution_id, event)
            batch.when_durable.append(start)
        if effects.all_called_off:
            batch.when_durable.append(partial(self.activities.cancel_all, slot.id))
        for call_id in effects.called_off:
            cancel = partial(self.activities.cancel, slot.id, execution_id, call_id)
            batch.when_durable.append(cancel)

    def _warn_of_length(self, actor: Orchestration, added: int) -> None:
        limit = self._settings.history_warning
        if actor.turns_recorded - added < limit <= actor.turns_recorded:
            logger.warning(
                "%s %s has recorded %d turns; continue_as_new would keep its history short",
                actor.name,
                actor.id,
                actor.turns_recorded,
                extra={"instance_id": actor.id},
            )

    def _reply(self, answers: list[Answer], taken: list[Message]) -> None:
        """Answer clients here directly, and those outside through the store."""
        outside: set[str] | None = None
        for answer in answers:
            reply = self.callers.get(answer.request_id)
            if reply is not None:
                self.batch.when_durable.append(partial(self.settle, reply, answer))
                continue
            if outside is None:
                outside = {_request_of(message) for message in taken if message.position < 0}
            if answer.request_id in outside:
                self.batch.replies[answer.request_id] = write_event(answer)

    # Async entity operations

    def _operate(
        self, slot: Slot, actor: Orchestration | Entity, operation: AsyncOperation
    ) -> None:
        if self._group is None or not isinstance(actor, Entity):
            operation.coro.close()
            return
        slot.busy = True
        scope = anyio.CancelScope()
        self._operations.add(scope)
        self._group.start_soon(self._await_operation, slot, actor, operation, scope)

    async def _await_operation(
        self, slot: Slot, actor: Entity, operation: AsyncOperation, scope: anyio.CancelScope
    ) -> None:
        value: Any = None
        failure: BaseException | None = None
        if self.pipeline.instruments is not None:
            self.pipeline.instruments.operating(operation.message)
        try:
            with scope:
                value, failure = await outcome_of(operation.coro)
        finally:
            self._operations.discard(scope)
            self.bell.ring()
        if self.residents.slots.get(slot.id) is not slot:
            return
        slot.busy = False
        self.absorb(slot, actor.conclude(operation, value, failure, self._clock.now()))
        self.queue(slot)

    # Messages

    def send(self, message: Message) -> None:
        """Put a message into a mailbox, and deliver it if it is due."""
        self.position += 1
        message.position = self.position
        self.pipeline.batch.sent[message.position] = message
        self.later.deliver(message)

    def deliver(self, message: Message) -> None:
        """Give a message to its actor, once that is loaded."""
        slot = self.residents.slots.get(message.target)
        if slot is not None and slot.loaded:
            self._arrive(message, slot)
        else:
            self.residents.when_loaded(message.target, partial(self._arrive, message))

    def _arrive(self, message: Message, slot: Slot) -> None:
        event = message.event
        if isinstance(event, ExecutionStarted) and not self.admission.admits(slot, message, event):
            return
        if slot.actor is None and not self._revived(slot, event):
            self.batch.take(message)
            return
        actor = slot.actor
        assert actor is not None  # noqa: S101 - admission has seen to it
        if isinstance(event, ExecutionTerminated) and slot.parked is not None:
            actor.inbox.appendleft(message)
            slot.parked = None
        else:
            actor.inbox.append(message)
        if isinstance(event, ExecutionResumed):
            self.unpark(slot)
        self.queue(slot)

    def _revived(self, slot: Slot, event: object) -> bool:
        """A rewound parent's child that is not there any more begins anew, by its own message."""
        if isinstance(event, ExecutionRewound) and event.restart is not None:
            self.send(Message(slot.id, event.restart))
        return False

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
        slot.loaded = True
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
            self.residents.retire(slot)

    def fail(self, error: BaseException) -> None:
        """The store failed: drop memory and recover, as soon as the loop can."""
        self.pipeline.failure = error
        self.bell.ring()

    def when_all_durable(self, act: Callable[[], object]) -> None:
        """Call back once everything up to here is in the store."""
        self.batch.when_durable.append(act)
        self.bell.ring()

    def settle(self, reply: Reply[Any], value: Any) -> None:
        """Answer a client."""
        self.requests.discard(reply)
        reply.set(value)

    def refuse(self, reply: Reply[Any], error: BaseException) -> None:
        """Answer a client with an error."""
        self.requests.discard(reply)
        reply.fail(error)

    def refuse_once_durable(self, slot: Slot, reply: Reply[Any], error: BaseException) -> None:
        """Answer with an error that this actor's state is the reason for."""
        if slot.undurable:
            self.when_all_durable(partial(self.refuse, reply, error))
        else:
            self.refuse(reply, error)

    def forget(self, error: BaseException) -> None:
        """Drop all memory; clients that wait for an answer learn that it is unknown."""
        self.pipeline.drop()
        self.residents.drop_all()
        self._ready.clear()
        self.later.forget()
        self.callers = {key: r for key, r in self.callers.items() if r in self.lasting}
        if self.recovered.is_set():
            self.recovered = anyio.Event()
        for scope in self._operations:
            scope.cancel()
        unknown = (
            error if isinstance(error, PerdureError) else StoreError(f"the store failed: {error!r}")
        )
        self.down = unknown
        self._resting.ring()
        for reply in self.requests - self.lasting:
            self.refuse(reply, unknown)
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


def _request_of(message: Message) -> str:
    event = message.event
    return event.request_id if isinstance(event, EntityOperationCalled) else ""


def _is_current(message: Message, actor: Orchestration | Entity | None) -> bool:
    """Whether a fired timer is one that the store still has under its number.

    The numbers of an execution are given anew in the next one.
    """
    if not isinstance(actor, Orchestration):
        return False
    return message.execution_id == actor.execution_id or message.execution_id in actor.lineage
