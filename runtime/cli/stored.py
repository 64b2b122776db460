"""A store as target: what a client in another process does, over what both share."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from anyio import to_thread
from attrs import evolve

from perdure.actors.errors import InstanceNotFoundError
from perdure.actors.identity import EntityId
from perdure.actors.status import TERMINAL, Status
from perdure.persistence.owner_lock import OwnerLock
from perdure.runtime.client.client import Client
from perdure.runtime.client.views import (
    EntityPage,
    EntityState,
    InstancePage,
    InstanceStatus,
    QueueStatus,
    WorkerStatus,
)

from .ending import USAGE, CommandError
from .stores import Database, Place, url_of
from .target import Filters, Order, Purged, Target


@asynccontextmanager
async def stored(place: Place) -> AsyncGenerator[Target]:
    """The store there, which is not made by this."""
    async with Client(url_of(place)) as client:
        yield StoreTarget(place, client)


class StoreTarget:
    """See the module's docstring."""

    def __init__(self, place: Place, client: Client) -> None:
        self._place = place
        self._client = client

    @property
    def place(self) -> str:
        """The path, or the URL without secrets."""
        return str(self._place)

    async def absence(self) -> str | None:
        """Whether no process owns the store."""
        if await to_thread.run_sync(_is_owned, self._place):
            return None
        return f"no runtime runs {self._place}: it goes on when one does (`perdure run`)"

    async def workers(self) -> list[WorkerStatus]:
        """Who shares a hub in PostgreSQL."""
        return await self._client.workers()

    async def queues(self) -> list[QueueStatus]:
        """What waits in a hub in PostgreSQL."""
        return await self._client.queues()

    async def owner(self) -> str | None:
        """Who holds the lock of a file."""
        if isinstance(self._place, Database):
            return None
        holder = await to_thread.run_sync(OwnerLock(self._place.resolve()).holder)
        return None if holder is None else f"pid {holder}"

    async def start(self, order: Order) -> str:
        """Start an orchestration; returns its id."""
        instance = await self._client.start_new(
            order.name,
            *([order.input] if order.given else []),
            instance_id=order.instance_id,
            version=order.version,
            tags=order.tags,
            start_at=order.start_at,
        )
        return instance.instance_id

    async def status(
        self, instance_id: str, *, history: bool = False, waiting: bool = False
    ) -> InstanceStatus:
        """What is known of an instance."""
        found = await self._client.get_status(
            instance_id, show_history=history, show_waiting=waiting
        )
        if found is None:
            raise InstanceNotFoundError(instance_id)
        return found

    async def changes(self, instance_id: str) -> AsyncIterator[None]:
        """Tell of changes."""
        async for _ in self._client.follow(instance_id):
            yield

    async def page(self, filters: Filters, size: int, token: str | None) -> InstancePage:
        """Matching orchestrations by creation."""
        return await self._client.query(
            **_wanted(filters), page_size=size, continuation_token=token
        )

    async def count(self, filters: Filters) -> dict[Status, int]:
        """How many match, by status."""
        return await self._client.count(**_wanted(filters))

    async def raise_event(self, instance_id: str, name: str, data: Any) -> None:
        """Raise an external event."""
        await self._client.raise_event(instance_id, name, data)

    async def terminate(self, instance_id: str, reason: str | None, *, recursive: bool) -> None:
        """End an instance."""
        await self._client.terminate(instance_id, reason, recursive=recursive)

    async def suspend(self, instance_id: str, reason: str | None) -> None:
        """Let nothing reach an instance's code."""
        await self._client.suspend(instance_id, reason)

    async def resume(self, instance_id: str, reason: str | None) -> None:
        """Go on."""
        await self._client.resume(instance_id, reason)

    async def rewind(self, instance_id: str, reason: str | None) -> None:
        """Let a failed instance do its failed work again."""
        await self._client.rewind(instance_id, reason)

    async def restart(self, instance_id: str, *, same_id: bool) -> str:
        """Start an orchestration again; returns its id."""
        again = await self._client.restart(instance_id, restart_with_new_instance_id=not same_id)
        return again.instance_id

    async def purge(self, instance_id: str, *, recursive: bool) -> int:
        """Delete an instance that has ended."""
        purged = await self._client.purge(instance_id, recursive=recursive)
        return purged.deleted_instance_count

    async def purge_by(self, filters: Filters, purged: Purged) -> int:
        """Delete all matching instances that have ended, step by step."""
        result = await self._client.purge_by(
            **_wanted(evolve(filters, statuses=filters.statuses or TERMINAL)),
            progress=lambda so_far: purged(so_far.deleted_instance_count),
        )
        return result.deleted_instance_count

    async def signal(
        self, entity_id: EntityId, operation: str, given: list[Any], at: datetime | None
    ) -> None:
        """Send an operation to an entity."""
        await self._client.entity(entity_id).signal(operation, *given, at=at)

    async def entity(self, entity_id: EntityId) -> EntityState:
        """What is known of an entity."""
        found = await self._client.get_entity(entity_id)
        if found is None:
            raise InstanceNotFoundError(str(entity_id))
        return found

    async def entities(
        self, name: str, prefix: str, *, states: bool, size: int, token: str | None
    ) -> EntityPage:
        """Entities by name and key."""
        if prefix and not name:
            raise CommandError("--prefix is that of keys: give --name of the entity too", USAGE)
        return await self._client.query_entities(
            name=name,
            key_prefix=prefix,
            include_state=states,
            page_size=size,
            continuation_token=token,
        )

    async def clean_entities(self) -> int:
        """Release locks whose holder has ended or is gone."""
        return (await self._client.clean_entity_storage()).orphaned_locks_released


def _is_owned(place: Place) -> bool:
    if not isinstance(place, Database):
        return OwnerLock(place.resolve()).holder() is not None
    from perdure.persistence.postgres_checkup import living_workers  # noqa: PLC0415 - of an extra

    return bool(living_workers(place.url))


def _wanted(filters: Filters) -> dict[str, Any]:
    return {
        "statuses": filters.statuses,
        "names": filters.names,
        "instance_id_prefix": filters.prefix,
        "created_from": filters.created_from,
        "created_to": filters.created_to,
        "completed_from": filters.completed_from,
        "completed_to": filters.completed_to,
        "tags": filters.tags,
        "parent_instance_id": filters.parent,
        "version": filters.version,
    }
