"""A client's connection to a store that another process owns."""

import os
import threading
from functools import partial
from typing import cast

from ...actors.app import App
from ...actors.errors import RuntimeClosedError
from ...persistence.opening import checked_place, open_store
from ...persistence.store import Store
from ..clock import SystemClock, new_id
from ..instruments import Telemetry, checked_telemetry
from ..lanes import ThreadLane, run_in
from .courier import Courier
from .gateway import Gateway
from .hearing import Hearing, hearing_of
from .store_gateway import StoreGateway


class Connection:
    """Opens what a client was given, and closes only what it has opened."""

    def __init__(
        self,
        store: str | os.PathLike[str] | Store | Gateway,
        app: App | None,
        telemetry: Telemetry | None = None,
        *,
        create: bool = False,
    ) -> None:
        self._given = store
        self._create = create
        self._app = app
        self._telemetry = checked_telemetry(telemetry)
        self._lane: ThreadLane | None = None
        self._opened: Store | None = None
        self._hearing: Hearing | None = None
        self._gateway: Gateway | None = None
        self._thread = threading.get_ident()
        if not isinstance(store, (str, os.PathLike)) and hasattr(store, "watch"):
            self._gateway = self._traced(cast("Gateway", store))

    @property
    def gateway(self) -> Gateway:
        """The way to the actors."""
        if self._gateway is None:
            raise RuntimeClosedError("use the client inside `async with Client(...) as client:`")
        if self._thread != threading.get_ident():
            raise RuntimeError(
                "a client belongs to the event loop that it was opened on; "
                "in another thread use anyio.from_thread.run, or open a Client there"
            )
        return self._gateway

    async def open(self) -> None:
        """Connect."""
        if self._gateway is not None:
            return
        self._thread = threading.get_ident()
        self._lane = ThreadLane("client")
        given = self._given
        try:
            if isinstance(given, (str, os.PathLike)):
                opening = partial(open_store, given, create=self._create)
                store = self._opened = await run_in(self._lane, opening)
            else:
                checked_place(given)
                store = cast("Store", given)
        except BaseException:
            self._lane.close()
            raise
        app = self._app if self._app is not None else App("client")
        self._hearing = hearing_of(store)
        post = Courier(store, self._lane).post
        gateway = StoreGateway(app, SystemClock(), new_id, store, self._lane, post, self._hearing)
        self._gateway = self._traced(gateway)

    def _traced(self, gateway: Gateway) -> Gateway:
        return gateway if self._telemetry is None else self._telemetry.gateway(gateway)

    def close(self) -> None:
        """Disconnect."""
        if self._lane is None:
            return
        self._lane.close()
        self._lane, self._gateway = None, None
        if self._hearing is not None:
            self._hearing.close()
        if self._opened is not None:
            self._opened.close()
