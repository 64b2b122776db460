"""The entity actor: a batch of operations in, one snapshot out.

1.  Operations run one at a time, in the order of arrival. One that raises leaves no trace: state,
    signals and starts are as before it; its caller gets the failure.
2.  While a critical section holds the entity, only operations of its owner run; the rest waits in
    order, and is first when the lock is given back.
3.  A lock request takes the entity and travels on to the next of its set; the last one tells the
    orchestration. A withdrawal follows on the same way, so that it can never overtake.
4.  The state is written after each operation, so that what cannot be written fails the operation
    that made it; the snapshot is stored once per batch.
5.  An async operation is a turn of its own: nothing else is taken until it has ended.
6.  State that the code at hand cannot read parks the entity.
"""

import logging
from collections import deque
from collections.abc import Callable
from inspect import iscoroutine
from typing import Any

import orjson
from attrs import Factory, define, evolve, field

from .app import App
from .definitions import EntityDefinition, Operation
from .effects import AsyncOperation, Effects, Parked
from .entity_context import EntityContext
from .errors import DefinitionNotFoundError, PayloadError
from .failure import FailureDetails, details_of
from .history import (
    EntityLockGranted,
    EntityLockRequested,
    EntityOperationCalled,
    EntityOperationCompleted,
    EntityOperationFailed,
    EntityOperationSignaled,
    EntityUnlockSent,
    Payload,
)
from .identity import EntityId
from .messages import Message
from .moments import micros
from .passages import operated
from .trace import TraceContext

logger = logging.getLogger("perdure.entity")

Request = EntityOperationCalled | EntityOperationSignaled


@define
class Lock:
    """Which critical section holds an entity."""

    critical_section_id: str
    owner: str
    """The orchestration's instance id."""

    def write(self) -> str:
        """As text, for the snapshot."""
        return orjson.dumps([self.critical_section_id, self.owner]).decode()

    @classmethod
    def read(cls, text: str) -> "Lock":
        """The reverse of `write`."""
        return cls(*orjson.loads(text))


def _nowhere(_: str) -> bool:
    return False


