"""Blocking work in virtual time: it takes as long as chance says, and is done one after another."""

from collections import deque
from collections.abc import Callable
from typing import Any

from perdure.actors.errors import RuntimeClosedError
from perdure.runtime.lanes import Done

from ..virtual_loop import VirtualLoop


class VirtualLane:
    """A lane of which `delay` says how long the next part of its work takes."""

    def __init__(self, loop: VirtualLoop, delay: Callable[[], int]) -> None:
        self._loop = loop
        self._delay = delay
        self._work: deque[tuple[Callable[[], Any], Done]] = deque()
        self._busy = False
        self._closed = False

    def submit(self, work: Callable[[], Any], done: Done) -> None:
        """Do it after all that came before."""
        if self._closed:
            raise RuntimeClosedError("the simulated process has ended")
        self._work.append((work, done))
        if not self._busy:
            self._begin()

    def _begin(self) -> None:
        self._busy = bool(self._work)
        if self._busy:
            self._loop.call_in(self._delay(), self._do)

    def _do(self) -> None:
        work, done = self._work.popleft()
        try:
            value, error = work(), None
        except Exception as raised:  # noqa: BLE001 - handed on like a thread's
            value, error = None, raised
        # Whoever is told may die between the deed and the news.
        self._loop.call_in(self._delay(), self._tell, done, value, error)

    def _tell(self, done: Done, value: Any, error: BaseException | None) -> None:
        done(value, error)
        self._begin()

    def close(self) -> None:
        """Take nothing more."""
        self._closed = True
