"""The deterministic scheduler: fibers, what they wait for, and the scopes that cancel them.

1.  A fiber is a coroutine that the kernel drives by `send` and `throw`. It runs until it yields a
    `Waitable` of this kernel; anything else is refused with `NotDurableError` in the fiber.
2.  Ready fibers run in the order in which they became ready. Nothing here looks at a clock, at
    random numbers, or at the identity of objects, so the same calls give the same order.
3.  Cancelling a scope interrupts every fiber that waits inside it, unless a shield lies between;
    a fiber that is ready already keeps what it got and is interrupted at its next wait.
4.  Work asked for inside a scope belongs to it, and is called off with it.
5.  Fibers that only pass on to each other for ever are refused: within a turn no time passes.
6.  A scope swallows `Cancelled` when it was cancelled itself and no visible scope around it was.
"""

import math
from collections.abc import Callable, Coroutine, Generator, Iterable, Iterator
from types import TracebackType
from typing import Any, Protocol, Self, cast

from .closing import close
from .errors import Cancelled, NotDurableError

Coro = Coroutine[Any, Any, Any]
Follower = Callable[[Any], object]

PASSES_MAX = 100_000
"""How often the fibers of an orchestration may pass on without any of them waiting."""


class Alarm(Protocol):
    """A timer that somebody else keeps."""

    def cancel(self) -> object:
        """Let it not fire."""
        ...


class Host(Protocol):
    """What a kernel needs from the execution around it."""

    def seconds(self) -> float:
        """The current time of the orchestration, in seconds since 1970 UTC."""
        ...

    def set_alarm(self, deadline: float, ring: Callable[[], None]) -> Alarm:
        """Ask for `ring` to be called when `deadline` has come."""
        ...


class Owned(Protocol):
    """Work that belongs to the scope in which it was asked for."""

    scope: "CancelScope | None"

    def call_off(self) -> None:
        """Nobody wants its outcome any more."""
        ...


class Waitable:
    """Something that fibers can wait for. Yield it from a coroutine to do so."""

    __slots__ = ("__weakref__", "kernel", "waiters")

    shielded = False
    """Whether waiting for it cannot be interrupted."""

    def __init__(self, kernel: "Kernel") -> None:
        self.kernel = kernel
        self.waiters: list[Fiber] = []

    def wake(self) -> None:
        """Make all that wait ready to go on."""
        if self.waiters:
            woken, self.waiters = self.waiters, []
            for fiber in woken:
                self.kernel.ready_up(fiber)

    def wake_one(self) -> "Fiber | None":
        """Make the one that has waited longest ready to go on, and tell which."""
        if not self.waiters:
            return None
        fiber = self.waiters.pop(0)
        self.kernel.ready_up(fiber)
        return fiber

    def interrupted(self) -> None:
        """Called when a fiber stopped waiting because it was cancelled."""


class Pause:
    """Makes waiting for a waitable awaitable."""

    __slots__ = ("_waitable",)

    def __init__(self, waitable: Waitable) -> None:
        self._waitable = waitable

    def __await__(self) -> Generator[Any, None, None]:
        yield self._waitable


class Uninterruptible(Waitable):
    """A waitable for those who must see the end, cancelled or not."""

    __slots__ = ()
    shielded = True


class Fiber:
    """One line of execution inside an orchestration."""

    __slots__ = ("coro", "ended", "error", "kernel", "name", "number", "parent", "scope", "waiting")

    def __init__(
        self,
        kernel: "Kernel",
        coro: Coro,
        name: str,
        scope: "CancelScope",
        ended: Callable[["Fiber", Any, BaseException | None], None],
    ) -> None:
        kernel.fibers_made += 1
        self.kernel = kernel
        self.number = kernel.fibers_made
        self.parent = kernel.current.number if kernel.current else None
        self.coro = coro
        self.name = name
        self.scope = scope
        self.ended = ended
        self.waiting: Waitable | None = None
        self.error: BaseException | None = None

    def interrupt(self) -> None:
        """Raise `Cancelled` in a fiber that waits, unless it waits uninterruptibly."""
        waitable = self.waiting
        if waitable is None or waitable.shielded:
            return
        waitable.waiters.remove(self)
        self.error = Cancelled()
        self.kernel.ready_up(self)
        waitable.interrupted()


