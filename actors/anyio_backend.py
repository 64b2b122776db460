"""The kernel seen as an anyio backend: anyio's words, durable inside an orchestrator.

While an orchestration is being stepped, `entered` makes "perdure" the current async library of the
thread, so that anyio's sleep, cancel scopes, task groups, events, locks, semaphores, conditions
and memory streams are the kernel's. What could not be replayed is refused, with a word on what to
use instead.
"""

import math
import threading
from collections.abc import Coroutine, Sequence
from types import TracebackType
from typing import Any, Literal, NoReturn, Self, TypeVar, cast

import anyio
import sniffio
from anyio import TaskInfo, abc
from anyio._core._eventloop import loaded_backends
from anyio.abc import AsyncBackend

from .errors import Cancelled, NotDurableError
from .groups import FiberGroup
from .kernel import CancelScope, Fiber, Kernel, Pause, Uninterruptible, Waitable, foreign

LIBRARY = "perdure"

T = TypeVar("T")


class _Stepping(threading.local):
    kernel: Kernel | None = None


_stepping = _Stepping()


def current_kernel() -> Kernel:
    """The kernel that is being run in this thread."""
    kernel = _stepping.kernel
    if kernel is None:
        raise NotDurableError(
            "using an orchestration's anyio object outside it", "keep it inside the orchestrator"
        )
    return kernel


class entered:  # noqa: N801 - used as a `with` statement's verb
    """Make this kernel the current async library of the thread, then restore what was there."""

    __slots__ = ("_kernel", "_kernel_before", "_name_before")

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    def __enter__(self) -> None:
        self._kernel_before, _stepping.kernel = _stepping.kernel, self._kernel
        self._name_before, sniffio.thread_local.name = sniffio.thread_local.name, LIBRARY

    def __exit__(self, *_: object) -> None:
        sniffio.thread_local.name = self._name_before
        _stepping.kernel = self._kernel_before


def _owned(waitable: Waitable) -> Kernel:
    """The kernel that is being run, which has to be the one that made this."""
    kernel = current_kernel()
    if waitable.kernel is not kernel:
        raise foreign(waitable)
    return kernel


def stepping() -> bool:
    """Whether orchestrator code is being run in this thread."""
    return _stepping.kernel is not None


class DurableScope(CancelScope, anyio.CancelScope):
    """The kernel's scope, which also passes for anyio's."""

    def __new__(cls, *, deadline: float = math.inf, shield: bool = False) -> Self:
        return object.__new__(cls)

    def __init__(self, *, deadline: float = math.inf, shield: bool = False) -> None:
        if math.isnan(deadline):
            raise ValueError("deadline must be finite, or infinity for none, not nan")
        super().__init__(current_kernel(), deadline=deadline, shield=shield)


class DurableEvent(anyio.Event):
    """An event that fibers wait for."""

    def __new__(cls) -> Self:
        return object.__new__(cls)

    def __init__(self) -> None:
        self._flag = False
        self._waitable = Waitable(current_kernel())

    def set(self) -> None:
        _owned(self._waitable)
        self._flag = True
        self._waitable.wake()

    def is_set(self) -> bool:
        return self._flag

    async def wait(self) -> None:
        if self._flag:
            await DurableBackend.checkpoint()
        else:
            await Pause(self._waitable)

    def statistics(self) -> anyio.EventStatistics:
        return anyio.EventStatistics(tasks_waiting=len(self._waitable.waiters))


class DurableLock(anyio.Lock):
    """A lock between fibers; handed over in the order of asking."""

    def __new__(cls, *, fast_acquire: bool = False) -> Self:
        return object.__new__(cls)

    def __init__(self, *, fast_acquire: bool = False) -> None:
        self._owner: Fiber | None = None
        self._waitable = Waitable(current_kernel())

    async def acquire(self) -> None:
        fiber = _owned(self._waitable).running()
        await DurableBackend.checkpoint_if_cancelled()
        if self._owner is None:
            self._owner = fiber
            return
        if self._owner is fiber:
            raise RuntimeError("this fiber holds the lock already")
        await Pause(self._waitable)

    def acquire_nowait(self) -> None:
        fiber = _owned(self._waitable).running()
        if self._owner is fiber:
            raise RuntimeError("this fiber holds the lock already")
        if self._owner is not None:
            raise anyio.WouldBlock
        self._owner = fiber

    def release(self) -> None:
        if self._waitable.kernel.closed:
            return
        if self._owner is not _owned(self._waitable).running():
            raise RuntimeError("the lock is held by another fiber, or by none")
        self._owner = self._waitable.wake_one()

    def locked(self) -> bool:
        return self._owner is not None

    def statistics(self) -> anyio.LockStatistics:
        owner = _info(self._owner) if self._owner else None
        return anyio.LockStatistics(self.locked(), owner, len(self._waitable.waiters))


