"""The courier: takes what clients here send to actors elsewhere, all that waits at a time.

Posts of a hub go one after the other, so that a worker's make one transaction while the one before
them is being written.
"""

from collections import deque
from collections.abc import Sequence
from functools import partial

from attrs import define

from ...actors.errors import InstanceAlreadyExistsError, RuntimeClosedError
from ...persistence.records import MessageRow, Start
from ...persistence.store import Store
from ..clock import Bell
from ..engine.reply import Reply
from ..lanes import Lane, run_in

PARCELS_MAX = 500
"""So many requests are posted together."""


@define(eq=False)
class Parcel:
    """What one client posts."""

    messages: Sequence[MessageRow]
    starts: Sequence[Start]
    reply: Reply[bool]


class Courier:
    """Posts for the clients of one worker."""

    def __init__(self, store: Store, lane: Lane) -> None:
        self._store = store
        self._lane = lane
        self._waiting: deque[Parcel] = deque()
        self._bell = Bell()
        self._closed = False

    async def post(self, messages: Sequence[MessageRow], starts: Sequence[Start] = ()) -> None:
        """See `Store.post`."""
        if self._closed:
            raise RuntimeClosedError("the runtime was left; enter another one")
        parcel = Parcel(messages, starts, Reply())
        self._waiting.append(parcel)
        self._bell.ring()
        await parcel.reply.wait()

    async def run(self) -> None:
        """Post, until it is cancelled."""
        parcels: list[Parcel] = []
        try:
            while True:
                await self._bell.wait()
                while self._waiting:
                    count = min(len(self._waiting), PARCELS_MAX)
                    parcels = [self._waiting.popleft() for _ in range(count)]
                    await self._deliver(parcels)
        finally:
            self._closed = True
            for parcel in (*parcels, *self._waiting):
                parcel.reply.fail(RuntimeClosedError("the runtime was left while it was posting"))

    async def _deliver(self, parcels: list[Parcel]) -> None:
        messages = [row for parcel in parcels for row in parcel.messages]
        starts = [start for parcel in parcels for start in parcel.starts]
        try:
            await run_in(self._lane, partial(self._store.post, messages, starts))
        except InstanceAlreadyExistsError as error:
            if len(parcels) == 1:
                parcels[0].reply.fail(error)
                return
            # One of them is in nobody else's way.
            for parcel in parcels:
                await self._deliver([parcel])
        except Exception as error:  # noqa: BLE001 - it is for those who asked
            for parcel in parcels:
                parcel.reply.fail(error)
        else:
            for parcel in parcels:
                parcel.reply.set(True)
