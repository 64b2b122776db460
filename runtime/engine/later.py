"""What a partition does later: timers that fire, and messages that are due in the future."""

from collections.abc import Callable

from ...actors.history import TimerFired
from ...actors.messages import Message
from ...persistence.records import TimerRow
from ..clock import Clock
from .timers import Timers


class Later:
    """Keeps in memory what is due before the horizon; the rest stays on disk until it moves on."""

    def __init__(
        self,
        clock: Clock,
        timers: Timers,
        life: Callable[[str], object],
        deliver: Callable[..., object],
    ) -> None:
        self._clock = clock
        self._timers = timers
        self._life = life
        self._deliver = deliver
        self.horizon = 0
        self._armed: dict[tuple[str, int], str] = {}

    def deliver(self, message: Message) -> None:
        """Deliver a message that is in a mailbox, now or when it is due."""
        due = message.due
        if due is None or due <= self._clock.now():
            self._deliver(message)
        elif due < self.horizon:
            self._at(message.target, due, lambda: self._deliver(message))

    def set(self, row: TimerRow) -> None:
        """Let a new timer fire when it is due; it replaces one of the same number."""
        self._armed.pop((row.instance_id, row.timer_id), None)
        self.arm(row)

    def arm(self, row: TimerRow) -> None:
        """Let a timer fire when it is due, unless it is armed already or due after the horizon."""
        key = row.instance_id, row.timer_id
        if row.due < self.horizon and self._armed.get(key) != row.execution_id:
            self._armed[key] = row.execution_id
            self._at(row.instance_id, row.due, lambda: self._fire(row))

    def cut(self, instance_id: str, timer_id: int) -> None:
        """Let a timer not fire."""
        self._armed.pop((instance_id, timer_id), None)

    def forget(self) -> None:
        """Memory was dropped."""
        self._armed.clear()

    def forget_those(self, gone: Callable[[str], bool]) -> None:
        """Of these actors memory was dropped."""
        for key in [key for key in self._armed if gone(key[0])]:
            del self._armed[key]

    def _at(self, target: str, due: int, act: Callable[[], object]) -> None:
        life = self._life(target)
        self._timers.call_at(due, lambda: act() if life == self._life(target) else None)

    def _fire(self, row: TimerRow) -> None:
        key = row.instance_id, row.timer_id
        if self._armed.get(key) == row.execution_id:
            del self._armed[key]
            event = TimerFired(self._clock.now(), row.timer_id, row.due)
            self._deliver(Message(row.instance_id, event, row.execution_id))
