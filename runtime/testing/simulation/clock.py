"""Clocks of simulated machines: of one time, though they may go wrong."""

import anyio
import anyio.lowlevel

from perdure.runtime.clock import Bell

from ..virtual_loop import MACHINE, VirtualLoop
from .disk import Disk

SLACK = 20_000
"""So long after the last change of the store a client in another process still polls."""


class MachineClock:
    """The clock of one process: it never goes back, and can be set."""

    def __init__(self, loop: VirtualLoop, start: int) -> None:
        self._loop = loop
        self._start = start
        self._last = 0
        self.skew = 0
        """By how much it is wrong, in microseconds."""

    def now(self) -> int:
        """The current time; no two looks give the same."""
        self._last = max(self._last + 1, self._start + self._loop.tick() + self.skew)
        return self._last

    async def wait(self, bell: Bell, until: int | None, *, background: bool = False) -> None:
        """Return when the bell rings or at `until`."""
        if until is None:
            await bell.wait()
            return
        left = until - self.now()
        if left <= 0:
            await anyio.lowlevel.checkpoint()
            return
        machine = MACHINE.get()
        with anyio.CancelScope() as scope:
            if background:
                wake = scope.cancel
                due = self._loop.micros + left
                self._loop.call_once_past(
                    due, lambda: None if machine is not None and machine.stopped else wake()
                )
                await bell.wait()
                return
            timer = self._loop.call_in(left, scope.cancel)
            try:
                await bell.wait()
            finally:
                timer.cancel()


class PollingClock(MachineClock):
    """The clock of a client in another process, which polls the store: it sleeps while that rests.

    Otherwise time would pass a tenth of a second at a time.
    """

    def __init__(self, loop: VirtualLoop, start: int, disk: Disk) -> None:
        super().__init__(loop, start)
        self._disk = disk

    async def wait(self, bell: Bell, until: int | None, *, background: bool = False) -> None:
        """Return at `until`, or after it when nothing changes in the store."""
        if self._loop.micros - self._disk.changed_at > SLACK:
            changed = anyio.Event()
            self._disk.when_changed(changed.set)
            await changed.wait()
        await super().wait(bell, until, background=background)
