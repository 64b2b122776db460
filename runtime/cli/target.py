"""What commands speak to: a store, or the HTTP management API of a service."""

from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Any, Protocol

from attrs import asdict, frozen

from perdure.actors.identity import EntityId
from perdure.actors.status import Status
from perdure.runtime.client.views import (
    EntityPage,
    EntityState,
    InstancePage,
    InstanceStatus,
    QueueStatus,
    WorkerStatus,
)

from .ending import FAILED, CommandError

PAGE_SIZE = 100

Purged = Callable[[int], object]
"""Called with the number of instances that are gone up to now."""


@frozen
class Filters:
    """Which orchestrations. Every field narrows the answer; an empty one does not."""

    statuses: frozenset[Status] = frozenset()
    names: frozenset[str] = frozenset()
    prefix: str = ""
    created_from: datetime | None = None
    created_to: datetime | None = None
    completed_from: datetime | None = None
    completed_to: datetime | None = None
    tags: dict[str, str] | None = None
    parent: str | None = None
    version: str | None = None
    """Empty for those that were started without one."""

    def __bool__(self) -> bool:
        return self.version is not None or any(asdict(self, recurse=False).values())


@frozen
class Order:
    """An orchestration to start."""

    name: str
    given: bool
    """Whether there is an input; None may be one."""
    input: Any
    instance_id: str | None
    version: str | None
    tags: dict[str, str]
    start_at: datetime | None


class NotOverHttpError(CommandError):
    """Raised for what the management API does not offer."""

    def __init__(self, what: str) -> None:
        super().__init__(f"the management API cannot {what}: give --store instead of --url", FAILED)


class Target(Protocol):
    """Where the instances are. Methods raise what `Client` raises for the same reason."""

    @property
    def place(self) -> str:
        """Its path or URL, for messages."""
        ...

    async def absence(self) -> str | None:
        """Why nothing will happen just now: no runtime is there. None when one is."""
        ...

    async def workers(self) -> list[WorkerStatus]:
        """Who shares the hub; nobody where one runtime owns the store."""
        ...

    async def queues(self) -> list[QueueStatus]:
        """The shared activities that wait or run there."""
        ...

    async def owner(self) -> str | None:
        """The one process that owns the store, when that can be known."""
        ...

    async def start(self, order: Order) -> str:
        """Start an orchestration; returns its id."""
        ...

    async def status(
        self, instance_id: str, *, history: bool = False, waiting: bool = False
    ) -> InstanceStatus:
        """What is known of an instance; raises `InstanceNotFoundError`."""
        ...

    def changes(self, instance_id: str) -> AsyncIterator[None]:
        """Tell at once, whenever something new is known of an instance, and at its end."""
        ...

    async def page(self, filters: Filters, size: int, token: str | None) -> InstancePage:
        """Matching orchestrations by creation."""
        ...

    async def count(self, filters: Filters) -> dict[Status, int]:
        """How many match, by status."""
        ...

    async def raise_event(self, instance_id: str, name: str, data: Any) -> None:
        """Raise an external event."""
        ...

    async def terminate(self, instance_id: str, reason: str | None, *, recursive: bool) -> None:
        """End an instance, with `recursive` its children too."""
        ...

    async def suspend(self, instance_id: str, reason: str | None) -> None:
        """Let nothing reach an instance's code."""
        ...

    async def resume(self, instance_id: str, reason: str | None) -> None:
        """Go on after a suspension, or after what was parked is mended."""
        ...

    async def rewind(self, instance_id: str, reason: str | None) -> None:
        """Let a failed instance do its failed work again."""
        ...

    async def restart(self, instance_id: str, *, same_id: bool) -> str:
        """Start an orchestration again; returns its id."""
        ...

    async def purge(self, instance_id: str, *, recursive: bool) -> int:
        """Delete an instance that has ended; returns how many that were."""
        ...

    async def purge_by(self, filters: Filters, purged: Purged) -> int:
        """Delete all matching instances that have ended, step by step; returns how many."""
        ...

    async def signal(
        self, entity_id: EntityId, operation: str, given: list[Any], at: datetime | None
    ) -> None:
        """Send an operation, with an input or without, to an entity."""
        ...

    async def entity(self, entity_id: EntityId) -> EntityState:
        """What is known of an entity; raises `InstanceNotFoundError`."""
        ...

    async def entities(
        self, name: str, prefix: str, *, states: bool, size: int, token: str | None
    ) -> EntityPage:
        """Entities by name and key."""
        ...

    async def clean_entities(self) -> int:
        """Release locks whose holder has ended or is gone; returns how many."""
        ...
