"""What a turn asks of the world. Nothing of it happens before the turn is durable."""

from collections.abc import Coroutine
from typing import Any

from attrs import Factory, define, frozen

from .errors import NonDeterminismError
from .history import (
    EntityOperationCompleted,
    EntityOperationFailed,
    TaskScheduled,
    TimerCreated,
    Turn,
)
from .messages import Message
from .passages import Passage


@frozen
class Parked:
    """Why an actor does not go on, although it could."""

    reason: str
    """`non-determinism`, `missing definition`, `unreadable`."""
    message: str
    recorded: str | None = None
    actual: str | None = None
    source: str | None = None
    listing: list[tuple[str, str]] = Factory(list[tuple[str, str]])


def parked_by(error: NonDeterminismError) -> Parked:
    """Why an orchestration whose code differs from its history does not go on."""
    return Parked(
        "non-determinism",
        str(error),
        error.recorded,
        error.actual,
        error.source,
        list(error.listing),
    )


@define(eq=False)
class AsyncOperation:
    """An entity operation that has to be awaited; the actor takes nothing else until then."""

    coro: Coroutine[Any, Any, Any]
    message: Message
    context: Any


@define(eq=False)
class Effects:
    """The outcome of one turn."""

    now: int
    execution_id: str = ""
    """The execution that asked for the activities and timers below."""
    taken: list[Message] = Factory(list[Message])
    """Messages that are done with, acted upon or dropped."""
    sent: list[Message] = Factory(list[Message])
    """Messages for other actors, in order."""
    reset: bool = False
    """Whether the turns and timers up to here are deleted."""
    turns: list[Turn] = Factory(list[Turn])
    """What is appended to the log."""
    activities: list[TaskScheduled] = Factory(list[TaskScheduled])
    """Activities to run."""
    called_off: list[int] = Factory(list[int])
    """Calls of which the outcome is not wanted any more; running activities are cancelled."""
    all_called_off: bool = False
    """Whether every running activity of the instance is to be cancelled."""
    timers_set: list[TimerCreated] = Factory(list[TimerCreated])
    timers_cut: list[int] = Factory(list[int])
    replies: list[EntityOperationCompleted | EntityOperationFailed] = Factory(
        list[EntityOperationCompleted | EntityOperationFailed]
    )
    """Answers for clients."""
    changed: bool = False
    """Whether what a query can see has changed."""
    operation: AsyncOperation | None = None
    """An operation to await; nothing else of this turn is set then."""
    reload: bool = False
    """Whether the actor has to be loaded anew before it can take what is in its inbox."""
    parked: Parked | None = None
    """Why nothing was done."""
    passages: tuple[Passage, ...] = ()
    """What is over now, of an actor that is traced."""
