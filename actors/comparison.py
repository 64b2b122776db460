"""Recorded against actual: what of a call must be the same in every replay, and how to say it."""

import sys
from typing import Any

from .history import (
    Asked,
    EntityUnlockSent,
    EventSent,
    SubOrchestrationInstanceCreated,
    TaskScheduled,
    TimerCreated,
)


def described(event: Asked) -> str:
    """A call in words, for instance `activity 'charge' (task 3)`."""
    kind, name = essence(event)[:2]
    shown = f" {name!r}" if name else ""
    return f"{kind}{shown} (task {event.id})"


def essence(event: Asked) -> tuple[str, ...]:
    """What must not differ between recorded and actual: kind, name and target; not inputs."""
    match event:
        case TaskScheduled():
            return ("activity", event.name)
        case SubOrchestrationInstanceCreated():
            kind = "start of orchestration" if event.detached else "sub-orchestration"
            return (kind, event.name)
        case TimerCreated():
            return ("timer", "")
        case EventSent():
            return ("sent event", event.name, event.instance_id)
        case EntityUnlockSent():
            return ("unlock", event.target)
        case _:
            return _entity_essence(event)


def _entity_essence(event: Any) -> tuple[str, ...]:
    match type(event).__name__:
        case "EntityOperationSignaled":
            return ("signal", f"{event.target}.{event.operation}")
        case "EntityOperationCalled":
            return ("entity call", f"{event.target}.{event.operation}")
        case _:
            return ("lock", ", ".join(event.lock_set))


def source_line() -> str:
    """Where the user's code stands: the nearest frame outside of this package and anyio."""
    # There is no public way that is cheap enough.
    frame = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]
    while frame.f_back is not None:
        name = frame.f_globals.get("__name__", "")
        if not name.startswith(("perdure.actors", "anyio", "contextlib")):
            break
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
