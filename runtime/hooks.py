"""Lifecycle hooks: who is called when something has happened to an instance.

1.  A hook is called after the commit, in the order of the commits, one call at a time, and each
    hook at its own pace.
2.  Never twice and never on replay. What is still waiting when the process dies is not told any
    more: a hook is a notice, and the store is the truth.
3.  A hook that raises is logged. One that is too slow finds its queue full: then the newest events
    are dropped and counted. Neither delays a turn.
"""

import inspect
import logging
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from typing import Any, Protocol, cast

import anyio
import anyio.abc
import anyio.lowlevel
import anyio.to_thread
from attrs import Factory, define

from ..actors.effects import Effects, Parked
from .clock import Bell, Clock, IdSource
from .elsewhere import contained
from .engine.batch import Act
from .engine.observing import Actor
from .lifecycle import LifecycleEvent, event_of_parking, events_of_turn
from .outcome import outcome_of
from .webhooks import Sender, Webhook

logger = logging.getLogger("perdure.hooks")

Hook = Callable[[LifecycleEvent], object]
"""Called with each event: a coroutine function on the event loop, another one in a thread."""


class Recipient(Protocol):
    """Who is told."""

    name: str
    together_max: int
    """How many events it takes at once."""
    busy: bool
    """Whether it is working, and not only waiting for a time to come."""
    expected: tuple[type[BaseException], ...]
    """What it may fail with at any time: then a text says all, and needs no traceback."""

    def wants(self, event: LifecycleEvent) -> bool:
        """Whether it is interested."""
        ...

    async def tell(self, events: list[LifecycleEvent]) -> None:
        """Raise what went wrong."""
        ...


class Called:
    """A Python function that is told."""

    together_max = 1
    expected: tuple[type[BaseException], ...] = ()

    def __init__(self, hook: Hook) -> None:
        self.name = getattr(hook, "__qualname__", repr(hook))
        self.busy = False
        self._hook = hook
        called = hook if inspect.isroutine(hook) else getattr(hook, "__call__", hook)  # noqa: B004
        self._is_async = inspect.iscoroutinefunction(hook) or inspect.iscoroutinefunction(called)
        self._thread: anyio.CapacityLimiter | None = None

    def wants(self, event: LifecycleEvent) -> bool:
        """It decides by itself."""
        return True

    async def tell(self, events: list[LifecycleEvent]) -> None:
        """Call it."""
        self.busy = True
        try:
            for event in events:
                await self._call(event)
        finally:
            self.busy = False

    async def _call(self, event: LifecycleEvent) -> None:
        if self._is_async:
            value: Any = self._hook(event)
        else:
            # A place of its own: hooks that block take no threads away from activities.
            if self._thread is None:
                self._thread = anyio.CapacityLimiter(1)
            (value,) = await anyio.to_thread.run_sync(
                self._called, event, abandon_on_cancel=True, limiter=self._thread
            )
        if inspect.isawaitable(value):
            await value

    def _called(self, event: LifecycleEvent) -> tuple[Any]:
        """In a tuple, as trio takes no awaitable out of a thread."""
        return (contained(self._hook, (event,)),)


@define(eq=False)
class Line:
    """The events that wait for one recipient."""

    recipient: Recipient
    waiting_max: int
    told: int = 0
    failed: int = 0
    dropped: int = 0
    waiting: deque[LifecycleEvent] = Factory(deque[LifecycleEvent])
    _telling: bool = False
    _overflowing: bool = False
    _bell: Bell = Factory(Bell)
    _rested: Bell = Factory(Bell)

    @property
    def name(self) -> str:
        """Whose line it is."""
        return self.recipient.name

    @property
    def working(self) -> bool:
        """Whether something goes on that needs no time to pass."""
        return self.recipient.busy or bool(self.waiting and not self._telling)

    def put(self, event: LifecycleEvent) -> None:
        """Let an event wait, or drop it when too many do."""
        if not self.recipient.wants(event):
            return
        if len(self.waiting) >= self.waiting_max:
            self.dropped += 1
            if not self._overflowing:
                self._overflowing = True
                logger.warning("hook %s is too slow: events are dropped", self.name)
            return
        self.waiting.append(event)
        self._bell.ring()

    async def run(self) -> None:
        """Tell what waits, for ever."""
        while True:
            while self.waiting:
                await self._tell_some()
                await anyio.lowlevel.checkpoint()
            self._overflowing = False
            self._rested.ring()
            await self._bell.wait()

    async def _tell_some(self) -> None:
        events = list(islice(self.waiting, self.recipient.together_max))
        self._telling = True
        try:
            _, error = await outcome_of(self.recipient.tell(events))
        finally:
            self._telling = False
        # Only now, so that what a cancelled call was about still counts as waiting.
        for _ in events:
            self.waiting.popleft()
        if error is None:
            self.told += len(events)
        else:
            self.failed += len(events)
            self._say_failed(events[-1], error)

    def _say_failed(self, last: LifecycleEvent, error: BaseException) -> None:
        who = self.name, last.instance_id, last.kind.value
        if isinstance(error, self.recipient.expected):
            text = "hook %s failed for %s %s: %s; %d events failed so far"
            logger.error(text, *who, error, self.failed)
        else:
            logger.error("hook %s failed for %s %s", *who, exc_info=error)

    async def drained(self) -> None:
        """Return once nothing waits."""
        while self.waiting:
            await self._rested.wait()


class Hooks:
    """All hooks of a runtime, as one of those who observe its turns."""

    def __init__(
        self,
        hooks: Sequence[Hook | Webhook],
        waiting_max: int,
        hub: str,
        clock: Clock,
        ids: IdSource,
    ) -> None:
        self.lines = [
            Line(Sender(h, hub, clock) if isinstance(h, Webhook) else Called(h), waiting_max)
            for h in hooks
        ]
        self._clock = clock
        self._ids = ids

    def turn_taken(self, actor: Actor, effects: Effects) -> Act | None:
        """Tell once it is durable, if it was a turn in a life."""
        events = events_of_turn(actor, effects, self._ids)
        return partial(self._put, events) if events else None

    def actor_parked(self, actor: Actor, parked: Parked) -> Act:
        """Tell once it is durable."""
        event = event_of_parking(actor, parked, self._clock.now(), self._ids())
        return partial(self._put, [event])

    def _put(self, events: list[LifecycleEvent]) -> None:
        for line in self.lines:
            for event in events:
                line.put(event)

    @property
    def working(self) -> bool:
        """Whether one of them is being called, or about to be."""
        return any(line.working for line in self.lines)

    def open(self, group: anyio.abc.TaskGroup) -> None:
        """Call them from this task group."""
        for line in self.lines:
            group.start_soon(line.run)

    async def drain(self) -> None:
        """Return once all has been told."""
        for line in self.lines:
            await line.drained()

    def close(self) -> None:
        """Say what will not be told any more."""
        for line in self.lines:
            if line.waiting:
                text = "hook %s: left before it was told of %d events"
                logger.warning(text, line.name, len(line.waiting))


def checked_hooks(hooks: object) -> list[Hook | Webhook]:
    """The hooks as a list; raises `TypeError` for what cannot be called."""
    if isinstance(hooks, (str, bytes)) or not isinstance(hooks, Sequence):
        raise TypeError(f"hooks takes a list of functions and Webhooks, not {hooks!r}")
    for hook in cast("Sequence[object]", hooks):
        if not (callable(hook) or isinstance(hook, Webhook)):
            raise TypeError(f"hooks takes functions and Webhooks, not {hook!r}")
    return list(cast("Sequence[Hook | Webhook]", hooks))
