"""Running a Functions app: its hubs, its triggers, the management API, and their end."""

import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, chdir
from functools import partial
from pathlib import Path

import anyio
import anyio.abc
import sniffio
from attrs import define, field, frozen

from perdure.actors.moments import moment
from perdure.http import serve
from perdure.http.serving import is_loopback
from perdure.runtime.host import Seams, real_seams

from .client_binding import ClientBindings
from .client_doors import ClientDoors
from .errors import FunctionsError
from .host_file import read_host_file
from .host_keys import HostKeys
from .http_triggers import HttpTriggers
from .invocation import Caller
from .kernel import kernel_app
from .loader import load
from .local_settings import LocalSettings, in_environment, read_local_settings
from .model import Function
from .open_hubs import OpenHubs, open_hubs
from .plan import HostPlan
from .site import public_site
from .startup_report import StartupReport
from .timer_triggers import Timer
from .versions import VersionedApp

PORT = 7071
_LOOPBACK = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104 - not to be listened on


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


@frozen(kw_only=True)
class _Options:
    address: str
    port: int | None
    keys: HostKeys | None
    url: str | None
    show: Callable[[str], object]
    seams: Seams


async def host(
    folder: str | os.PathLike[str],
    *,
    address: str = "127.0.0.1",
    port: int | None = None,
    keys: HostKeys | None = None,
    url: str | None = None,
    show: Callable[[str], object] = _print,
    seams: Seams | None = None,
    task_status: anyio.abc.TaskStatus[str] = anyio.TASK_STATUS_IGNORED,
) -> None:
    """Run the Functions app in a folder until cancelled, or until SIGINT or SIGTERM.

    While it runs, the folder is the working directory and local.settings.json is in the
    environment. `port` is 7071 unless given there; 0 takes a free one. `url` is where others reach
    it, for links, when that is not where it listens. `show` gets the lines of the start-up report.
    `url = await task_group.start(host, folder)` gives the URL once everything runs.

    Without `keys` every caller may do everything, which is refused on addresses that other
    machines can reach. Needs asyncio, for which Functions are written. Raises `FunctionsError`
    for an app or settings that cannot be, and `StoreInUseError` when another host runs the hub.
    """
    if sniffio.current_async_library() != "asyncio":
        raise FunctionsError("Functions apps need asyncio: run the host with backend='asyncio'")
    if keys is None and not is_loopback(address):
        raise FunctionsError(
            f"{address} can be reached from other machines, and the host has no keys; "
            "give it HostKeys(master=...), or serve it on 127.0.0.1"
        )
    place = _place(folder)
    local = read_local_settings(place)
    options = _Options(
        address=address,
        port=local.port if port is None else port,
        keys=keys,
        url=url.rstrip("/") if url is not None else None,
        show=show,
        seams=seams if seams is not None else real_seams(),
    )
    with in_environment(local.values) as kept, chdir(place):
        file = read_host_file(place, os.environ)
        with load(place) as app:
            plan = HostPlan.of(app, file, os.environ, moment(options.seams.clock.now()))
            await _Host(plan, local, kept, options).run(task_status)


def _place(folder: str | os.PathLike[str]) -> Path:
    place = Path(folder).resolve()
    if not place.is_dir():
        raise FunctionsError(f"{place} is no folder; name the one with host.json in it")
    return place


@define(eq=False)
class _Host:
    """One run of the host."""

    plan: HostPlan
    local: LocalSettings
    kept: list[str]
    """Settings of the environment that won over those of the file."""
    options: _Options
    clients: ClientBindings | None = None
    ready: anyio.Event = field(factory=anyio.Event)

    async def run(self, task_status: anyio.abc.TaskStatus[str]) -> None:
        """Open the hubs, then the doors, then start the timers; leave in the reverse order."""
        options, plan = self.options, self.plan
        async with AsyncExitStack() as stack:
            kernel = kernel_app(plan.app, plan.settings, supply=self._supply)
            app = VersionedApp(kernel, plan.settings)
            hubs = await open_hubs(stack, app, plan, options.seams)
            stack.push_async_callback(_close_sessions)
            caller = Caller(self._bindings, options.seams.new_id)
            functions = HttpTriggers(
                plan.http,
                caller,
                keys=options.keys,
                use_forwarded_host=plan.settings.use_forwarded_host,
                ready=self.ready.wait,
            )
            targets = hubs.by_name(plan)
            site = public_site(functions, targets, plan.settings, self.local, options.keys)
            async with anyio.create_task_group() as group:
                port = PORT if options.port is None else options.port
                serving = partial(serve, site, host=options.address, port=port)
                listening = await group.start(_until_served, serving, group)
                url = options.url or _reached(listening)
                await self._open_doors(group, hubs, url)
                self._report(hubs, url)
                for trigger in plan.timers:
                    clock = options.seams.clock
                    group.start_soon(Timer(trigger, caller, clock, plan.folder).run)
                self.ready.set()
                task_status.started(_reached(listening))

    def _bindings(self) -> ClientBindings:
        if self.clients is None:
            raise RuntimeError("the host has not started yet")
        return self.clients

    def _supply(self, function: Function) -> Mapping[str, str]:
        """What the durable clients of an activity take, by their parameters' names."""
        clients = self._bindings()
        return {client.name: clients.text(function, client) for client in function.clients}

    async def _open_doors(self, group: anyio.abc.TaskGroup, hubs: OpenHubs, url: str) -> None:
        doors = ClientDoors.of(hubs.targets, self.plan.settings, url)
        loopback = "::1" if ":" in self.options.address else "127.0.0.1"
        base = await group.start(partial(serve, doors.site, host=loopback, port=0, signals=False))
        keys = self.options.keys
        code = keys.system if keys is not None else None
        self.clients = ClientBindings(self.plan.hubs, url, doors.urls(base), code)

    def _report(self, hubs: OpenHubs, url: str) -> None:
        plan = self.plan
        report = StartupReport(
            url=url,
            app=plan.app,
            file=plan.file,
            http=plan.http,
            timers=plan.timers,
            hubs=hubs.remarks,
            left_out=plan.left_out,
            kept=self.kept,
        )
        for line in report.lines():
            self.options.show(line)


async def _until_served(
    serving: Callable[..., Awaitable[None]],
    group: anyio.abc.TaskGroup,
    *,
    task_status: anyio.abc.TaskStatus[str],
) -> None:
    await serving(task_status=task_status)
    group.cancel_scope.cancel()


def _reached(url: str) -> str:
    """The URL by which this machine reaches what listens on all of its addresses."""
    scheme, _, rest = url.partition("://")
    name, _, port = rest.rpartition(":")
    return f"{scheme}://{_LOOPBACK.get(name, name)}:{port}"


async def _close_sessions() -> None:
    """Close the connections that the app's durable clients keep open, and leave behind."""
    module = sys.modules.get("azure.durable_functions.models.utils.http_utils")
    close = getattr(module, "_close_session", None)
    if close is not None:
        with anyio.CancelScope(shield=True):
            await close()
