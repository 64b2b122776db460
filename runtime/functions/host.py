"""Running a Functions app: its hubs, its triggers, the management API, and their end."""

import importlib
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import chdir, suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
import anyio.abc
import sniffio
from attrs import define, field, frozen
from starlette.types import ASGIApp

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
from .model import Function, FunctionsApp
from .open_hubs import OpenHubs
from .plan import HostPlan
from .site import public_site
from .startup_report import StartupReport
from .timer_triggers import Timer
from .versions import VersionedApp

PORT = 7071
DRAIN_SECONDS = 10.0
ASGI_SECONDS = 5.0
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
    drain_timeout: float
    seams: Seams


async def host(
    folder: str | os.PathLike[str],
    *,
    address: str = "127.0.0.1",
    port: int | None = None,
    keys: HostKeys | None = None,
    url: str | None = None,
    show: Callable[[str], object] = _print,
    drain_timeout: float = DRAIN_SECONDS,
    seams: Seams | None = None,
    task_status: anyio.abc.TaskStatus[str] = anyio.TASK_STATUS_IGNORED,
) -> None:
    """Run the Functions app in a folder until cancelled, or until SIGINT or SIGTERM.

    While it runs, the folder is the working directory and local.settings.json is in the
    environment. `port` is 7071 unless given there; 0 takes a free one. `url` is where others reach
    it, for links, when that is not where it listens. `show` gets the lines of the start-up report.
    In the end activities that run have `drain_timeout` seconds.
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
        drain_timeout=drain_timeout,
        seams=seams if seams is not None else real_seams(),
    )
    with in_environment(local.values) as kept, chdir(place):
        file = read_host_file(place, os.environ)
        _import_sdk()
        with load(place) as app:
            plan = HostPlan.of(app, file, os.environ, moment(options.seams.clock.now()))
            await _Host(plan, local, kept, options).run(task_status)


def _import_sdk() -> None:
    """Import the SDK where no app is.

    It reads the host.json of the working directory as it is imported, more strictly than the
    Functions tools do, and a byte order mark there would become a fault of the app's code.
    """
    with TemporaryDirectory() as nowhere, chdir(nowhere), suppress(ModuleNotFoundError):
        importlib.import_module("azure.durable_functions")


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
    served: anyio.Event = field(factory=anyio.Event)
    """Whether it was told to end, and listens no more."""

    async def run(self, task_status: anyio.abc.TaskStatus[str]) -> None:
        """Listen, then run what there is; in the end listen no more, then let it come to rest.

        Activities that go on in a hub may need their clients at once, and until they have ended:
        the doors of the clients are open before the hubs and after them.
        """
        options, plan = self.options, self.plan
        kernel = kernel_app(plan.app, plan.settings, supply=self._supply, left_out=plan.left_out)
        app = VersionedApp(kernel, plan.settings)
        hubs = OpenHubs(plan, options.drain_timeout)
        caller = Caller(self._bindings, options.seams.new_id)
        try:
            async with anyio.create_task_group() as group:
                listening = await group.start(self._serve, self._site(hubs, caller))
                url = options.url or _reached(listening)
                await self._open_doors(group, hubs, url)
                async with hubs.opened(app, options.seams), anyio.create_task_group() as timers:
                    for trigger in plan.timers:
                        timer = Timer(trigger, caller, options.seams.clock, plan.folder)
                        timers.start_soon(timer.run)
                    self._report(hubs, url)
                    self.ready.set()
                    task_status.started(_reached(listening))
                    await self.served.wait()
                    timers.cancel_scope.cancel()
                group.cancel_scope.cancel()
        except BaseExceptionGroup as errors:
            # What ends a start goes out as it is, not in a group of one.
            if len(errors.exceptions) == 1:
                raise errors.exceptions[0] from None
            raise
        finally:
            await _close_sessions()
            await _end_asgi_apps(plan.app)

    def _site(self, hubs: OpenHubs, caller: Caller) -> ASGIApp:
        functions = HttpTriggers(
            self.plan.http,
            caller,
            keys=self.options.keys,
            use_forwarded_host=self.plan.settings.use_forwarded_host,
            ready=self.ready.wait,
        )
        settings, keys = self.plan.settings, self.options.keys
        return public_site(functions, hubs.by_name(), settings, self.local, keys)

    async def _serve(self, site: ASGIApp, *, task_status: anyio.abc.TaskStatus[str]) -> None:
        port = PORT if self.options.port is None else self.options.port
        try:
            await serve(site, host=self.options.address, port=port, task_status=task_status)
        finally:
            self.served.set()

    def _bindings(self) -> ClientBindings:
        if self.clients is None:
            raise RuntimeError("the host has not started yet")
        return self.clients

    def _supply(self, function: Function) -> Mapping[str, str]:
        """What the durable clients of an activity take, by their parameters' names."""
        return {c.name: self._bindings().text(function, c) for c in function.clients}

    async def _open_doors(self, group: anyio.abc.TaskGroup, hubs: OpenHubs, url: str) -> None:
        doors = ClientDoors.of(hubs.by_key(), self.plan.settings, url)
        loopback = "::1" if ":" in self.options.address else "127.0.0.1"
        serving = partial(serve, host=loopback, port=0, signals=False, announce=False)
        base = await group.start(serving, doors.site)
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


async def _end_asgi_apps(app: FunctionsApp) -> None:
    """Tell the ASGI apps among the functions that they end: the SDK cannot where a loop runs."""
    found = [value for module in app.modules.values() for value in vars(module).values()]
    for value in {id(value): value for value in found}.values():
        notify = getattr(getattr(value, "middleware", None), "notify_shutdown", None)
        if notify is not None and getattr(value, "startup_task_done", False) is True:
            value.startup_task_done = False
            with anyio.move_on_after(ASGI_SECONDS, shield=True):
                await notify()
