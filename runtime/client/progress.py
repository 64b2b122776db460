"""How an instance gets on: its status and the new events of its history, as they become durable."""

import re
from typing import Self

from attrs import evolve, frozen

from ...actors.errors import InstanceNotFoundError, StoreCorruptError
from ...actors.status import Status
from ...persistence.records import InstanceRow
from ...persistence.store import Store
from ..engine.restore import turns_of
from .foreseeing import awaited
from .gateway import Gateway
from .views import HistoryEvent, InstanceStatus, history_events, instance_status

_MARK = re.compile(r"([0-9a-f]{32})-(\d{1,9})-(\d{1,9})", re.ASCII)


@frozen
class HistoryMark:
    """A place in a history: right behind an event. Its text is short, and `parse` reads it."""

    execution_id: str
    turn: int
    event: int
    """Which event of the turn, from 0."""

    def __str__(self) -> str:
        return f"{self.execution_id}-{self.turn}-{self.event}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """The reverse of `str`; raises `ValueError`."""
        found = _MARK.fullmatch(text)
        if found is None:
            raise ValueError(f"{text!r} is no place in a history, such as {'0' * 32}-3-1")
        return cls(found[1], int(found[2]), int(found[3]))


@frozen
class Progress:
    """What is new of an instance."""

    status: InstanceStatus
    """As of now, whether it has changed or not."""
    status_changed: bool
    """Whether a query would show something else than at the time of the progress before."""
    events: list[tuple[HistoryMark, HistoryEvent]]
    """The events since the progress before, each with the place behind it."""


class Follower:
    """Tells the progress of one instance: `async for progress in client.follow(instance_id)`.

    The first progress comes at once, others when something new is durable; the last is that of
    the end. Each event comes once. An instance that has begun a new execution is told of from the
    beginning of the newest; one that a client elsewhere has rewound is Running at once. A wait may
    be cancelled and asked for again; nothing is lost by that.

    Raises `InstanceNotFoundError`, also when the instance is purged.
    """

    def __init__(
        self, gateway: Gateway, instance_id: str, after: HistoryMark | None = None
    ) -> None:
        self._gateway = gateway
        self._instance_id = instance_id
        self._after = after
        self._told: InstanceRow | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Progress:
        if self._told is not None and self._told.status.is_terminal:
            raise StopAsyncIteration
        row, progress = await self._gateway.follow(self._instance_id, self._look)
        self._told = row
        if progress.events:
            self._after = progress.events[-1][0]
        return progress

    def _look(self, store: Store) -> tuple[InstanceRow, Progress] | None:
        row, events = self._read(store)
        changed = self._told is None or row != self._told
        if not changed and not events:
            return None
        status = instance_status(row, self._gateway.app.codec)
        return row, Progress(status, changed, events)

    def _read(self, store: Store) -> tuple[InstanceRow, list[tuple[HistoryMark, HistoryEvent]]]:
        """The row and the events of one and the same execution."""
        row = _row(store, self._instance_id)
        while True:
            events = self._events(store, row)
            again = _row(store, self._instance_id)
            if again.execution_id == row.execution_id:
                return row, events
            row = again

    def _events(self, store: Store, row: InstanceRow) -> list[tuple[HistoryMark, HistoryEvent]]:
        if row.status is Status.PENDING:
            # It has taken no turn; an instance that it replaces may have left some.
            return []
        after = self._after
        if after is None or after.execution_id != row.execution_id:
            after = HistoryMark(row.execution_id, 0, -1)
        found: list[tuple[HistoryMark, HistoryEvent]] = []
        for sequence, turn in turns_of(store, row.id, after.turn):
            for number, event in enumerate(history_events([turn])):
                if (sequence, number) > (after.turn, after.event):
                    found.append((HistoryMark(row.execution_id, sequence, number), event))
        return found


def _row(store: Store, instance_id: str) -> InstanceRow:
    row = awaited(store, [instance_id]).get(instance_id)
    if row is None:
        raise InstanceNotFoundError(instance_id)
    if row.damage is not None:
        raise StoreCorruptError(row.damage)
    # Whether activities are open is the engine's own affair.
    return evolve(row, open=False)
