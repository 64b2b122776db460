"""Recorded against actual: what of a call must be the same in every replay, and how to say it."""

import sys
from collections.abc import Iterable, Mapping
from types import CodeType, FrameType
from typing import Any

from attrs import Factory, define

from .history import (
    AnyAsked,
    Asked,
    EntityUnlockSent,
    EventSent,
    SubOrchestrationInstanceCreated,
    TaskScheduled,
    TimerCreated,
)
from .kernel import Fiber, Kernel


@define(eq=False)
class Rehearsal:
    """What a replay has seen, as far as it has come."""

    recorded: Mapping[tuple[int, int], AnyAsked] = Factory(dict[tuple[int, int], AnyAsked])
    """The attempts that the turn at hand recorded, by call and number."""
    compared: list[tuple[Asked, Asked | None]] = Factory(list[tuple[Asked, "Asked | None"]])
    """Recorded against actual."""
    sources: dict[int, str] = Factory(dict[int, str])
    """The lines of the calls."""

    def listing(self) -> list[tuple[str, str]]:
        """All recorded against all actual calls, in words."""
        return [
            (described(was), "nothing" if does is None else described(does))
            for was, does in self.compared
        ]


def described(event: Asked) -> str:
    """A call in words, for instance `activity 'charge' (task 3)`."""
    kind, name, *target = essence(event)
    shown = f" {name!r}" if name else ""
    to = f" to {target[0]!r}" if target else ""
    return f"{kind}{shown}{to} (task {event.id})"


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


def source_line() -> str | None:
    """Where the user's code makes a call; None when the kernel makes it on the user's behalf."""
    # There is no public way that is cheap enough.
    frame: FrameType | None = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]
    while frame is not None and not _is_users(frame):
        if frame.f_code is _STEP:
            return None
        frame = frame.f_back
    return None if frame is None else _place(frame)


def users_line(frame: FrameType | None, outermost: CodeType) -> str | None:
    """Where the user's code is in the frames up to `outermost`; None when it is in none of them."""
    while frame is not None and frame.f_code is not outermost:
        if _is_users(frame):
            return _place(frame)
        frame = frame.f_back
    return None


def waiting_line(fibers: Iterable[Fiber]) -> str | None:
    """Where the oldest fiber waits in the user's code; None when that cannot be seen."""
    for fiber in fibers:
        place: str | None = None
        inner: Any = fiber.coro
        while inner is not None:
            frame = _first(inner, "cr_frame", "gi_frame", "ag_frame")
            if frame is not None and _is_users(frame):
                place = _place(frame)
            inner = _first(inner, "cr_await", "gi_yieldfrom", "ag_await")
        if place is not None:
            return place
    return None


_STEP = Kernel._step.__code__  # pyright: ignore[reportPrivateUsage]
_BETWEEN = ("perdure", "anyio", "contextlib")
"""Packages whose frames lie between a call and the user's line."""


def _is_users(frame: FrameType) -> bool:
    name: str = frame.f_globals.get("__name__", "")
    return name.partition(".")[0] not in _BETWEEN


def _place(frame: FrameType) -> str:
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def _first(holder: object, *names: str) -> Any:
    return next((getattr(holder, name) for name in names if hasattr(holder, name)), None)
