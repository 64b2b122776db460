"""The courier: posts what clients send to actors that run elsewhere, all that waits at a time.

Each post is a transaction, synced to the disk, and those of a hub go one after the other: so what
comes while one is being written waits, and is the next one together.
"""

from collections import deque
from collections.abc import Sequence
from functools import partial

from attrs import define

from ...actors.errors import InstanceAlreadyExistsError, RuntimeClosedError, StoreError
from ...persistence.records import MessageRow, Start
from ...persistence.store import Store
from ..engine.reply import Reply
from ..lanes import Lane

PARCELS_MAX = 500
"""So many requests are posted together."""


@define(eq=False)
class Parcel:
    """What one request posts."""

    messages: Sequence[MessageRow]
    starts: Sequence[Start]
    reply: Reply[bool]

    def starts_one(self, instance_id: str) -> bool:
        """Whether it begins this instance."""
        return any(start.row.id == instance_id for start in self.starts)


class Courier:
    """Posts for the clients of one event loop."""

    def __init__(self, store: Store, lane: Lane) -> None:
        self._store = store
        self._lane = lane
        self._waiting: deque[Parcel] = deque()
        self._apart: deque[Parcel] = deque()
        """Those of which one was refused, each to be posted alone."""
        self._sending: list[Parcel] = []
        self._closed = False

    async def post(self, messages: Sequence[MessageRow], starts: Sequence[Start] = ()) -> None:
        """See `Store.post`; a cancelled caller leaves it on its way."""
        if self._closed:
            raise RuntimeClosedError("the runtime or client was left; enter another one")
        parcel = Parcel(messages, starts, Reply())
        self._waiting.append(parcel)
        if not self._sending:
            self._send()
        await parcel.reply.wait()

    def close(self) -> None:
        """Post nothing more; who waits for a post is told so."""
        self._closed = True
        left = (*self._sending, *self._apart, *self._waiting)
        self._apart.clear()
        self._waiting.clear()
        self._fail(left, RuntimeClosedError("the runtime or client was left while it was posting"))

    def _send(self) -> None:
        parcels = self._sending = self._next()
        if not parcels:
            return
        messages = [row for parcel in parcels for row in parcel.messages]
        starts = [start for parcel in parcels for start in parcel.starts]
        try:
            self._lane.submit(partial(self._store.post, messages, starts), self._posted)
        except RuntimeClosedError:
            self.close()

    def _next(self) -> list[Parcel]:
        if self._apart:
            return [self._apart.popleft()]
        count = min(len(self._waiting), PARCELS_MAX)
        return [self._waiting.popleft() for _ in range(count)]

    def _posted(self, _: None, error: BaseException | None) -> None:
        parcels, self._sending = self._sending, []
        if error is None:
            for parcel in parcels:
                parcel.reply.set(True)
        elif len(parcels) == 1 or self._closed or isinstance(error, StoreError):
            self._fail(parcels, error)
        else:
            self._separate(parcels, error)
        self._send()

    def _separate(self, parcels: Sequence[Parcel], error: BaseException) -> None:
        """Post those alone that may be to blame, and the others again."""
        blamed = list(parcels)
        if isinstance(error, InstanceAlreadyExistsError):
            blamed = [parcel for parcel in parcels if parcel.starts_one(error.instance_id)]
        self._apart.extend(blamed)
        self._waiting.extendleft(parcel for parcel in reversed(parcels) if parcel not in blamed)

    def _fail(self, parcels: Sequence[Parcel], error: BaseException) -> None:
        for parcel in parcels:
            parcel.reply.fail(error)
