"""Keeps orchestrator code away from the event loop and the machine while it is being stepped.

The running loop is hidden, so that a foreign await cannot even begin, and a few blocking calls are
refused through the interpreter's audit events: `time.sleep`, sockets, subprocesses, threads and
files opened by user code.
"""

import asyncio
import sys
import threading
from types import FrameType
from typing import Any, NoReturn

from trio._core._run import GLOBAL_RUN_CONTEXT  # the thread's running trio, which trio hides

from ..actors.anyio_backend import stepping
from ..actors.errors import NotDurableError

_IN_ACTIVITY = "do it in an activity and await ctx.call_activity(...)"

_REFUSED = {
    "time.sleep": ("time.sleep", "await ctx.create_timer(...) or anyio.sleep(...)"),
    "socket.__new__": ("a socket", _IN_ACTIVITY),
    "socket.connect": ("a socket", _IN_ACTIVITY),
    "socket.getaddrinfo": ("a name lookup", _IN_ACTIVITY),
    "subprocess.Popen": ("a subprocess", _IN_ACTIVITY),
    "os.system": ("a subprocess", _IN_ACTIVITY),
    "os.posix_spawn": ("a subprocess", _IN_ACTIVITY),
    "os.fork": ("a fork", _IN_ACTIVITY),
    "_thread.start_new_thread": ("a thread", "use anyio.create_task_group() or an activity"),
    "sqlite3.connect": ("a database", _IN_ACTIVITY),
    "os.remove": ("removing a file", _IN_ACTIVITY),
    "os.rename": ("renaming a file", _IN_ACTIVITY),
    "os.mkdir": ("making a folder", _IN_ACTIVITY),
    "os.listdir": ("listing a folder", _IN_ACTIVITY),
    "os.scandir": ("listing a folder", _IN_ACTIVITY),
}


class _NoLoop:
    """Stands where the running loop was; everything asked of it is refused."""

    def __init__(self, library: str) -> None:
        self._library = library

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        raise NotDurableError(
            f"using {self._library}'s event loop",
            "use anyio (sleep, task groups, events ...) or the context's calls, "
            "and do I/O in an activity",
        )


_NO_ASYNCIO: Any = _NoLoop("asyncio")
_NO_TRIO: Any = _NoLoop("trio")


class secluded:  # noqa: N801 - used as a `with` statement's verb
    """Hide the running asyncio or trio loop of this thread."""

    __slots__ = ("_loop", "_runner", "_task")

    def __enter__(self) -> None:
        self._loop = asyncio._get_running_loop()
        if self._loop is not None:
            asyncio._set_running_loop(_NO_ASYNCIO)
            return
        self._runner = GLOBAL_RUN_CONTEXT.runner
        self._task = GLOBAL_RUN_CONTEXT.task
        GLOBAL_RUN_CONTEXT.runner = GLOBAL_RUN_CONTEXT.task = _NO_TRIO

    def __exit__(self, *_: object) -> None:
        if self._loop is not None:
            asyncio._set_running_loop(self._loop)
            return
        GLOBAL_RUN_CONTEXT.runner, GLOBAL_RUN_CONTEXT.task = self._runner, self._task


_watching = threading.Lock()


def refuse_blocking_calls() -> None:
    """Refuse blocking calls inside orchestrators from now on, in this process."""
    if _watching.acquire(blocking=False):
        sys.addaudithook(_audit)


def _audit(event: str, args: tuple[Any, ...]) -> None:
    if event in _REFUSED and stepping():
        raise NotDurableError(*_REFUSED[event])
    if event == "open" and stepping() and not _opened_by_python(_caller()):
        raise NotDurableError(f"opening {args[0]!r}", _IN_ACTIVITY)


def _caller() -> FrameType:
    return sys._getframe(2)  # pyright: ignore[reportPrivateUsage]


_PYTHON_READS = (
    "importlib",
    "linecache",
    "tokenize",
    "zipimport",
    "traceback",
    "logging",
    "inspect",
)


def _opened_by_python(frame: FrameType | None) -> bool:
    """Whether an import, a traceback or a log handler wants the file, and not user code."""
    while frame is not None:
        name = frame.f_globals.get("__name__", "")
        if name.partition(".")[0] in _PYTHON_READS or name.startswith("_frozen_importlib"):
            return True
        frame = frame.f_back
    return False
