"""Calls that are open: what was asked for and has no outcome yet, and what an outcome does."""

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import attrs
from attrs import Factory, define

from .errors import EntityOperationFailedError, TaskFailedError
from .failure import FailureDetails
from .history import (
    EntityLockRequested,
    EntityOperationCalled,
    EntityUnlockSent,
    SubOrchestrationInstanceCreated,
    TaskScheduled,
    TimerCreated,
)
from .identity import EntityId
from .retry import RetryPolicy
from .tasks import Task

if TYPE_CHECKING:
    from .replay import Execution


@define(eq=False)
class TimerCall:
    """A timer that has not fired."""

    event: TimerCreated
    ring: Callable[[], None]
    execution: "Execution"

    def cancel(self) -> None:
        """Let it not fire."""
        self.execution.call_off(self.event.id)


@define(eq=False)
class WorkCall:
    """An activity or a child that has no outcome, with what it takes to try it again."""

    event: TaskScheduled | SubOrchestrationInstanceCreated
    policy: RetryPolicy | None
    first_at: int
    """When the first attempt was asked for."""
    task: Task[Any]
    execution: "Execution"

    def call_off(self) -> None:
        """Nobody wants the outcome."""
        self.execution.call_off(self.event.id)

    def failed(self, failure: FailureDetails) -> bool:
        """Take a failed attempt; returns whether another one was asked for instead.

        In a replay the history has decided: a policy may change between deployments.
        """
        execution = self.execution
        if execution.rehearsal is not None:
            key = self.event.id, self.event.attempt + 1
            again = execution.rehearsal.recorded.get(key)
            if isinstance(again, (TaskScheduled, SubOrchestrationInstanceCreated)):
                self.event = again
                execution.ask(again)
                return True
            self.task.fail(TaskFailedError(self.event.name, self.event.id, failure))
            return False
        delay = self._delay(execution.now, failure)
        if delay is None:
            self.task.fail(TaskFailedError(self.event.name, self.event.id, failure))
            return False
        due = execution.now + delay // timedelta(microseconds=1)
        self.event = attrs.evolve(
            self.event, at=execution.now, attempt=self.event.attempt + 1, due=due
        )
        execution.ask(self.event)
        return True

    def _delay(self, now: int, failure: FailureDetails) -> timedelta | None:
        if self.policy is None:
            return None
        elapsed = timedelta(microseconds=now - self.first_at)
        return self.policy.delay(self.event.attempt, failure, elapsed)


@define(eq=False)
class EntityCall:
    """An operation whose result is awaited."""

    event: EntityOperationCalled
    task: Task[Any]

    def failed(self, failure: FailureDetails) -> None:
        """Take the operation's failure."""
        name = f"{self.event.target}.{self.event.operation}"
        self.task.fail(EntityOperationFailedError(name, self.event.id, failure))


@define(eq=False)
class Section:
    """A critical section: the entities that are locked together, or are about to be."""

    event: EntityLockRequested
    entities: frozenset[EntityId]
    task: Task[Any]
    granted: bool = False
    calls: set[EntityId] = Factory(set[EntityId])
    """Those with a call under way."""


OpenCall = TimerCall | WorkCall | EntityCall | Section


def unlocks(
    request: EntityLockRequested, next_id: Callable[[], int], now: int, *, granted: bool
) -> list[EntityUnlockSent]:
    """The events that end a critical section: one per entity, or one withdrawal."""
    section_id, parent = request.critical_section_id, request.parent_instance_id
    if granted:
        return [
            EntityUnlockSent(now, next_id(), section_id, target, parent)
            for target in request.lock_set
        ]
    first = request.lock_set[0]
    return [EntityUnlockSent(now, next_id(), section_id, first, parent, list(request.lock_set))]
