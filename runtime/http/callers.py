"""Callers who wait: they may leave, and the server may end, before there is an answer."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import anyio
from starlette.types import Receive, Scope

T = TypeVar("T")

STOPPING = "perdure.stopping"
"""An extension of ASGI: an `anyio.Event` that is set when the server begins to end."""


async def while_there(scope: Scope, receive: Receive, work: Callable[[], Awaitable[T]]) -> T | None:
    """What `work` gives, or None when it was cancelled as nobody waits for it any more."""
    found: list[T] = []
    error: Exception | None = None
    async with anyio.create_task_group() as group:
        group.start_soon(_cancel_when_left, receive, group.cancel_scope)
        stopping: anyio.Event | None = _extensions(scope).get(STOPPING)
        if stopping is not None:
            group.start_soon(_cancel_when_stopping, stopping, group.cancel_scope)
        try:
            found.append(await work())
        except Exception as raised:  # noqa: BLE001 - raised again, outside of the group
            error = raised
        group.cancel_scope.cancel()
    if error is not None:
        raise error
    return found[0] if found else None


def announcing(app: Callable[..., Awaitable[None]], stop: anyio.Event) -> Any:
    """The app, told of the server's end in the scope of each call."""

    async def announced(scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            scope = {**scope, "extensions": {**_extensions(scope), STOPPING: stop}}
        await app(scope, receive, send)

    return announced


def _extensions(scope: Scope) -> dict[str, Any]:
    return scope.get("extensions") or {}


async def _cancel_when_left(receive: Receive, scope: anyio.CancelScope) -> None:
    message = await receive()
    while message["type"] != "http.disconnect":
        message = await receive()
    scope.cancel()


async def _cancel_when_stopping(stopping: anyio.Event, scope: anyio.CancelScope) -> None:
    await stopping.wait()
    scope.cancel()
