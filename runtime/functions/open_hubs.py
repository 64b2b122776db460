"""The task hubs of a host while it runs: a runtime for each, or a client."""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from attrs import Factory, define

from perdure.actors.app import App
from perdure.actors.errors import RuntimeClosedError, StoreInUseError
from perdure.runtime.client.client import Client
from perdure.runtime.client.management import ManagementUrl
from perdure.runtime.host import Runtime, Seams

from .plan import HostPlan
from .task_hubs import STORES, TaskHub

GiveClient = Callable[[], Client]


@define(eq=False)
class OpenHubs:
    """The clients of a plan's hubs. They can be handed out before the hubs are open."""

    plan: HostPlan
    drain_timeout: float
    clients: dict[tuple[str, str], Client] = Factory(dict[tuple[str, str], Client])
    """By the hub's key."""
    remarks: list[tuple[TaskHub, str]] = Factory(list[tuple[TaskHub, str]])
    """What to say of each hub; an empty text is nothing."""

    def by_key(self) -> Mapping[tuple[str, str], GiveClient]:
        """What gives the client of each hub, by the hub's key."""
        return {hub.key: partial(self._client, hub.key) for hub in self.plan.hubs.named.values()}

    def by_name(self) -> Mapping[tuple[str, str], GiveClient]:
        """By hub and connection, as calls of the management API name them; the own hub first."""
        named: dict[tuple[str, str], GiveClient] = {}
        for hub in self.plan.hubs.named.values():
            for connection in (hub.shown_connection, hub.connection):
                named[hub.name, connection] = partial(self._client, hub.key)
        return named

    def _client(self, key: tuple[str, str]) -> Client:
        if key not in self.clients:
            raise RuntimeClosedError("the host is starting; try again")
        return self.clients[key]

    @asynccontextmanager
    async def opened(self, app: App, seams: Seams) -> AsyncGenerator[None]:
        """Enter a runtime for each hub, or a client where another process runs it.

        Raises `StoreInUseError` when that is the hub of the app's own functions.
        """
        async with AsyncExitStack() as stack:
            for hub in self.plan.hubs.named.values():
                if hub.key not in self.clients:
                    await self._open(stack, hub, app, seams)
            yield

    async def _open(self, stack: AsyncExitStack, hub: TaskHub, app: App, seams: Seams) -> None:
        if hub.store.startswith("sqlite") and f"/{STORES}/" in hub.store:
            (self.plan.folder / STORES).mkdir(exist_ok=True)
        runtime = _runtime(hub, app, self.plan, seams, self.drain_timeout)
        try:
            self.clients[hub.key] = (await stack.enter_async_context(runtime)).client
            self.remarks.append((hub, ""))
        except StoreInUseError:
            if hub is self.plan.hubs.own:
                raise
            client = Client(hub.store, app)
            self.clients[hub.key] = await stack.enter_async_context(client)
            self.remarks.append((hub, "  (run by another process; only clients here)"))


def _runtime(hub: TaskHub, app: App, plan: HostPlan, seams: Seams, drain_timeout: float) -> Runtime:
    settings = plan.settings
    return Runtime(
        app,
        hub.store,
        hooks=plan.webhooks[hub.name],
        seams=seams,
        drain_timeout=drain_timeout,
        activities_max=settings.activities_max,
        activity_threads_max=settings.activities_max,
        entity_batch_max=settings.entity_batch_max,
        management=ManagementUrl(task_hub=hub.name, connection=hub.shown_connection),
    )
