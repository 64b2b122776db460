"""Keeps orchestrator code away from the event loop and the machine while it is being stepped.

The running loop is hidden, so that a foreign await cannot even begin, and a few blocking calls are
refused through the interpreter's audit events: `time.sleep`, sockets, subprocesses, threads and
files opened by user code.
"""

import _thread
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from functools import wraps
from types import FrameType, SimpleNamespace
from typing import Any, NoReturn, ParamSpec, TypeVar, cast

from ...actors.anyio_backend import entered, stepping
from ...actors.errors import NotDurableError
from ...actors.kernel import Kernel

P = ParamSpec("P")
R = TypeVar("R")

_IN_ACTIVITY = "do it in an activity and await ctx.call_activity(...)"

_REFUSED = {
    "time.sleep": ("time.sleep", "await ctx.create_timer(...) or anyio.sleep(...)"),
    "builtins.input": ("input", "await ctx.wait_for_external_event(...)"),
    "_thread.start_new_thread": ("a thread", "use anyio.create_task_group() or an activity"),
    "_thread.start_joinable_thread": ("a thread", "use anyio.create_task_group() or an activity"),
}
for _what, _events in {
    "a socket": ("socket.__new__", "socket.connect", "socket.bind", "socket.sendto"),
    "a name lookup": (
        "socket.getaddrinfo",
        "socket.gethostbyname",
        "socket.gethostbyaddr",
        "socket.getnameinfo",
    ),
    "a subprocess": ("subprocess.Popen", "os.system", "os.posix_spawn", "os.spawn", "os.exec"),
    "a fork": ("os.fork", "os.forkpty"),
    "a database": ("sqlite3.connect",),
    "removing a file": ("os.remove", "os.rmdir"),
    "renaming a file": ("os.rename",),
    "changing a file": ("os.truncate", "os.chmod", "os.chown", "os.utime"),
    "linking a file": ("os.link", "os.symlink"),
    "making a folder": ("os.mkdir",),
    "listing a folder": ("os.listdir", "os.scandir"),
}.items():
    _REFUSED.update(dict.fromkeys(_events, (_what, _IN_ACTIVITY)))


class _NoLoop:
    """Stands where the running loop was; everything asked of it is refused."""

    def __init__(self, library: str) -> None:
        object.__setattr__(self, "_library", library)

    def _refuse(self, *_: object) -> NoReturn:
        raise NotDurableError(
            f"using {self._library}'s event loop",
            "use anyio (sleep, task groups, events ...) or the context's calls, "
            "and do I/O in an activity",
        )

    def create_task(self, coro: Coroutine[Any, Any, Any], **_: object) -> NoReturn:
        """Close what would otherwise be reported as never awaited."""
        coro.close()
        self._refuse()

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        self._refuse()

    # asyncio looks tasks up by their loop, and trio leaves notes at the current task.
    __hash__ = __setattr__ = _refuse


class _NoTask(_NoLoop):
    """Stands where trio's current task was; only what trio asks at Ctrl-C is that task's."""

    _hidden: Any

    def hide(self, task: object) -> None:
        """Stand for this one, or for none."""
        object.__setattr__(self, "_hidden", task)

    @property
    def _ki_protected(self) -> bool:
        return getattr(self._hidden, "_ki_protected", False)

    @property
    def coro(self) -> Any:
        """Whose frame trio looks for, to tell its own code from a program's."""
        return _NO_CORO if self._hidden is None else self._hidden.coro


_NO_CORO = SimpleNamespace(cr_frame=None)
_NO_ASYNCIO: Any = _NoLoop("asyncio")
_NO_TRIO: Any = _NoLoop("trio")


def _running_trio() -> dict[str, Any]:
    """What trio knows of its run in this thread; nothing where it was never imported."""
    trio = sys.modules.get("trio._core._run")  # which hides it
    return {} if trio is None else cast("dict[str, Any]", vars(trio.GLOBAL_RUN_CONTEXT))