class DurableSemaphore(anyio.Semaphore):
    """A semaphore between fibers; passed on in the order of asking."""

    def __new__(
        cls, initial_value: int, *, max_value: int | None = None, fast_acquire: bool = False
    ) -> Self:
        return object.__new__(cls)

    def __init__(
        self, initial_value: int, *, max_value: int | None = None, fast_acquire: bool = False
    ) -> None:
        super().__init__(initial_value, max_value=max_value, fast_acquire=fast_acquire)
        self._value = initial_value
        self._value_max = max_value
        self._waitable = Waitable(current_kernel())

    async def acquire(self) -> None:
        _owned(self._waitable)
        await DurableBackend.checkpoint_if_cancelled()
        if self._value > 0:
            self._value -= 1
        else:
            await Pause(self._waitable)

    def acquire_nowait(self) -> None:
        _owned(self._waitable)
        if self._value == 0:
            raise anyio.WouldBlock
        self._value -= 1

    def release(self) -> None:
        _owned(self._waitable)
        if self._value_max is not None and self._value == self._value_max:
            raise ValueError("semaphore released too many times")
        if self._waitable.wake_one() is None:
            self._value += 1

    @property
    def value(self) -> int:
        return self._value

    @property
    def max_value(self) -> int | None:
        return self._value_max

    def statistics(self) -> anyio.SemaphoreStatistics:
        return anyio.SemaphoreStatistics(len(self._waitable.waiters))


class _Started:
    """What a child started by `start` says to its starter."""

    def __init__(self, kernel: Kernel) -> None:
        self.value: object = None
        self.said = False
        self.ended = False
        self.error: BaseException | None = None
        self.waitable = Waitable(kernel)
        self.end = Uninterruptible(kernel)

    async def wait(self, handle: anyio.TaskHandle[Any, Any]) -> None:
        """Return once the child has said something; a cancelled starter ends its child first."""
        try:
            while not (self.said or self.ended):
                await Pause(self.waitable)
        except Cancelled:
            handle.cancel()
            while not self.ended:
                await Pause(self.end)
            raise

    def started(self, value: object = None) -> None:
        if self.said:
            raise RuntimeError("called 'started' twice on the same task status")
        self.said, self.value = True, value
        self.waitable.wake()

    def child_ended(self, _: Fiber, __: object, error: BaseException | None) -> bool:
        self.ended = True
        self.end.wake()
        if self.said:
            return False
        self.error = error
        self.waitable.wake()
        return True


class DurableTaskGroup(abc.TaskGroup):
    """A group of fibers."""

    def __init__(self) -> None:
        self.cancel_scope = DurableScope()
        self._group = FiberGroup(cast("CancelScope", self.cancel_scope))

    async def __aenter__(self) -> Self:
        self._group.enter()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> bool:
        return await self._group.leave(exc_val)

    def create_task(
        self, coro: Coroutine[Any, Any, T], *, name: object = None, context: object = None
    ) -> anyio.TaskHandle[T]:
        handle = anyio.TaskHandle(coro, name)
        run = handle._run_coro()  # pyright: ignore[reportPrivateUsage]
        try:
            self._group.spawn(run, handle.name)
        finally:
            if not self._group.open:
                coro.close()
        return handle

    async def start(
        self,
        func: Any,
        *args: object,
        name: object = None,
        return_handle: Literal[False, True] = False,
    ) -> Any:
        status = _Started(current_kernel())
        coro = func(*args, task_status=status)
        handle: anyio.TaskHandle[Any, Any] = anyio.TaskHandle(coro, name)
        run = handle._run_coro()  # pyright: ignore[reportPrivateUsage]
        self._group.spawn(run, handle.name, status.child_ended)
        await status.wait(handle)
        if status.error is not None:
            raise status.error
        if not status.said:
            raise RuntimeError("the child ended without calling task_status.started()")
        handle._start_value = status.value  # pyright: ignore[reportPrivateUsage]
        return handle if return_handle else status.value


class _FiberInfo(TaskInfo):
    __slots__ = ("_fiber",)

    def __init__(self, fiber: Fiber) -> None:
        super().__init__(fiber.number, fiber.parent, fiber.name, fiber.coro)
        self._fiber = fiber

    def has_pending_cancellation(self) -> bool:
        return self._fiber.kernel.is_cancelled(self._fiber.scope)


def _info(fiber: Fiber) -> TaskInfo:
    return _FiberInfo(fiber)


class _Forever(Waitable):
    __slots__ = ()


class _Bell(Waitable):
    """Rings once, when a sleep is over; called off when the sleeper is cancelled."""

    __slots__ = ("alarm",)

    def __init__(self, kernel: Kernel, seconds: float) -> None:
        super().__init__(kernel)
        self.alarm = kernel.host.set_alarm(kernel.host.seconds() + seconds, self.wake)

    def interrupted(self) -> None:
        self.alarm.cancel()


