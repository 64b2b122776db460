"""Rows with all that a test does not care about filled in."""

from collections.abc import Callable
from typing import Any

from attrs import evolve

from ...actors.status import Status
from ..records import Commit, EntityRow, InstanceRow, MessageRow, TurnRow
from ..store import Store

OpenStore = Callable[[], Store]

FIRST = "1" * 32
SECOND = "2" * 32


def instance(instance_id: str, **changes: Any) -> InstanceRow:
    """Return the row of a running orchestration."""
    return evolve(InstanceRow(instance_id, FIRST, "hello", None, Status.RUNNING, 10, 10), **changes)


def entity(entity_id: str, **changes: Any) -> EntityRow:
    """Return the row of an entity that exists."""
    return evolve(EntityRow(entity_id, 10, "0"), **changes)


def turn(instance_id: str, sequence: int) -> TurnRow:
    """Return a turn that can be told from others."""
    return TurnRow(instance_id, sequence, 10 + sequence, f"[{sequence}]")


def message(target: str, position: int = 0, due: int | None = None) -> MessageRow:
    """Return a message for `target`."""
    return MessageRow(position, target, f"to {target}", None, due)


class Owner:
    """A handle that owns its store and puts its epoch on what it commits."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.epoch = store.own()

    def commit(self, **sections: Any) -> None:
        """Commit these sections."""
        self.store.commit(Commit(self.epoch, **sections))

    def keep(self, *rows: InstanceRow) -> None:
        """Commit these instances."""
        self.commit(instances={row.id: row for row in rows})
