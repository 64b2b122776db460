"""The external events of one execution: who waits for which, and which nobody has taken."""

from collections import deque
from typing import Any

from .emptiness import NOTHING
from .history import EventRaised
from .tasks import Task


class Listening:
    """Ends a wait for an event; lighter than a closure, as great numbers wait for long."""

    __slots__ = ("_events", "_name", "_task")

    def __init__(self, events: "RaisedEvents", name: str, task: Task[Any]) -> None:
        self._events = events
        self._name = name
        self._task = task

    def __call__(self) -> None:
        self._events.stop_listening(self._name, self._task)


class RaisedEvents:
    """Each event goes to one wait, oldest event to oldest wait; names match in any case."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[Task[Any]]] = {}
        self._kept: dict[str, deque[tuple[int, EventRaised]]] = {}
        self._arrived = 0

    @property
    def awaited(self) -> list[str]:
        """Names that somebody waits for, in lower case, in order."""
        return sorted(self._waiting) if self._waiting else NOTHING

    def arrive(self, event: EventRaised) -> None:
        """Give an event to the wait that is oldest, or keep it for the next."""
        name = event.name.casefold()
        waiting = self._waiting.get(name)
        if not waiting:
            self._arrived += 1
            self._kept.setdefault(name, deque()).append((self._arrived, event))
            return
        task = waiting.pop(0)
        if not waiting:
            del self._waiting[name]
        task.resolve(event.input)

    def listen(self, name: str, task: Task[Any]) -> None:
        """Give the task the oldest event of that name, or the next one that comes."""
        kept = self._kept.get(name)
        if kept:
            task.resolve(kept.popleft()[1].input)
            if not kept:
                del self._kept[name]
        else:
            self._waiting.setdefault(name, []).append(task)
            task.on_cancel(Listening(self, name, task))

    def stop_listening(self, name: str, task: Task[Any]) -> None:
        """Leave the events of that name to others."""
        waiting = self._waiting.get(name)
        if waiting and task in waiting:
            waiting.remove(task)
            if not waiting:
                del self._waiting[name]

    def unclaimed(self) -> list[EventRaised]:
        """What nobody has taken, in the order of arrival, whatever the senders' clocks say."""
        kept = dict(place for queue in self._kept.values() for place in queue)
        return [kept[number] for number in sorted(kept)]
