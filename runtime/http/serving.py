"""Serving an ASGI app with hypercorn, on asyncio and on trio."""

import logging
import signal
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from ipaddress import ip_address
from typing import Any

import anyio
import anyio.abc
import sniffio
from hypercorn import asyncio as on_asyncio
from hypercorn import trio as on_trio
from hypercorn.config import Config
from hypercorn.logging import Logger
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount

from .call import Service
from .callers import announcing

logger = logging.getLogger("perdure.http")

AnyASGIApp = Callable[..., Awaitable[None]]
"""Each framework has classes of its own for the three arguments."""
BACKLOG = 2_048
"""Connections that wait to be taken; those beyond are tried again after seconds by their hosts."""
LAST_PORT = 65535
GRACEFUL_SECONDS = 3.0
KEEP_ALIVE_SECONDS = 75.0
"""Longer than callers keep a connection that nothing uses (httpx 5 seconds, aiohttp 15), so that
none is closed here while the next request is on its way."""


async def serve(
    app: AnyASGIApp,
    *,
    host: str = "127.0.0.1",
    port: int = 7071,
    signals: bool = True,
    graceful_timeout: float = GRACEFUL_SECONDS,
    announce: bool = True,
    task_status: anyio.abc.TaskStatus[str] = anyio.TASK_STATUS_IGNORED,
) -> None:
    """Serve an ASGI app over HTTP until cancelled, or until SIGINT or SIGTERM.

    `url = await task_group.start(partial(serve, app, port=0))` gives the URL, here with a free
    port. Ending takes no new calls, and waits up to `graceful_timeout` seconds for those that run;
    streams of events end at once, and who waits for an instance gets the links to it.
    `signals=False` leaves signals to others; in any thread but the main one they are anyway.
    `announce=False` says only at DEBUG where it listens.

    Raises `ValueError` for a management API without keys on an address open to other machines,
    and for a port that none can be; `OSError` with address and port when it cannot listen there.
    """
    _check_guarded(app, host)
    listener = _listener(host, port)
    shown = f"[{host}]" if ":" in host else host
    url = f"http://{shown}:{listener.getsockname()[1]}"
    config = _config(listener, graceful_timeout)
    if not announce:
        config.logger_class = _Unannounced
    stop = anyio.Event()
    async with anyio.create_task_group() as group:
        if signals and threading.current_thread() is threading.main_thread():
            await group.start(_stop_on_signals, stop)
        group.start_soon(_stop_when_cancelled, stop)
        # Listening since it was bound: a call that comes now waits, and is not refused.
        task_status.started(url)
        group.start_soon(_run, app, config, stop, group.cancel_scope.cancel)


def _listener(host: str, port: int) -> socket.socket:
    if not 0 <= port <= LAST_PORT:
        # The system would take what is left of it in 16 bits.
        raise ValueError(f"there is no port {port}; the last one is {LAST_PORT}, and 0 is any free")
    try:
        return _bound(host, port)
    except OSError as error:
        reason = f"cannot listen at {host}, port {port}: {error.strerror or error}"
        raise OSError(error.errno, reason) from error


def _bound(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def _config(listener: socket.socket, graceful_timeout: float) -> Config:
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.backlog = BACKLOG
    config.graceful_timeout = graceful_timeout
    config.keep_alive_timeout = KEEP_ALIVE_SECONDS
    config.include_server_header = False
    config.accesslog = None
    config.errorlog = logger
    return config


class _Unannounced(Logger):
    """For a site that nobody is told of: hypercorn informs of nothing but its address."""

    async def info(self, message: str, *args: Any, **more: Any) -> None:
        await self.debug(message, *args, **more)


async def _run(
    app: AnyASGIApp, config: Config, stop: anyio.Event, ended: Callable[[], None]
) -> None:
    # In a task of its own: on Python 3.11 the end leaves asyncio counting hypercorn's task as
    # cancelled, and anyio would then let its own cancellation out of `serve`.
    world: Any = on_trio if sniffio.current_async_library() == "trio" else on_asyncio
    # Cancelled halfway, it would leave sockets open and calls unanswered.
    with anyio.CancelScope(shield=True):
        await world.serve(announcing(app, stop), config, shutdown_trigger=stop.wait, mode="asgi")
    ended()


async def _stop_on_signals(
    stop: anyio.Event, *, task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED
) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as received:
        task_status.started()
        async for _ in received:
            stop.set()


async def _stop_when_cancelled(stop: anyio.Event) -> None:
    try:
        await anyio.sleep_forever()
    finally:
        stop.set()


def _check_guarded(app: Any, host: str) -> None:
    if is_loopback(host):
        return
    if any(service.keys is None and not service.unguarded for service in services(app)):
        raise ValueError(
            f"{host} can be reached from other machines, and the management API has no keys; "
            "give it management_app(..., keys=Keys(full=...)), or serve it on 127.0.0.1"
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach that address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def services(app: Any) -> Iterator[Service]:
    """The management APIs that are part of an app, as far as Starlette's routes show them."""
    if isinstance(app, Starlette):
        service = getattr(app.state, "management", None)
        if isinstance(service, Service):
            yield service
        yield from _mounted(app.routes)


def _mounted(routes: list[BaseRoute]) -> Iterator[Service]:
    for route in routes:
        if isinstance(route, Mount):
            yield from services(route.app)
