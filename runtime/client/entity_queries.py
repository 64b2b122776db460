"""Looking at entities, and cleaning up after them."""

from datetime import datetime
from functools import partial
from typing import TypeVar, TypeVarTuple

from ...actors.entity import Lock
from ...actors.history import (
    NO_ID,
    EntityUnlockSent,
)
from ...actors.identity import EntityId
from ...actors.messages import Message
from ...persistence.records import EntityRow, Page
from ...persistence.store import Store
from .queries import Queries, check_page, check_text, optional_micros
from .views import (
    CleanResult,
    EntityPage,
    EntityState,
    entity_state,
)

R = TypeVar("R")
E = TypeVar("E")
T = TypeVar("T")
Ts = TypeVarTuple("Ts")

PAGE_SIZE = 100


class EntityQueries(Queries):
    """The part of the client that reads entities."""

    async def get_entity(self, entity_id: EntityId) -> EntityState | None:
        """What is known of an entity as of its last commit, or None."""

        def read(store: Store) -> EntityState | None:
            row = store.entity(str(entity_id))
            backlog = store.backlog(str(entity_id))
            if row is None:
                return None
            return entity_state(row, backlog=backlog)

        return await self.gateway.read(read)

    async def query_entities(
        self,
        *,
        name: str = "",
        key_prefix: str = "",
        last_modified_from: datetime | None = None,
        last_modified_to: datetime | None = None,
        include_state: bool = True,
        include_transient: bool = False,
        page_size: int = PAGE_SIZE,
        continuation_token: str | None = None,
    ) -> EntityPage:
        """Entities by id; those without state only with `include_transient`.

        Raises `TypeError` and `ValueError` for bad input, by its name.
        """
        check_page(page_size, continuation_token)
        check_text("name", name)
        check_text("key_prefix", key_prefix)
        if key_prefix and not name:
            raise ValueError("key_prefix needs the name of the entity")
        prefix = str(EntityId(name, key_prefix)) if name else "@"
        page = await self.gateway.read(
            lambda store: store.entities(
                prefix,
                page_size,
                continuation_token,
                updated_from=optional_micros(last_modified_from),
                updated_to=optional_micros(last_modified_to),
                transient=include_transient,
            )
        )
        return EntityPage([entity_state(row, state=include_state) for row in page.rows], page.token)

    async def clean_entity_storage(
        self, *, remove_empty_entities: bool = True, release_orphaned_locks: bool = True
    ) -> CleanResult:
        """Release locks whose holder has ended or is gone.

        Entities without state, lock and messages are removed as they arise, so that there are
        none to remove.
        """
        result = CleanResult()
        token: str | None = None
        while release_orphaned_locks:
            page = await self.gateway.read(partial(_entities_from, token))
            for row in page.rows:
                result.orphaned_locks_released += await self._release_if_orphaned(row)
            token = page.token
            if token is None:
                break
        return result

    async def _release_if_orphaned(self, row: EntityRow) -> int:
        if row.lock is None or row.locked_by is None:
            return 0
        holder = await self.get_status(row.locked_by)
        if holder is not None and holder.is_running:
            return 0
        lock = Lock.read(row.lock)
        event = EntityUnlockSent(
            self.gateway.clock.now(), NO_ID, lock.critical_section_id, row.id, lock.owner
        )
        await self.gateway.send(Message(row.id, event), None)
        return 1


def _entities_from(token: str | None, store: Store) -> Page[EntityRow]:
    return store.entities("@", PAGE_SIZE, token, transient=True)
