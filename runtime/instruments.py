"""What telemetry has to offer to a runtime: `perdure.telemetry` is one, the core knows none.

A runtime without telemetry has None in place of these, and nothing below is ever called.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, cast

from ..actors.history import TaskCompleted, TaskFailed, TaskScheduled
from ..actors.messages import Message
from ..actors.trace import TraceContext
from .clock import Clock
from .engine.observing import Observer

if TYPE_CHECKING:
    from .client.gateway import Gateway
    from .vitals import Vitals


class Attempt(Protocol):
    """One attempt of an activity, from its beginning on."""

    @property
    def trace(self) -> TraceContext | None:
        """The place of the attempt itself, if anybody traces it."""
        ...

    def around(self, function: Callable[..., Any], executor: str) -> Callable[..., Any]:
        """The function to call in its place: one that knows of what it is a part."""
        ...

    def ended(self, outcome: TaskCompleted | TaskFailed | None) -> None:
        """It is over; without an outcome when nobody wanted it any more."""
        ...


class Instruments(Observer, Protocol):
    """What one runtime tells while it runs. All is called on the event loop, but for `commit`."""

    def arrived(self, message: Message) -> None:
        """This came from another process; if nobody traces it there, a trace may begin here."""
        ...

    def attempt(self, instance_id: str, execution_id: str, event: TaskScheduled) -> Attempt:
        """An attempt of an activity begins."""
        ...

    def operating(self, message: Message) -> None:
        """The task that calls this runs an async operation, and nothing else."""
        ...

    def commit(self, write: Callable[[], None], actors: int) -> None:
        """Write what so many actors did; called on the thread that writes."""
        ...

    def close(self) -> None:
        """The runtime is left."""
        ...


class Telemetry(Protocol):
    """What `Runtime(telemetry=...)` and `Client(telemetry=...)` take."""

    def gateway(self, inner: "Gateway") -> "Gateway":
        """The way in for clients, so that what they ask for is part of the caller's trace."""
        ...

    def instruments(self, clock: Clock, vitals: "Vitals") -> Instruments:
        """What a runtime that is being entered tells of itself."""
        ...


def checked_telemetry(given: object) -> Telemetry | None:
    """What a caller hands in; raises `TypeError` for what makes no spans."""
    if given is None or (hasattr(given, "gateway") and hasattr(given, "instruments")):
        return cast("Telemetry | None", given)
    raise TypeError(f"telemetry takes a perdure.telemetry.Telemetry, not {given!r}")
