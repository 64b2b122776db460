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
        self._convoy: Convoy[Parcel, None] = Convoy(lane, self._deliver, _may_be_to_blame)

    async def post(self, messages: Sequence[MessageRow], starts: Sequence[Start] = ()) -> None:
        """See `Store.post`; a cancelled caller leaves it on its way."""
        await self._convoy.join(Parcel(messages, starts))

    def close(self) -> None:
        """Post nothing more; who waits for a post is told so."""
        self._convoy.close()

    def _deliver(self, parcels: list[Parcel]) -> list[None]:
        messages = [row for parcel in parcels for row in parcel.messages]
        starts = [start for parcel in parcels for start in parcel.starts]
        self._store.post(messages, starts)
        return [None] * len(parcels)


def _may_be_to_blame(parcel: Parcel, error: BaseException) -> bool:
    if isinstance(error, InstanceAlreadyExistsError):
        return any(start.row.id == error.instance_id for start in parcel.starts)
    return not isinstance(error, StoreError)