class Kernel:
    """Runs the fibers of one orchestration."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.current: Fiber | None = None
        self.fibers_made = 0
        self.settled = 0
        self.cancelling = False
        self.closed = False
        self.root = CancelScope(self)
        self._pass_on: Waitable | None = None
        self._ready: list[Fiber] = []
        self._living: dict[int, Fiber] = {}
        self._passes = 0
        self._telling: list[tuple[Iterator[Follower], Waitable]] | None = None

    def spawn(
        self,
        coro: Coro,
        name: str,
        ended: Callable[[Fiber, Any, BaseException | None], None],
        scope: "CancelScope | None" = None,
    ) -> Fiber:
        """Begin a fiber inside `scope`; `ended` is called with its value or its error."""
        fiber = Fiber(self, coro, name, scope or self.root, ended)
        if self.closed:
            coro.close()
            return fiber
        self._living[fiber.number] = fiber
        fiber.scope.fibers[fiber.number] = fiber
        self._ready.append(fiber)
        return fiber

    def ready_up(self, fiber: Fiber) -> None:
        """Let a fiber that waited go on, after those that are ready already."""
        fiber.waiting = None
        self._ready.append(fiber)

    def run(self) -> None:
        """Run ready fibers until all of them wait."""
        self._passes = 0
        ready = self._ready
        position = 0
        try:
            while position < len(ready):
                self.current = ready[position]
                position += 1
                self._step(self.current)
        finally:
            self.current = None
            del ready[:position]

    def close(self) -> None:
        """Drop all fibers; what their `finally` blocks ask for is ignored."""
        self.closed = True
        self._ready.clear()
        for fiber in reversed(list(self._living.values())):
            self.current = fiber
            close(fiber.coro)
        self.current = None
        self._living.clear()
        # Nothing runs here any more; circles would keep it until the garbage collector comes.
        self._pass_on = None
        del self.host, self.root

    def tell(self, followers: Iterable[Follower], settled: Waitable) -> None:
        """Call the followers of what is settled now, then wake who waits for it.

        What a follower settles is told of before the next follower, as if each told its own; but
        a loop does it, so that composites may be nested to any depth.
        """
        telling = self._telling
        if telling is not None:
            telling.append((iter(followers), settled))
            return
        telling = self._telling = [(iter(followers), settled)]
        try:
            while telling:
                left, settled = telling[-1]
                follower = next(left, None)
                if follower is not None:
                    follower(settled)
                else:
                    telling.pop()
                    settled.wake()
        finally:
            self._telling = None

    @property
    def pass_on(self) -> Waitable:
        """Yield it to let the other ready fibers run first."""
        if self._pass_on is None:
            self._pass_on = Waitable(self)
        return self._pass_on

    @property
    def fibers(self) -> list[Fiber]:
        """Those that have not ended, oldest first."""
        return list(self._living.values())

    def running(self) -> Fiber:
        """The fiber whose code is being run."""
        if self.current is None:
            raise NotDurableError(
                "using the orchestration's context from outside it",
                "call it in the orchestrator's own code, or use the client",
            )
        return self.current

    def is_cancelled(self, scope: "CancelScope") -> bool:
        """Whether waiting inside `scope` raises `Cancelled`."""
        return self.cancelling and scope.effectively_cancelled

    def _step(self, fiber: Fiber) -> None:
        error, fiber.error = fiber.error, None
        coro = fiber.coro
        try:
            while True:
                wanted = coro.send(None) if error is None else coro.throw(error)
                error = self._park(fiber, wanted)
                if error is None:
                    return
        except StopIteration as stop:
            self._end(fiber, stop.value, None)
        except KeyboardInterrupt:
            raise
        except BaseException as failure:  # noqa: BLE001 - the owner of the fiber decides
            self._end(fiber, None, failure)

    def _park(self, fiber: Fiber, wanted: object) -> BaseException | None:
        """Let the fiber wait, or return what to raise in it instead."""
        if not isinstance(wanted, Waitable) or wanted.kernel is not self:
            return foreign(wanted)
        if self.cancelling and not wanted.shielded and fiber.scope.effectively_cancelled:
            wanted.interrupted()
            return Cancelled()
        if wanted is self._pass_on:
            self._passes += 1
            if self._passes > PASSES_MAX:
                return NotDurableError(
                    "passing on to other fibers for ever (sleep(0) or checkpoint() in a loop)",
                    "wait for an anyio.Event, or sleep for longer than zero",
                )
            self._ready.append(fiber)
        else:
            wanted.waiters.append(fiber)
            fiber.waiting = wanted
        return None

    def _end(self, fiber: Fiber, value: Any, error: BaseException | None) -> None:
        del self._living[fiber.number]
        fiber.scope.fibers.pop(fiber.number, None)
        fiber.ended(fiber, value, error)


def foreign(wanted: object) -> NotDurableError:
    """The refusal of something that no durable call has made."""
    if isinstance(wanted, Waitable):
        return NotDurableError(
            "using a task or an anyio object of another orchestration",
            "wait for its outcome by call_sub_orchestrator or an external event",
        )
    made_by = type(wanted).__module__.partition(".")[0]
    shown = "a bare yield" if wanted is None else f"an object of {type(wanted).__qualname__}"
    where = "" if made_by in ("builtins", "perdure") else f" ({made_by})"
    return NotDurableError(
        f"awaiting {shown}{where}",
        "await what the context's calls return (call_activity, create_timer, "
        "wait_for_external_event ...) or use anyio, and do I/O in an activity",
    )


class CancelScope:
    """A stretch of code that can be cancelled as a whole; the interface is anyio's."""

    def __init__(self, kernel: Kernel, *, deadline: float = math.inf, shield: bool = False) -> None:
        self.kernel = kernel
        self.fibers: dict[int, Fiber] = {}
        self.inner: dict[CancelScope, None] = {}
        self.work: dict[Owned, None] = {}
        self.parent: CancelScope | None = None
        self._deadline = deadline
        self._shield = shield
        self._cancel_called = False
        self._cancelled_caught = False
        self._alarm: Alarm | None = None
        self._fiber: Fiber | None = None

    @property
    def deadline(self) -> float:
        """When it cancels itself, in seconds of the orchestration's clock; infinity for never."""
        return self._deadline

    @deadline.setter
    def deadline(self, value: float) -> None:
        self._deadline = float(value)
        if self._fiber is not None and not self._cancel_called:
            self._disarm()
            self._arm()

    @property
    def shield(self) -> bool:
        """Whether cancellation from outside is held off."""
        return self._shield

    @shield.setter
    def shield(self, value: bool) -> None:
        self._shield = value
        if not value and self.kernel.cancelling and self.effectively_cancelled:
            self._interrupt_inside()

    @property
    def cancel_called(self) -> bool:
        """Whether it was cancelled, by a call or by its deadline."""
        return self._cancel_called

    @property
    def cancelled_caught(self) -> bool:
        """Whether it swallowed a cancellation of its own."""
        return self._cancelled_caught

    @property
    def effectively_cancelled(self) -> bool:
        """Whether it or a visible scope around it was cancelled."""
        scope: CancelScope | None = self
        while scope is not None:
            if scope._cancel_called:
                return True
            if scope._shield:
                return False
            scope = scope.parent
        return False

    @property
    def effective_deadline(self) -> float:
        """The nearest deadline of it and the visible scopes around it; -infinity if cancelled."""
        nearest = math.inf
        scope: CancelScope | None = self
        while scope is not None:
            if scope._cancel_called:
                return -math.inf
            nearest = min(nearest, scope._deadline)
            if scope._shield:
                break
            scope = scope.parent
        return nearest

    def cancel(self, reason: str | None = None) -> None:
        """Interrupt what waits inside, and call off the work that was asked for inside."""
        if self._cancel_called or self.kernel.closed:
            return
        self._disarm()
        self._cancel_called = True
        self.kernel.cancelling = True
        self._interrupt_inside()

    def _interrupt_inside(self) -> None:
        for fiber in list(self.fibers.values()):
            fiber.interrupt()
        for work in list(self.work):
            work.call_off()
        for scope in list(self.inner):
            if not scope._shield:
                scope._interrupt_inside()

    def enclose(self, parent: "CancelScope") -> None:
        """Lie inside `parent`."""
        self.parent = parent
        parent.inner[self] = None

    def __enter__(self) -> Self:
        if self._fiber is not None or self.parent is not None:
            raise RuntimeError("a cancel scope can be entered only once")
        fiber = self._fiber = self.kernel.running()
        self.enclose(fiber.scope)
        self._move(fiber, self)
        self._arm()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> bool:
        fiber, parent = self._fiber, self.parent
        if fiber is None or parent is None or fiber.scope is not self:
            raise RuntimeError("a cancel scope is left by the fiber that entered it, inner first")
        self._disarm()
        self._move(fiber, parent)
        parent.inner.pop(self, None)
        self._hand_over(parent)
        caught = self._swallows(exc_val)
        self._cancelled_caught |= caught
        return caught

    def _hand_over(self, parent: "CancelScope") -> None:
        for work in self.work:
            if parent is self.kernel.root:
                work.scope = None
            else:
                work.scope = parent
                parent.work[work] = None
        self.work.clear()

    def _swallows(self, error: BaseException | None) -> bool:
        if error is None or not _only_cancelled(error) or not self._cancel_called:
            return False
        visible = None if self._shield else self.parent
        return visible is None or not visible.effectively_cancelled

    def _move(self, fiber: Fiber, scope: "CancelScope") -> None:
        fiber.scope.fibers.pop(fiber.number, None)
        scope.fibers[fiber.number] = fiber
        fiber.scope = scope

    def _arm(self) -> None:
        if self._deadline == math.inf:
            return
        if self._deadline <= self.kernel.host.seconds():
            self.cancel()
        elif not self.kernel.closed:
            self._alarm = self.kernel.host.set_alarm(self._deadline, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        self.cancel()

    def _disarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None


def _only_cancelled(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        return group.split(Cancelled)[1] is None
    return isinstance(error, Cancelled)
