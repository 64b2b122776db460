"""A client that no crash touches: it has the store alone, as one in another process has."""

from typing import TypeVar

from perdure.actors.app import App
from perdure.persistence.store import Store
from perdure.runtime.client.courier import Courier
from perdure.runtime.client.store_gateway import Look, StoreGateway
from perdure.runtime.clock import IdSource
from perdure.runtime.engine.reply import Reply
from perdure.runtime.lanes import InlineLane

from .clock import VirtualClock

T = TypeVar("T")


class OutsideGateway(StoreGateway):
    """Looks when the store has changed, and not every now and then."""

    def __init__(self, app: App, clock: VirtualClock, new_id: IdSource, store: Store) -> None:
        lane = InlineLane("client")
        super().__init__(app, clock, new_id, store, lane, Courier(store, lane).post)
        self.waits: set[Reply[bool]] = set()
        """Of those who wait for something of the store."""

    def stir(self) -> None:
        """The store has something new."""
        for reply in self.waits:
            reply.set(True)

    def fail(self, error: Exception) -> None:
        """Nothing new will come."""
        for reply in self.waits:
            reply.fail(error)

    async def _poll(self, target: str, look: Look[T]) -> T:
        while True:
            reply: Reply[bool] = Reply()
            self.waits.add(reply)
            try:
                found = await look()
                if found is not None:
                    return found
                await reply.wait()
            finally:
                self.waits.discard(reply)
