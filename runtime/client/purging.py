"""Deleting what has ended, in steps between which everything else goes on."""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any

import anyio

from ...actors.errors import InstanceNotFoundError, InstanceStateError
from ...actors.status import TERMINAL, Status
from ..clock import checked_timeout
from .queries import Queries, checked_statuses
from .views import PurgeResult

Progress = Callable[[PurgeResult], object]


class Purging(Queries):
    """The part of the client that deletes."""

    async def purge(
        self, instance_id: str, *, recursive: bool = False, progress: Progress | None = None
    ) -> PurgeResult:
        """Delete an instance that has ended, with its history.

        `recursive` deletes the ended ones among its children too, and theirs, before it. Waits
        for a termination that is on its way; see `purge_by` for `progress`. Raises
        `InstanceNotFoundError`, and `InstanceStateError` for one that has not ended.
        """
        status = await self.gateway.foresee(instance_id)
        if status is None:
            raise InstanceNotFoundError(instance_id)
        if not status.is_terminal:
            raise InstanceStateError(instance_id, status, "purge")
        result = PurgeResult()
        await self._purge([instance_id], result, progress, recursive=recursive)
        return result

    async def purge_by(
        self,
        *,
        created_from: datetime | None = None,
        created_to: datetime | None = None,
        completed_from: datetime | None = None,
        completed_to: datetime | None = None,
        statuses: Collection[Status] = frozenset(TERMINAL),
        names: Collection[str] = (),
        instance_id_prefix: str = "",
        tags: Mapping[str, str] | None = None,
        parent_instance_id: str | None = None,
        version: str | None = None,
        recursive: bool = False,
        timeout: float | None = None,
        progress: Progress | None = None,
    ) -> PurgeResult:
        """Delete all matching instances that have ended; `recursive` their ended children too.

        In steps of a few milliseconds. After each, `progress` is called with the result so far.
        When that is interrupted, by cancellation or after `timeout` seconds, what is deleted stays
        deleted, and `progress` has been told of it; after a timeout the result says that it is
        not complete. Raises `ValueError` for a status in which an instance has not ended.
        """
        statuses = checked_statuses("statuses", statuses)
        if running := [s.label for s in statuses if not s.is_terminal]:
            raise ValueError(f"only ended instances can be purged, not {', '.join(running)}")
        filters: dict[str, Any] = {
            # None would mean those too that have not ended.
            "statuses": statuses or TERMINAL,
            "names": names,
            "instance_id_prefix": instance_id_prefix,
            "created_from": created_from,
            "created_to": created_to,
            "completed_from": completed_from,
            "completed_to": completed_to,
            "tags": tags,
            "parent_instance_id": parent_instance_id,
            "version": version,
            "show_payloads": False,
        }
        result = PurgeResult()
        limit = None if timeout is None else checked_timeout(timeout)
        with anyio.move_on_after(limit) as scope:
            token: str | None = None
            while True:
                page = await self.query(**filters, continuation_token=token)
                ids = [status.instance_id for status in page.instances]
                await self._purge(ids, result, progress, recursive=recursive)
                token = page.continuation_token
                if token is None:
                    break
        result.is_complete = not scope.cancelled_caught
        return result

    async def _purge(
        self, ids: list[str], result: PurgeResult, progress: Progress | None, *, recursive: bool
    ) -> None:
        if recursive:
            # Children first: what is interrupted can be found and done again by the parent.
            ids = (await self.gateway.read(lambda store: store.family(ids)))[::-1]
        while ids:
            purged = await self.gateway.purge(ids)
            result.instance_ids += purged.gone
            result.deleted_instance_count += len(purged.gone)
            if progress is not None:
                progress(result)
            ids = purged.left
