"""`perdure run`, `serve` and `host`: what runs until it is told to end."""

import logging
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import anyio
import anyio.abc
import typer
from attrs import frozen

from perdure.runtime.host import Runtime

from .ending import NOT_FOUND, USAGE, CommandError
from .loading import load_app
from .printing import Printer
from .session import Session, checked_key
from .stores import url_to_run

_LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_PORT = 7071

AppPlace = Annotated[
    str, typer.Argument(metavar="MODULE:APP", help="Where the App or Runtime is, such as app:app.")
]
Host = Annotated[str, typer.Option(help="The address to listen at.")]
LogLevel = Annotated[str, typer.Option(help="debug, info, warning or error.")]
ReadKey = Annotated[
    str | None,
    typer.Option(help="A key that only allows to look.", envvar="PERDURE_READ_KEY"),
]


@frozen(kw_only=True)
class WorldOptions:
    """In what a runtime runs."""

    backend: Annotated[str, typer.Option(help="The event loop: asyncio or trio.")] = "asyncio"
    log_level: LogLevel = "info"


def run(session: Session, app: AppPlace, world: WorldOptions) -> None:
    """Run an App over the store until SIGINT or SIGTERM; a second signal does not wait."""
    runtime = _runtime(session, app)
    _begin(world)
    anyio.run(_run, runtime, session.printer, backend=world.backend)


async def _run(runtime: Runtime, printer: Printer) -> None:
    async with anyio.create_task_group() as group:
        asked = anyio.Event()
        await group.start(_heed_signals, asked, group.cancel_scope)
        async with runtime:
            printer.remark(f"running {_described(runtime)}; Ctrl-C ends it")
            await asked.wait()
            printer.remark("ending: what runs may finish; Ctrl-C again does not wait")
        group.cancel_scope.cancel()


async def _heed_signals(
    asked: anyio.Event,
    scope: anyio.CancelScope,
    *,
    task_status: anyio.abc.TaskStatus[None],
) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        task_status.started()
        async for _ in signals:
            if asked.is_set():
                scope.cancel()
            asked.set()


def serve(
    session: Session,
    app: AppPlace,
    world: WorldOptions,
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port; 0 takes a free one.")] = _PORT,
    read_key: ReadKey = None,
) -> None:
    """Run an App, and the HTTP management API beside it; --key guards it."""
    runtime = _runtime(session, app)
    _begin(world)
    key = session.shared.key
    if read_key is not None:
        checked_key(read_key, "--read-key")
        if key is None:
            raise CommandError("--read-key needs --key, the one that allows everything", USAGE)
        if key == read_key:
            raise CommandError("--read-key is another than --key: give two keys", USAGE)
    serving = partial(_serve, runtime, session.printer, host, port, key, read_key)
    anyio.run(serving, backend=world.backend)


async def _serve(
    runtime: Runtime, printer: Printer, host: str, port: int, key: str | None, read_key: str | None
) -> None:
    try:
        from perdure.http import Keys, management_site  # noqa: PLC0415 - of another extra
        from perdure.http import serve as serve_site  # noqa: PLC0415
        from perdure.http.serving import is_loopback  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise _missing(error, "http") from error
    _check_guarded(host, key, is_loopback)
    keys = Keys(full=key, read_only=read_key) if key is not None else None
    site = management_site(runtime, keys=keys)
    async with runtime, anyio.create_task_group() as group:

        async def until_signal(*, task_status: anyio.abc.TaskStatus[str]) -> None:
            await serve_site(site, host=host, port=port, task_status=task_status)
            group.cancel_scope.cancel()

        url = await group.start(until_signal)
        printer.remark(f"running {_described(runtime)}, API at {url}; Ctrl-C ends it")


def host(
    session: Session,
    folder: Annotated[Path, typer.Argument(help="A Functions app: the folder of host.json.")],
    address: Annotated[str, typer.Option("--host", help="The address to listen at.")] = "127.0.0.1",
    port: Annotated[int | None, typer.Option(help="The port; 0 takes a free one.")] = None,
    log_level: LogLevel = "info",
    drain_timeout: Annotated[
        float, typer.Option(help="Seconds that running activities have in the end.", min=0)
    ] = 10.0,
) -> None:
    """Run a Durable Functions app as it is, without Azure; --key guards it."""
    if not folder.is_dir():
        raise CommandError(f"{folder} is no folder; name the one with host.json in it", NOT_FOUND)
    try:
        from perdure.functions.host import host as host_folder  # noqa: PLC0415 - another extra
        from perdure.functions.host_keys import HostKeys  # noqa: PLC0415
        from perdure.http.serving import is_loopback  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise _missing(error, "functions") from error
    _begin(WorldOptions(log_level=log_level))
    key = session.shared.key
    _check_guarded(address, key, is_loopback)
    keys = HostKeys(master=key) if key is not None else None
    hosting = partial(host_folder, folder, address=address, port=port, keys=keys)
    anyio.run(partial(hosting, drain_timeout=drain_timeout))


def _check_guarded(host: str, key: str | None, is_loopback: Callable[[str], bool]) -> None:
    if key is not None:
        checked_key(key, "--key")
    if key is None and not is_loopback(host):
        raise CommandError(
            f"{host} can be reached from other machines: give the key that callers have to show "
            "by --key or PERDURE_KEY, or listen at 127.0.0.1",
            USAGE,
        )


def _runtime(session: Session, place: str) -> Runtime:
    found = load_app(place)
    if not isinstance(found, Runtime):
        return Runtime(found, url_to_run(session.named))
    if session.shared.store is not None:
        raise CommandError(
            f"{place} is a Runtime with a store of its own: leave --store out", USAGE
        )
    return found


def _described(runtime: Runtime) -> str:
    app = runtime.app
    names = sorted({name for name, _ in app.orchestrations})
    return f"{app!r} with {', '.join(names) or 'no orchestrations'}"


def _begin(world: WorldOptions) -> None:
    level = logging.getLevelNamesMapping().get(world.log_level.upper())
    if level is None:
        raise typer.BadParameter(f"there is no level {world.log_level!r}", param_hint="--log-level")
    if world.backend not in anyio.get_all_backends():
        known = " and ".join(anyio.get_all_backends())
        raise typer.BadParameter(f"there are {known}", param_hint="--backend")
    logging.basicConfig(level=level, format=_LOG_FORMAT)


def _missing(error: ModuleNotFoundError, extra: str) -> CommandError:
    return CommandError(f"{error.name} is not installed: pip install 'perdure[{extra}]'")
