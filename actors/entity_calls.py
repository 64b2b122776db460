"""Calls, signals and locks of entities, with the rules of critical sections."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar, overload

from .calls import EntityCall, Section
from .entity_context import EntityContext
from .errors import LockingRulesViolationError
from .history import EntityLockRequested, EntityOperationCalled, EntityOperationSignaled
from .identity import EntityId, entity_id_of
from .moments import micros
from .proxies import EntityLock, EntityProxy
from .replay import Execution
from .targets import operation_call
from .tasks import Task

E = TypeVar("E")


class EntityCalls:
    """What an orchestration can do with entities: a part of its context."""

    def __init__(self, execution: Execution) -> None:
        self._execution = execution

    @overload
    def entity(self, entity: type[E], key: str) -> EntityProxy[E]: ...
    @overload
    def entity(
        self, entity: Callable[[EntityContext], object] | str, key: str
    ) -> EntityProxy[Any]: ...
    @overload
    def entity(self, entity: EntityId) -> EntityProxy[Any]: ...
    def entity(self, entity: Any, key: str = "") -> EntityProxy[Any]:
        """An entity, by its class, function, name or id; it need not exist before."""
        if isinstance(entity, EntityId):
            return EntityProxy(self, entity)
        return EntityProxy(self, EntityId(self._execution.app.entity_name(entity), key))

    def call_entity(
        self, entity: EntityId, operation: Any, *args: Any, returns: Any = None
    ) -> Task[Any]:
        """Run an operation of an entity by id; `entity(...).call` is the typed way."""
        execution = self._execution
        entity = entity_id_of(entity)
        self._check_call(entity)
        call = operation_call(execution.app, entity, operation, args, returns)
        number = execution.next_id()
        event = EntityOperationCalled(
            execution.now,
            number,
            # After a rewind another request may have this number, and be under way yet.
            f"{execution.identity.execution_id}:{number}",
            call.name,
            str(entity),
            call.input,
            execution.identity.instance_id,
            execution.identity.execution_id,
        )
        task: Task[Any] = Task(
            execution.kernel,
            f"{entity}.{call.name}",
            call_off=lambda: execution.call_off(number),
            read=call.read,
        )
        if (section := execution.section) is not None:
            section.calls.add(entity)
            task.follow(lambda _: section.calls.discard(entity))
        execution.open_entity_call(EntityCall(event, task))
        return task

    def _check_call(self, entity: EntityId) -> None:
        section = self._execution.section
        if section is None:
            return
        if not section.granted:
            raise LockingRulesViolationError("await the lock request before calling an entity")
        if entity not in section.entities:
            raise LockingRulesViolationError(
                f"cannot call {entity} inside this critical section: it is not one of the locked "
                f"entities ({', '.join(sorted(map(str, section.entities)))})"
            )
        if entity in section.calls:
            raise LockingRulesViolationError(
                f"a call to {entity} is still pending; await it before the next one"
            )

    def signal_entity(
        self, entity: EntityId, operation: Any, *args: Any, at: datetime | None = None
    ) -> None:
        """Send an operation to an entity by id; `entity(...).signal` is the typed way."""
        execution = self._execution
        entity = entity_id_of(entity)
        section = execution.section
        if section is not None and entity in section.entities:
            raise LockingRulesViolationError(f"must not signal {entity}, which is locked; call it")
        call = operation_call(execution.app, entity, operation, args, None)
        number = execution.next_id()
        execution.ask(
            EntityOperationSignaled(
                execution.now,
                number,
                f"{execution.origin}:{number}",
                call.name,
                str(entity),
                call.input,
                micros(at) if at is not None else None,
            )
        )

    def lock_entities(self, *entities: EntityProxy[Any] | EntityId) -> EntityLock:
        """Lock entities together: `async with ctx.lock_entities(a, b):`.

        Locks are taken in the order of their ids, so that orchestrations never deadlock, and are
        given back on leaving, and whenever the orchestration ends in whatever way. Raises
        `LockingRulesViolationError` inside another critical section, and `ValueError` for none.
        """
        execution = self._execution
        ids = sorted({entity_id_of(entity) for entity in entities})
        if not ids:
            raise ValueError("lock_entities needs at least one entity")
        if execution.section is not None:
            raise LockingRulesViolationError("critical sections cannot be nested")
        number = execution.next_id()
        event = EntityLockRequested(
            execution.now,
            number,
            f"{execution.origin}:{number}",
            [str(entity) for entity in ids],
            0,
            execution.identity.instance_id,
            execution.identity.execution_id,
        )
        task: Task[None] = Task(execution.kernel, "entity lock")
        section = Section(event, frozenset(ids), task)
        lock = EntityLock(execution, section)
        task.on_cancel(lock.release)
        execution.open_section(section)
        return lock

    @property
    def is_inside_critical_section(self) -> bool:
        """Whether entity locks are held."""
        section = self._execution.section
        return section is not None and section.granted
