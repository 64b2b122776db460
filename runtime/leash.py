"""A time limit for code that may never come to its end.

The code runs on a thread of its own, and whoever asked waits no longer than the limit. Then
`SystemExit` is raised in that thread, again and again, because user code and the kernel catch what
they do not know. Code that catches one after the other is put to rest, so that it takes no more
time from others; a thread that waits for a lock hears of all this only when it gets it. Both are
left behind: they are daemons, and what they would have said is not heard any more.

A signal would reach the main thread alone, and tracing would slow everything down; another process
would need code that can be imported, or a fork amid threads. So one thing stays out of reach: a
single call into C that keeps the interpreter's lock for ever. A command can let `or_exit` end the
process then, which needs no lock.
"""

import ctypes
import faulthandler
import math
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import copy_context
from typing import Generic, TypeVar

from attrs import define, field

from ..actors.comparison import users_line
from .checked import checked_kind

T = TypeVar("T")

_GRACE_SECONDS = 5.0
_ARMED_SECONDS = 1.0
_NEVER = threading.TIMEOUT_MAX / 4
"""What is longer is no limit: clocks of the operating system do not count so far."""
"""For so long the way out is not prepared anew, as that begins a thread each time."""
_LOOKS_MAX = 20
_LOOK_SECONDS = 0.005
_STOP_SECONDS = 0.05
_STOPS_MAX = 20
_CAUGHT_MAX = 10


class OverrunError(Exception):
    """Raised when the limit was reached; `source` is the user's line that was being run."""

    def __init__(self, seconds_max: float, source: str | None) -> None:
        self.source = source
        super().__init__(f"it had not come to its end after {seconds_max:g} s")


@define
class Leash:
    """Lets code run for `seconds_max`, whichever thread asks for it."""

    seconds_max: float
    _exits: bool = field(default=False, init=False)
    _armed: float | None = field(default=None, init=False)
    """When the way out was prepared, if it is."""

    def __attrs_post_init__(self) -> None:
        checked_kind(self.seconds_max, (int, float), "seconds_max is a number")
        if math.isnan(self.seconds_max) or self.seconds_max <= 0:
            raise ValueError(f"seconds_max must be more than 0, not {self.seconds_max}")

    @contextmanager
    def or_exit(self) -> Generator[None]:
        """End the process, with a traceback and status 1, if not even Python gets its turn."""
        self._exits = True
        try:
            yield
        finally:
            self._exits = False
            self.rest()

    def run(self, work: Callable[[], T]) -> T:
        """What it returns or raises; raises `OverrunError` when it takes too long."""
        self._arm()
        run = _Run(work)
        context = copy_context()
        thread = threading.Thread(target=context.run, args=(run,), name="leashed", daemon=True)
        thread.start()
        try:
            thread.join(min(self.seconds_max, _NEVER))
            if thread.is_alive():
                raise OverrunError(self.seconds_max, _line_of(thread))
        finally:
            _stop(thread)
        return run.outcome()

    def rest(self) -> None:
        """Nothing is run for a while, however long that takes."""
        if self._armed is not None:
            self._armed = None
            faulthandler.cancel_dump_traceback_later()

    def _arm(self) -> None:
        now, paper = time.monotonic(), sys.__stderr__
        if not self._exits or paper is None or self.seconds_max >= _NEVER:
            return
        if self._armed is None or now - self._armed > _ARMED_SECONDS:
            self._armed = now
            seconds = 2 * self.seconds_max + _GRACE_SECONDS
            faulthandler.dump_traceback_later(seconds, exit=True, file=paper)


@define
class _Run(Generic[T]):
    """What the thread does, and what came of it."""

    _work: Callable[[], T]
    _values: tuple[T, ...] = ()
    _error: BaseException | None = None

    def __call__(self) -> None:
        try:
            self._values = (self._work(),)
        except BaseException as error:  # noqa: BLE001 - raised where it was asked for
            self._error = error

    def outcome(self) -> T:
        if self._error is not None:
            raise self._error
        (value,) = self._values
        return value


_OUTERMOST = _Run[object].__call__.__code__


def _line_of(thread: threading.Thread) -> str | None:
    """Where the user's code is; seen more than once, as the kernel has its turns in between."""
    source = None
    for _ in range(_LOOKS_MAX):
        # There is no public way to see another thread's frames.
        frame = sys._current_frames().get(thread.ident or 0)  # pyright: ignore[reportPrivateUsage]
        source = users_line(frame, _OUTERMOST)
        if source is not None:
            break
        thread.join(_LOOK_SECONDS)
    return source


_heard = threading.local()


class _Stop(SystemExit):
    """Ends the thread that it is raised in, or has it wait for ever if it catches too many.

    Python makes it in that very thread: when it is raised or, before 3.12, when it is caught.
    """

    def __init__(self) -> None:
        _heard.times = getattr(_heard, "times", 0) + 1
        while _heard.times > _CAUGHT_MAX:
            threading.Event().wait()


def _stop(thread: threading.Thread) -> None:
    """End it if that is possible; Python's own threads take a `SystemExit` for a quiet end."""
    for _ in range(_STOPS_MAX):
        if not thread.is_alive():
            return
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(thread.ident or 0), ctypes.py_object(_Stop)
        )
        thread.join(_STOP_SECONDS)
