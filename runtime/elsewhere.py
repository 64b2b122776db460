"""Sync functions off the event loop: in a thread, which may be abandoned."""

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from ..actors.failure import FailureDetails
from .lanes import Post


class FailedElsewhereError(Exception):
    """What a function raised in a worker process, where it has already been made into data."""

    def __init__(self, details: FailureDetails) -> None:
        super().__init__(str(details))
        self.details = details


def contained(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """Call a sync function; what would steer the coroutine that awaits it becomes an error."""
    try:
        return function(*arguments)
    except (GeneratorExit, StopIteration, StopAsyncIteration, KeyboardInterrupt) as error:
        # An interrupt of the user's reaches the main thread only.
        raise RuntimeError(f"the activity raised {error!r}") from error


class ThreadBody:
    """A call in a thread, which goes on there when the one who awaits it is cancelled."""

    def __init__(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        self._function = function
        self._arguments = arguments
        self._lock = threading.Lock()
        self._running = False
        self._ended: Callable[[], object] | None = None
        self._abandoned = False

    def __call__(self) -> Any:
        """Run it, in the thread."""
        with self._lock:
            if self._abandoned:
                return None
            self._running = True
        try:
            return contained(self._function, self._arguments)
        finally:
            with self._lock:
                self._running = False
                ended = self._ended
            if ended is not None:
                ended()

    def abandon(self, post: Post, ended: Callable[[], object]) -> bool:
        """Stop waiting for it; returns whether it goes on, and then posts `ended` at its end."""

        def tell() -> None:
            # When the loop is gone, so is everyone who waited.
            with suppress(Exception):
                post(ended)

        with self._lock:
            self._abandoned = True
            if self._running:
                self._ended = tell
            return self._running
