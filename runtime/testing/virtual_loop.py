"""An event loop under virtual time: asyncio's, without sockets and threads, and nobody ever waits.

1.  When nothing is left to do, time jumps to the next timer.
2.  What happens in which order depends on nothing but the program: tasks and cancel scopes, which
    asyncio and anyio keep in sets, are numbered, so that no memory address decides.
3.  Tasks belong to a *machine* of the simulation, which they inherit. When it stops, they stay
    where they are: no `finally` runs, no callback comes, as if the process had been killed.
"""

import asyncio
import heapq
import inspect
import itertools
import math
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager, suppress
from contextvars import Context, ContextVar
from typing import Any, Self, TypeVarTuple

from anyio._backends import _asyncio as anyio_asyncio

Ts = TypeVarTuple("Ts")

MICROS = 1_000_000
NEVER = 25 * 365 * 86_400.0
"""What is to happen after so many seconds does not happen any more."""
ROUNDING = 0.25
"""So many microseconds, at most, a time before `NEVER` is wrong as a float of seconds."""
CLOSINGS_MAX = 20


class _Numbers:
    """Counts anew in each run: in which order a set has two numbers depends on their size."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        self._count = itertools.count()

    def __next__(self) -> int:
        return next(self._count)


_numbers = _Numbers()


class Machine:
    """Where tasks run, until it stops."""

    stopped = False


MACHINE: ContextVar[Machine | None] = ContextVar("MACHINE", default=None)


class NumberedTask(asyncio.Task[Any]):
    """A task that sets keep in the order of creation."""

    def __init__(self, coro: Coroutine[Any, Any, Any], **options: Any) -> None:
        self._number = next(_numbers)
        super().__init__(coro, **options)

    def __hash__(self) -> int:
        return self._number

    def __eq__(self, other: object) -> bool:
        return self is other


class NumberedScope(anyio_asyncio.CancelScope):
    """A cancel scope that sets keep in the order of creation."""

    __slots__ = ("_number",)
    _number: int

    def __new__(cls, deadline: float = math.inf, shield: bool = False) -> Self:  # noqa: FBT001, FBT002
        self = super().__new__(cls, deadline=deadline, shield=shield)
        self._number = next(_numbers)
        return self

    def __hash__(self) -> int:
        return self._number

    def __eq__(self, other: object) -> bool:
        return self is other


class RunawayError(Exception):
    """Raised when a simulated program goes on and on and time does not pass."""


class VirtualLoop(asyncio.BaseEventLoop):
    """See the module's docstring. Times are microseconds since the loop began."""

    _ready: deque[asyncio.Handle]
    _scheduled: list[asyncio.TimerHandle]

    def __init__(self, passes_max: int) -> None:
        super().__init__()
        _numbers.restart()
        # asyncio's own is lost in rounding after some months: a timer that is due would never come.
        self._clock_resolution = 0.5 / MICROS
        self.micros = 0
        self.passes = 0
        self.when_still: Callable[[], bool] = _never
        """Called when nothing will ever happen; returns whether it has changed that."""
        self._passes_max = passes_max
        self._patient: list[tuple[int, int, Callable[[], object]]] = []
        self.tasks: list[NumberedTask] = []
        self._selector = self
        self.set_task_factory(_numbered_task)

    def time(self) -> float:
        """The virtual time, in seconds."""
        return self.micros / MICROS

    def tick(self) -> int:
        """The virtual time after a moment: no two looks at a clock are simultaneous."""
        self.micros += 1
        return self.micros

    def call_in(self, micros: int, callback: Callable[..., object], *args: Any) -> asyncio.Handle:
        """Call back after so many microseconds."""
        return self.call_at((self.micros + micros) / MICROS, callback, *args)

    def call_once_past(self, due: int, callback: Callable[[], object]) -> None:
        """Call back when time has come to `due`; that somebody waits so makes no time pass."""
        heapq.heappush(self._patient, (due, next(_numbers), callback))

    def select(self, timeout: float | None) -> list[object]:
        """What asyncio asks when nothing is ready: here time passes."""
        self.passes += 1
        if self.passes > self._passes_max:
            raise RunawayError(f"no end after {self.passes} passes of the event loop")
        if timeout == 0:
            return []
        if timeout is not None:
            self.micros = max(self.micros, round(self._scheduled[0].when() * MICROS))
            while self._patient and self._patient[0][0] <= self.micros:
                heapq.heappop(self._patient)[2]()
        elif not self.when_still():
            raise RunawayError("everybody waits, and nothing is left that could happen")
        return []

    def _process_events(self, _: list[object]) -> None:
        """There are none: no sockets."""

    def _write_to_self(self) -> None:
        """Nobody sleeps in a system call."""

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Call back next, unless the machine that it is for has stopped."""
        handle = super().call_soon(callback, *args, context=context)
        return _if_alive(handle, context)

    def call_at(
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Call back then, unless the machine that it is for has stopped."""
        if when >= NEVER:
            return asyncio.TimerHandle(when, callback, args, self, context)
        # Rounded up, or it would be early; what is no whole number by rounding alone stays it.
        due = math.ceil(when * MICROS - ROUNDING)
        handle = super().call_at(due / MICROS, callback, *args, context=context)
        _if_alive(handle, context)
        return handle

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> Any:
        """Refuse: what a thread does has no place in virtual time."""
        raise RuntimeError(
            "threads are not simulated: give the activity that uses one a stand-in, "
            "simulate(..., stubs={activity: function})"
        )

    def stop_machine(self, machine: Machine) -> None:
        """Leave all its tasks where they are, for ever."""
        machine.stopped = True
        for handle in (*self._ready, *self._scheduled):
            if _machine_of(handle._context) is machine:  # type: ignore[attr-defined]
                handle.cancel()

    def bury(self) -> None:
        """Close what is left of all tasks, and the loop."""
        self._ready.clear()
        self._scheduled.clear()
        for task in self.tasks:
            _bury(task)
        self.close()


@contextmanager
def numbered_scopes() -> Generator[None]:
    """Let anyio make cancel scopes of which sets have an order that repeats."""
    usual = anyio_asyncio.CancelScope
    anyio_asyncio.CancelScope = NumberedScope  # type: ignore[misc]
    try:
        yield
    finally:
        anyio_asyncio.CancelScope = usual  # type: ignore[misc]


def _bury(task: asyncio.Task[Any]) -> None:
    """Close a task's coroutine, which may hold on to life by awaiting in its `finally` blocks."""
    if task.done():
        return
    task._log_destroy_pending = False  # type: ignore[attr-defined]
    coro = task.get_coro()
    if not inspect.iscoroutine(coro):
        return
    for _ in range(CLOSINGS_MAX):
        if inspect.getcoroutinestate(coro) == inspect.CORO_CLOSED:
            return
        with suppress(BaseException):
            coro.close()


def _never() -> bool:
    return False


def _numbered_task(
    loop: asyncio.AbstractEventLoop, coro: Any, **options: Any
) -> "asyncio.Task[Any]":
    task = NumberedTask(coro, loop=loop, **options)
    assert isinstance(loop, VirtualLoop)  # noqa: S101 - it has this factory
    loop.tasks.append(task)
    return task


def _machine_of(context: Context | None) -> Machine | None:
    return MACHINE.get() if context is None else context.get(MACHINE)


def _if_alive(handle: asyncio.Handle, context: Context | None) -> asyncio.Handle:
    machine = _machine_of(context)
    if machine is not None and machine.stopped:
        handle.cancel()
    return handle
