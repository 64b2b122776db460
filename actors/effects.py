"""What a turn asks of the world. Nothing of it happens before the turn is durable."""

from collections.abc import Coroutine
from typing import Any

from attrs import Factory, define, frozen

from .errors import DefinitionNotFoundError, NonDeterminismError
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


def parked_by(error: NonDeterminismError | DefinitionNotFoundError) -> Parked:
    """Why an orchestration without code, or whose code differs from its history, does not go on."""
    if isinstance(error, DefinitionNotFoundError):
        return Parked("missing definition", str(error))
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


class Effects:
    """The outcome of one turn."""

    execution_id = ""
    """The execution that asked for the activities and timers."""
    reset = False
    """Whether the turns and timers up to here are deleted."""
    all_called_off = False
    """Whether every running activity of the instance is to be cancelled."""
    changed = False
    """Whether what a query can see has changed."""
    afterwards = False
    """Whether it had ended before, so that clients elsewhere may have deleted it."""
    operation: AsyncOperation | None = None
    """An operation to await; nothing else of this turn is set then."""
    reload = False
    """Whether the actor has to be loaded anew before it can take what is in its inbox."""
    passages: tuple[Passage, ...] = ()
    """What is over now, of an actor that is traced."""

    # By hand: there is one for every turn, and attrs calls a factory for each of the lists.
    def __init__(self, now: int, *, parked: Parked | None = None) -> None:
        self.now = now
        self.taken: list[Message] = []
        """Messages that are done with, acted upon or dropped."""
        self.sent: list[Message] = []
        """Messages for other actors, in order."""
        self.turns: list[Turn] = []
        """What is appended to the log."""
        self.activities: list[TaskScheduled] = []
        """Activities to run."""
        self.called_off: list[int] = []
        """Calls of which the outcome is not wanted any more; running activities are cancelled."""
        self.timers_set: list[TimerCreated] = []
        self.timers_cut: list[int] = []
        self.replies: list[EntityOperationCompleted | EntityOperationFailed] = []
        """Answers for clients."""
        self.parked = parked
        """Why nothing was done."""
