"""The courier: posts what clients send to actors that run elsewhere, all that waits at a time.

Each post is a transaction, synced to the disk, and those of a hub go one after the other.
"""

from collections.abc import Sequence

from attrs import define

from ...actors.errors import InstanceAlreadyExistsError, StoreError
from ...persistence.records import MessageRow, Start
from ...persistence.store import Store
from ..lanes import Lane
from .convoy import Convoy


@define(eq=False)
class Parcel:
    """What one request posts."""

    messages: Sequence[MessageRow]
    starts: Sequence[Start]


class Courier:
    """Posts for the clients of one event loop."""

    def __init__(self, store: Store, lane: Lane) -> None:
        self._store = store
        self._convoy: Convoy[Parcel, None] = Convoy(lane, self._deliver, _is_to_blame, _weight)

    async def post(self, messages: Sequence[MessageRow], starts: Sequence[Start] = ()) -> None:
        """See `Store.post`; a cancelled caller leaves it on its way."""
        await self._convoy.join(Parcel(messages, starts))

    def close(self) -> None:
        """Post nothing more; who waits for a post is told so."""
        self._convoy.close()

    def _deliver(self, parcels: list[Parcel]) -> list[InstanceAlreadyExistsError | None]:
        refused: dict[Parcel, InstanceAlreadyExistsError] = {}
        while left := [parcel for parcel in parcels if parcel not in refused]:
            messages = [row for parcel in left for row in parcel.messages]
            starts = [start for parcel in left for start in parcel.starts]
            try:
                self._store.post(messages, starts)
            except InstanceAlreadyExistsError as error:
                refused |= self._refused(left, error)
            else:
                break
        return [refused.get(parcel) for parcel in parcels]

    def _refused(
        self, parcels: list[Parcel], error: InstanceAlreadyExistsError
    ) -> dict[Parcel, InstanceAlreadyExistsError]:
        """All that somebody is in the way of, as one look tells of hundreds; at least one."""
        ids = {start.row.id for parcel in parcels for start in parcel.starts}
        there = {row.id: row.status for row in self._store.instances(ids).values()}
        refused: dict[Parcel, InstanceAlreadyExistsError] = {}
        for parcel in parcels:
            for start in parcel.starts:
                name, status = start.row.id, there.get(start.row.id)
                if status is not None and status not in start.replaceable:
                    refused[parcel] = InstanceAlreadyExistsError(name, status)
                    break
            else:
                there |= {start.row.id: start.row.status for start in parcel.starts}
        if not refused:
            # What was in the way has gone since; it was there when this one asked.
            refused[next(parcel for parcel in parcels if _begins(parcel, error))] = error
        return refused


def _begins(parcel: Parcel, error: InstanceAlreadyExistsError) -> bool:
    return any(start.row.id == error.instance_id for start in parcel.starts)


def _is_to_blame(_: Parcel, error: BaseException) -> bool:
    return not isinstance(error, StoreError)


def _weight(parcel: Parcel) -> int:
    bodies = sum(len(row.body) for row in parcel.messages)
    return bodies + sum(len(start.row.input or "") for start in parcel.starts)
