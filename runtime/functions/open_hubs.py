"""The task hubs of a host while it runs: a runtime for each, or a client."""

from collections.abc import Mapping
from contextlib import AsyncExitStack

from attrs import define

from perdure.actors.app import App
from perdure.actors.errors import StoreInUseError
from perdure.http.hubs import Target
from perdure.runtime.client import Client
from perdure.runtime.host import Runtime, Seams
from perdure.runtime.management import ManagementUrl

from .plan import HostPlan
from .task_hubs import STORES, TaskHub


@define
class OpenHubs:
    """The clients of all hubs, by the hub's key."""

    targets: dict[tuple[str, str], Target]
    remarks: list[tuple[TaskHub, str]]

    def by_name(self, plan: HostPlan) -> Mapping[tuple[str, str], Target]:
        """By hub and connection, as calls of the management API name them; the own hub first."""
        named: dict[tuple[str, str], Target] = {}
        for hub in plan.hubs.named.values():
            for connection in (hub.shown_connection, hub.connection):
                named[hub.name, connection] = self.targets[hub.key]
        return named


async def open_hubs(stack: AsyncExitStack, app: App, plan: HostPlan, seams: Seams) -> OpenHubs:
    """Enter a runtime for each hub of the plan, or a client where another process runs it.

    Raises `StoreInUseError` when that is the hub of the app's own functions.
    """
    settings = plan.settings
    opened = OpenHubs({}, [])
    for hub in plan.hubs.named.values():
        if hub.key in opened.targets:
            continue
        if hub.store.startswith("sqlite") and f"/{STORES}/" in hub.store:
            (plan.folder / STORES).mkdir(exist_ok=True)
        runtime = Runtime(
            app,
            hub.store,
            seams=seams,
            activities_max=settings.activities_max,
            activity_threads_max=settings.activities_max,
            entity_batch_max=settings.entity_batch_max,
            management=ManagementUrl(task_hub=hub.name, connection=hub.shown_connection),
        )
        try:
            opened.targets[hub.key] = await stack.enter_async_context(runtime)
            opened.remarks.append((hub, ""))
        except StoreInUseError:
            if hub is plan.hubs.own:
                raise
            client = Client(hub.store, app)
            opened.targets[hub.key] = await stack.enter_async_context(client)
            opened.remarks.append((hub, "  (run by another process; only clients here)"))
    return opened