class DurableBackend(AsyncBackend):
    """What anyio asks for while an orchestrator is being stepped."""

    @classmethod
    def current_time(cls) -> float:
        return current_kernel().host.seconds()

    @classmethod
    def current_token(cls) -> object:
        return current_kernel()

    @classmethod
    def cancelled_exception_class(cls) -> type[BaseException]:
        return Cancelled

    @classmethod
    async def checkpoint(cls) -> None:
        await Pause(current_kernel().pass_on)

    @classmethod
    async def checkpoint_if_cancelled(cls) -> None:
        kernel = current_kernel()
        if kernel.is_cancelled(kernel.running().scope):
            await Pause(kernel.pass_on)

    @classmethod
    async def cancel_shielded_checkpoint(cls) -> None:
        with DurableScope(shield=True):
            await cls.checkpoint()

    @classmethod
    async def sleep(cls, delay: float) -> None:
        kernel = current_kernel()
        if delay <= 0:
            await cls.checkpoint()
        elif delay == math.inf:
            await Pause(_Forever(kernel))
        else:
            await Pause(_Bell(kernel, delay))

    @classmethod
    def create_cancel_scope(
        cls, *, deadline: float = math.inf, shield: bool = False
    ) -> anyio.CancelScope:
        return DurableScope(deadline=deadline, shield=shield)

    @classmethod
    def current_effective_deadline(cls) -> float:
        return current_kernel().running().scope.effective_deadline

    @classmethod
    def create_task_group(cls) -> abc.TaskGroup:
        return DurableTaskGroup()

    @classmethod
    def create_event(cls) -> anyio.Event:
        return DurableEvent()

    @classmethod
    def create_lock(cls, *, fast_acquire: bool) -> anyio.Lock:
        return DurableLock(fast_acquire=fast_acquire)

    @classmethod
    def create_semaphore(
        cls, initial_value: int, *, max_value: int | None = None, fast_acquire: bool = False
    ) -> anyio.Semaphore:
        return DurableSemaphore(initial_value, max_value=max_value, fast_acquire=fast_acquire)

    @classmethod
    def get_current_task(cls) -> TaskInfo:
        return _info(current_kernel().running())

    @classmethod
    def get_running_tasks(cls) -> Sequence[TaskInfo]:
        return [_info(fiber) for fiber in current_kernel().fibers]


_IN_ACTIVITY = "do it in an activity and await ctx.call_activity(...)"

_REFUSED = {
    "run": ("running an event loop", "await the coroutine instead"),
    "create_capacity_limiter": ("anyio.CapacityLimiter", "use anyio.Semaphore"),
    "run_sync_in_worker_thread": ("a worker thread (or a file opened by anyio)", _IN_ACTIVITY),
    "check_cancelled": ("anyio.from_thread", _IN_ACTIVITY),
    "run_async_from_thread": ("anyio.from_thread", _IN_ACTIVITY),
    "run_sync_from_thread": ("anyio.from_thread", _IN_ACTIVITY),
    "run_sync_soon": ("anyio.from_thread", _IN_ACTIVITY),
    "open_process": ("a subprocess", _IN_ACTIVITY),
    "setup_process_pool_exit_at_shutdown": ("a worker process", _IN_ACTIVITY),
    "connect_tcp": ("a socket", _IN_ACTIVITY),
    "connect_unix": ("a socket", _IN_ACTIVITY),
    "create_tcp_listener": ("a socket", _IN_ACTIVITY),
    "create_unix_listener": ("a socket", _IN_ACTIVITY),
    "create_udp_socket": ("a socket", _IN_ACTIVITY),
    "create_unix_datagram_socket": ("a socket", _IN_ACTIVITY),
    "getaddrinfo": ("a name lookup", _IN_ACTIVITY),
    "getnameinfo": ("a name lookup", _IN_ACTIVITY),
    "wait_readable": ("waiting for a socket", _IN_ACTIVITY),
    "wait_writable": ("waiting for a socket", _IN_ACTIVITY),
    "notify_closing": ("a socket", _IN_ACTIVITY),
    "wrap_listener_socket": ("a socket", _IN_ACTIVITY),
    "wrap_stream_socket": ("a socket", _IN_ACTIVITY),
    "wrap_unix_stream_socket": ("a socket", _IN_ACTIVITY),
    "wrap_udp_socket": ("a socket", _IN_ACTIVITY),
    "wrap_connected_udp_socket": ("a socket", _IN_ACTIVITY),
    "wrap_unix_datagram_socket": ("a socket", _IN_ACTIVITY),
    "wrap_connected_unix_datagram_socket": ("a socket", _IN_ACTIVITY),
    "current_default_thread_limiter": ("a worker thread", _IN_ACTIVITY),
    "open_signal_receiver": ("a signal receiver", "raise an external event instead"),
    "wait_all_tasks_blocked": ("wait_all_tasks_blocked", "use anyio.Event"),
    "create_test_runner": ("a test runner", "use perdure.testing"),
}


def _refusal(what: str, instead: str) -> "classmethod[DurableBackend, ..., NoReturn]":
    def refuse(cls: type, *args: object, **kwargs: object) -> NoReturn:
        raise NotDurableError(what, instead)

    return classmethod(refuse)


for _method, (_what, _instead) in _REFUSED.items():
    setattr(DurableBackend, _method, _refusal(_what, _instead))

loaded_backends[LIBRARY] = DurableBackend  # type: ignore[type-abstract]  # never instantiated