@define(eq=False)
class Entity:
    """One entity in memory. `step` takes from `inbox`."""

    id: str
    app: App
    new_id: Callable[[], str]
    batch_max: int
    """How many operations one turn may run."""
    state: Payload = None
    lock: Lock | None = None
    updated: int = 0
    inbox: deque[Message] = Factory(deque[Message])
    found_elsewhere: Callable[[str], bool] = _nowhere
    """Whether others have the code that is missing here, so that nothing is refused for that."""
    unreadable: Parked | None = None
    """Why its snapshot cannot be relied on; then nothing is possible."""
    entity_id: EntityId = field(init=False)
    _live: Any = None
    _waiting: deque[Message] = Factory(deque[Message])

    def __attrs_post_init__(self) -> None:
        self.entity_id = EntityId.parse(self.id)

    @property
    def codec(self) -> Any:
        """The app's codec."""
        return self.app.codec

    @property
    def idle(self) -> bool:
        """Whether it holds no message."""
        return not self.inbox and not self._waiting

    @property
    def remembered(self) -> Payload:
        """The state in memory, written anew: `state` once more, unless something is wrong."""
        if self._live is None:
            return self.state
        return self.app.codec.write(self._live, f"state of {self.entity_id}")

    @property
    def backlog(self) -> int:
        """How many messages it has not taken."""
        return len(self.inbox) + len(self._waiting)

    def close(self) -> None:
        """Let go of the state in memory."""
        self._live = None

    def detach(self) -> None:
        """The state was replaced as a whole; what is in memory is read from it anew."""
        self._live = None

    def step(self, now: int) -> Effects:
        """Take what waits in the inbox, up to the batch's limit or an async operation."""
        effects = Effects(now, parked=self.unreadable)
        if effects.parked is not None:
            return effects
        position = 0
        while self.inbox and position < self.batch_max:
            message = self.inbox.popleft()
            event = message.event
            if isinstance(event, (EntityOperationCalled, EntityOperationSignaled)):
                if self._must_wait(event):
                    self._waiting.append(message)
                elif not self._operate(message, event, position, effects):
                    break
                position += 1
            else:
                self._take_other(message, effects)
        return effects

    def _take_other(self, message: Message, effects: Effects) -> None:
        event = message.event
        if isinstance(event, EntityLockRequested):
            if self.lock is None:
                self._take_lock(message, event, effects)
            else:
                self._waiting.append(message)
            return
        effects.taken.append(message)
        if isinstance(event, EntityUnlockSent):
            self._unlock(event, effects)

    def _must_wait(self, event: Request) -> bool:
        lock = self.lock
        if lock is None:
            return False
        return not isinstance(event, EntityOperationCalled) or (
            event.parent_instance_id != lock.owner
        )

    # Locks

    def _take_lock(self, message: Message, event: EntityLockRequested, effects: Effects) -> None:
        effects.taken.append(message)
        effects.changed = True
        self.lock = Lock(event.critical_section_id, event.parent_instance_id)
        self.updated = self.updated or effects.now
        following = event.position + 1
        if following < len(event.lock_set):
            effects.sent.append(
                Message(event.lock_set[following], evolve(event, position=following))
            )
        else:
            granted = EntityLockGranted(effects.now, event.critical_section_id)
            effects.sent.append(
                Message(event.parent_instance_id, granted, event.parent_execution_id)
            )

    def _unlock(self, event: EntityUnlockSent, effects: Effects) -> None:
        section = event.critical_section_id
        if self.lock is not None and self.lock.critical_section_id == section:
            self.lock = None
            effects.changed = True
            self.inbox.extendleft(reversed(self._waiting))
            self._waiting.clear()
            self._follow(event, effects)
            return
        for waiting in self._waiting:
            request = waiting.event
            if isinstance(request, EntityLockRequested) and request.critical_section_id == section:
                self._waiting.remove(waiting)
                effects.taken.append(waiting)
                return

    def _follow(self, event: EntityUnlockSent, effects: Effects) -> None:
        following = event.position + 1
        if following < len(event.lock_set):
            target = event.lock_set[following]
            effects.sent.append(Message(target, evolve(event, target=target, position=following)))

    # Operations

    def _operate(self, message: Message, event: Request, position: int, effects: Effects) -> bool:
        """Run one operation; returns False when the turn ends with this message untaken."""
        context = EntityContext(self, event.operation, event.input, effects.now, position)
        try:
            value = self._call(event, context)
        except _Unreadable as unreadable:
            self.inbox.appendleft(message)
            if not effects.taken:
                effects.parked = unreadable.parked
            return False
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - SystemExit too is its caller's failure
            self._failed(message, event, context, error, effects)
            return True
        if iscoroutine(value):
            if effects.taken:
                value.close()
                self.inbox.appendleft(message)
            else:
                effects.operation = AsyncOperation(value, message, context)
            return False
        self._succeeded(message, event, context, value, effects)
        return True

    def _call(self, event: Request, context: EntityContext) -> Any:
        definition = self._definition()
        if definition.is_implicit(event.operation):
            context.delete_state()
            return None
        if definition.kind == "function":
            return definition.make(context)
        operation = definition.operation(event.operation)
        state = self._state(definition)
        arguments = operation.signature.read(
            self.codec, event.input, f"input of {self.entity_id.name}.{operation.name}"
        )
        return _invoke(operation, state, context, arguments)

    def _definition(self) -> EntityDefinition:
        try:
            return self.app.entity_of(self.entity_id.name)
        except DefinitionNotFoundError as error:
            if self.state is None and not self.found_elsewhere(self.entity_id.name):
                raise
            raise _Unreadable(Parked("missing definition", str(error))) from error

    def _state(self, definition: EntityDefinition) -> Any:
        if self._live is None:
            if self.state is None:
                self._live = definition.make()
            else:
                self._live = self._read_state(definition)
        return self._live

    def _read_state(self, definition: EntityDefinition) -> Any:
        try:
            return self.codec.read(self.state, definition.state_type, f"state of {self.entity_id}")
        except PayloadError as error:
            raise _Unreadable(Parked("unreadable", str(error))) from error

    def conclude(
        self, operation: AsyncOperation, value: Any, error: BaseException | None, now: int
    ) -> Effects:
        """The turn of an async operation that has returned `value` or raised `error`."""
        effects = Effects(now)
        event = operation.message.event
        assert isinstance(event, (EntityOperationCalled, EntityOperationSignaled))  # noqa: S101
        if error is None:
            self._succeeded(operation.message, event, operation.context, value, effects)
        else:
            self._failed(operation.message, event, operation.context, error, effects)
        return effects

    def _succeeded(
        self, message: Message, event: Request, context: EntityContext, value: Any, effects: Effects
    ) -> None:
        try:
            state, result = self._written(context, value)
        except Exception as error:  # noqa: BLE001 - whatever a user's converter raises
            self._failed(message, event, context, error, effects)
            return
        if state != self.state:
            self.state, self.updated, effects.changed = state, effects.now, True
        effects.taken.append(message)
        effects.sent.extend(context.sent)
        if event.trace is not None:
            self._pass(event, event.trace, context, effects)
        if isinstance(event, EntityOperationCalled):
            answer = EntityOperationCompleted(effects.now, event.request_id, result)
            self._answer(event, answer, effects)

    def _written(self, context: EntityContext, value: Any) -> tuple[Payload, Payload]:
        state = context.state
        if self._live is not None and self.state == state:
            state = self.codec.write(self._live, f"state of {self.entity_id}")
        if context.has_result:
            return state, context.result
        return state, self.codec.write(value, f"result of {context.operation_name}")

    def _failed(
        self,
        message: Message,
        event: Request,
        context: EntityContext,
        error: BaseException,
        effects: Effects,
    ) -> None:
        self._live = None
        if context.keeps_state and context.state != self.state:
            self.state, self.updated, effects.changed = context.state, effects.now, True
        effects.taken.append(message)
        failure = details_of(error)
        if event.trace is not None:
            self._pass(event, event.trace, context, effects, failure)
        if isinstance(event, EntityOperationCalled):
            self._answer(
                event, EntityOperationFailed(effects.now, event.request_id, failure), effects
            )
        else:
            logger.warning(
                "signal %s to %s failed: %s",
                event.operation,
                self.id,
                failure,
                extra={"instance_id": self.id, "operation": event.operation},
            )

    def _pass(
        self,
        event: Request,
        trace: TraceContext,
        context: EntityContext,
        effects: Effects,
        failure: FailureDetails | None = None,
    ) -> None:
        times = micros(context.current_utc_datetime), effects.now
        sent = context.sent if failure is None else []
        effects.passages += operated(self.entity_id, event, trace, sent, times, failure)

    def _answer(
        self,
        event: EntityOperationCalled,
        answer: EntityOperationCompleted | EntityOperationFailed,
        effects: Effects,
    ) -> None:
        if event.parent_instance_id:
            effects.sent.append(
                Message(event.parent_instance_id, answer, event.parent_execution_id)
            )
        else:
            effects.replies.append(answer)


class _Unreadable(Exception):  # noqa: N818 - control flow, seen by nobody else
    def __init__(self, parked: Parked) -> None:
        super().__init__(parked.message)
        self.parked = parked


def _invoke(operation: Operation, state: Any, context: EntityContext, arguments: Any) -> Any:
    if operation.takes_context:
        position = operation.context_position
        arguments = operation.signature.with_context(arguments, position, context)
    return operation.function(state, *arguments)
