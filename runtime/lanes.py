"""How blocking work leaves the event loop, and how its outcome comes back."""

import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol, TypeVar

import anyio
import sniffio

from ..actors.errors import RuntimeClosedError

T = TypeVar("T")

Post = Callable[[Callable[[], object]], object]
Done = Callable[[Any, BaseException | None], None]


class Lane(Protocol):
    """Runs blocking calls one after another, off the event loop."""

    def submit(
        self, work: Callable[[], T], done: Callable[[T, BaseException | None], None]
    ) -> None:
        """Run `work` after all that was submitted before; call `done` on the event loop.

        Raises `RuntimeClosedError` once the lane is closed.
        """
        ...

    def close(self) -> None:
        """Run what was submitted, then take nothing more."""
        ...


LaneMaker = Callable[[str], Lane]


def loop_door() -> Post:
    """A way for other threads to run a callable on the event loop of the caller."""
    if sniffio.current_async_library() == "trio":
        import trio  # noqa: PLC0415 - only where it is what runs

        return trio.lowlevel.current_trio_token().run_sync_soon
    import asyncio  # noqa: PLC0415

    loop = asyncio.get_running_loop()

    def post(callback: Callable[[], object]) -> None:
        loop.call_soon_threadsafe(callback)

    return post


class ThreadLane:
    """A lane with a thread of its own."""

    def __init__(self, name: str) -> None:
        self._post = loop_door()
        self._work: queue.SimpleQueue[tuple[Callable[[], Any], Done] | None] = queue.SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=f"perdure-{name}", daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[], Any], done: Done) -> None:
        """Run `work` on the thread."""
        if self._closed:
            raise RuntimeClosedError("the runtime or client was left; enter another one")
        self._work.put((work, done))

    def close(self) -> None:
        """Let the thread end; waits for what it is doing."""
        self._closed = True
        self._work.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (item := self._work.get()) is not None:
            work, done = item
            value: Any = None
            error: BaseException | None = None
            try:
                value = work()
            except BaseException as raised:  # noqa: BLE001 - the loop's side decides
                error = raised
            self._deliver(done, value, error)

    def _deliver(self, done: Done, value: Any, error: BaseException | None) -> None:
        # When the loop is gone, so is everyone who waited.
        with suppress(Exception):
            self._post(lambda: done(value, error))


class InlineLane:
    """Runs everything at once in the caller: for tests, where nothing may depend on threads."""

    def __init__(self, name: str) -> None:
        self.name = name

    def submit(self, work: Callable[[], Any], done: Done) -> None:
        """Run it here and now."""
        try:
            value = work()
        except Exception as error:  # noqa: BLE001 - handed on like a thread's
            done(None, error)
        else:
            done(value, None)

    def close(self) -> None:
        """Nothing is left to do."""


async def run_in(lane: Lane, work: Callable[[], T]) -> T:
    """Run `work` in a lane and wait for it; a cancelled caller leaves it running."""
    answer: list[tuple[Any, BaseException | None]] = []
    ready = anyio.Event()

    def done(value: Any, error: BaseException | None) -> None:
        answer.append((value, error))
        ready.set()

    lane.submit(work, done)
    await ready.wait()
    value, error = answer[0]
    if error is not None:
        raise error
    result: T = value
    return result


async def run_to_end(lane: Lane, work: Callable[[], T]) -> T:
    """Run `work` in a lane; a cancelled caller still waits for it, and learns its outcome."""
    outcome: list[T] = []
    with anyio.CancelScope(shield=True):
        outcome.append(await run_in(lane, work))
    return outcome[0]
