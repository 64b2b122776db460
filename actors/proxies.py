"""Entities and their locks, as an orchestration sees them."""

from collections.abc import Awaitable, Callable, Generator
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, TypeVarTuple, overload

from .calls import Section
from .entity_context import EntityContext
from .errors import Cancelled, LockingRulesViolationError
from .identity import EntityId
from .replay import Execution
from .tasks import Task

if TYPE_CHECKING:
    from .entity_calls import EntityCalls

R = TypeVar("R")
E = TypeVar("E")
Ts = TypeVarTuple("Ts")


class EntityProxy(Generic[E]):
    """An entity as an orchestration sees it."""

    def __init__(self, context: "EntityCalls", entity_id: EntityId) -> None:
        self._context = context
        self.id = entity_id

    @overload
    def call(
        self, operation: Callable[[E, EntityContext, *Ts], Awaitable[R]], *args: *Ts
    ) -> Task[R]: ...
    @overload
    def call(self, operation: Callable[[E, *Ts], Awaitable[R]], *args: *Ts) -> Task[R]: ...
    @overload
    def call(self, operation: Callable[[E, EntityContext, *Ts], R], *args: *Ts) -> Task[R]: ...
    @overload
    def call(self, operation: Callable[[E, *Ts], R], *args: *Ts) -> Task[R]: ...
    @overload
    def call(self, operation: str, *args: object, returns: type[R]) -> Task[R]: ...
    @overload
    def call(self, operation: str, *args: object) -> Task[Any]: ...
    def call(self, operation: Any, *args: Any, returns: Any = None) -> Task[Any]:  # type: ignore[misc]  # mypy does not match *Ts with *Any
        """Run an operation and wait for its result.

        Awaiting raises `EntityOperationFailedError` when the operation raised. Raises
        `LockingRulesViolationError` at once where a critical section forbids the call.
        """
        return self._context.call_entity(self.id, operation, *args, returns=returns)

    @overload
    def signal(
        self,
        operation: Callable[[E, EntityContext, *Ts], object],
        *args: *Ts,
        at: datetime | None = None,
    ) -> None: ...
    @overload
    def signal(
        self, operation: Callable[[E, *Ts], object], *args: *Ts, at: datetime | None = None
    ) -> None: ...
    @overload
    def signal(self, operation: str, *args: object, at: datetime | None = None) -> None: ...
    def signal(self, operation: Any, *args: Any, at: datetime | None = None) -> None:  # type: ignore[misc]  # mypy does not match *Ts with *Any
        """Send an operation of which nobody awaits the result, to be delivered not before `at`."""
        self._context.signal_entity(self.id, operation, *args, at=at)


class EntityLock:
    """A critical section over entities; `async with` it, or `await` it and call `release`."""

    def __init__(self, execution: Execution, section: Section) -> None:
        self._execution = execution
        self._section = section

    @property
    def owned(self) -> bool:
        """Whether the lock is held now."""
        return self._execution.section is self._section and self._section.granted

    def release(self) -> None:
        """Give the lock back, or withdraw the request; once is enough, more does no harm."""
        if self._execution.section is self._section:
            self._execution.close_section()

    def __await__(self) -> Generator[Any, None, "EntityLock"]:
        try:
            yield from self._section.task.__await__()
        except (Cancelled, GeneratorExit):
            self.release()
            raise
        return self

    async def __aenter__(self) -> Self:
        await self
        return self

    async def __aexit__(self, *_: object) -> None:
        self.release()

    def __enter__(self) -> Self:
        if not self.owned:
            raise LockingRulesViolationError("await (or yield) the lock request before entering it")
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