class secluded:  # noqa: N801 - used as a `with` statement's verb
    """Hide the running asyncio or trio loop of this thread, and refuse to find another.

    One may be entered again and again where it was made, though not inside itself.
    """

    __slots__ = ("_current", "_loop", "_no_task", "_run_in", "_trio")

    def __init__(self) -> None:
        import asyncio  # noqa: PLC0415 - a program that imports an App runs no loop yet

        self._current = _running_trio()
        if self._current:
            _keep_whole()
        self._loop, self._run_in = asyncio._get_running_loop(), asyncio._set_running_loop
        self._no_task = _NoTask("trio")

    def __enter__(self) -> None:
        self._run_in(_NO_ASYNCIO)
        current = self._current
        self._trio = None
        if current:
            self._trio = dict(current)
            self._no_task.hide(current.get("task"))
        current["runner"], current["task"] = _NO_TRIO, self._no_task

    def __exit__(self, *_: object) -> None:
        self._run_in(self._loop)
        self._current.clear()
        if self._trio is not None:
            self._current.update(self._trio)


def _keep_whole() -> None:
    """Let trio raise no `KeyboardInterrupt` where half of the hiding is done."""
    protected = sys.modules["trio"].lowlevel.enable_ki_protection
    for hiding in (secluded, entered):
        protected(hiding.__enter__)
        protected(hiding.__exit__)


_watching = threading.Lock()


def refuse_blocking_calls() -> None:
    """Refuse blocking calls inside orchestrators from now on, in this process."""
    if _watching.acquire(blocking=False):
        sys.addaudithook(_audit)
        if sys.version_info < (3, 13):
            time.sleep = _audited("time.sleep", time.sleep)
            start: Any = _audited("_thread.start_new_thread", _thread.start_new_thread)
            _thread.start_new_thread = start
            setattr(threading, "_start_new_thread", start)  # noqa: B010 - typeshed hides it


def _audited(event: str, function: Callable[P, R]) -> Callable[P, R]:
    """Raise the audit event that later versions of Python raise."""

    @wraps(function)
    def audited(*args: P.args, **kwargs: P.kwargs) -> R:
        sys.audit(event, *args)
        return function(*args, **kwargs)

    return audited


def _audit(event: str, args: tuple[Any, ...]) -> None:
    if event == "open":
        if stepping() and not (_is_pythons_own() or _is_time_zone(args[0])):
            raise NotDurableError(f"opening {args[0]!r}", _IN_ACTIVITY)
    elif event in _REFUSED and stepping() and not _is_pythons_own():
        raise NotDurableError(*_REFUSED[event])


_PYTHONS_OWN = {
    "importlib",
    "_frozen_importlib",
    "_frozen_importlib_external",
    "inspect",
    "linecache",
    "logging",
    "tokenize",
    "traceback",
    "weakref",
    "zipimport",
}
"""Modules that touch the machine without being asked to by name: for an import, a traceback, a log
handler, or a finalizer that happens to run now."""


def _is_pythons_own() -> bool:
    """Whether one of those stands between the user's code, which the kernel steps, and the call."""
    frame: FrameType | None = sys._getframe(2)  # pyright: ignore[reportPrivateUsage]
    while frame is not None:
        name: str = frame.f_globals.get("__name__", "")
        if name == _KERNEL:
            return False
        if name.partition(".")[0] in _PYTHONS_OWN:
            return True
        frame = frame.f_back
    return False


_KERNEL = Kernel.__module__


def _is_time_zone(path: object) -> bool:
    """Whether it holds a time zone's rules, which `zoneinfo` opens without a frame of its own."""
    zoneinfo = sys.modules.get("zoneinfo")
    if zoneinfo is None or not isinstance(path, str):
        return False
    return path.startswith(tuple(f"{top}/" for top in zoneinfo.TZPATH))
