"""Where the app's own durable clients reach the management API of their hubs.

Each hub has a door on the loopback address, below a path that only its clients are told. What the
1.x client for Python expects there differs from the API in two places:

1.  It asks for lists of instances without following their pages: it gets all of them at once.
2.  Of a restart it wants to have the new instance's id, and nothing else.
"""

import json
import secrets
from collections.abc import Mapping
from typing import Any

from attrs import define, field, frozen
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from perdure.http import management_app
from perdure.http.answers import ACCEPTED, CONTINUATION, OK, json_answer
from perdure.http.hubs import Target
from perdure.runtime.client.management import MANAGEMENT_PATH

from .host_settings import HostSettings

_GONE = (404, 410)
_RESTART, _LIST, _EVENT = "/restart", "/instances", "/raiseevent/"


@frozen
class Lenient:
    """Accepts events for instances that are not there any more: nobody wants to be told."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 202 where an event could not be delivered."""
        if scope["type"] != "http" or _EVENT not in scope["path"].lower():
            await self.app(scope, receive, send)
            return
        answer = await _answered(self.app, scope, receive)
        if answer.status in _GONE:
            answer = _Answer(ACCEPTED)
        await answer.send(send)


@frozen
class _ForClients:
    """See the module's docstring."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the client expects it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        answer = await _answered(self.app, scope, receive)
        path = scope["path"].rstrip("/")
        if path.endswith(_RESTART) and answer.status == ACCEPTED:
            response = json_answer(json.loads(answer.body)["id"], ACCEPTED)
            await response(scope, receive, send)
        elif scope["method"] == "GET" and path.endswith(_LIST) and answer.status == OK:
            response = json_answer(await self._all(answer, scope, receive))
            await response(scope, receive, send)
        else:
            await answer.send(send)

    async def _all(self, page: "_Answer", scope: Scope, receive: Receive) -> list[Any]:
        found: list[Any] = json.loads(page.body)
        while page.status == OK and (token := page.header(CONTINUATION)) is not None:
            kept = [(name, value) for name, value in scope["headers"] if name != token[0]]
            page = await _answered(self.app, {**scope, "headers": [*kept, token]}, receive)
            found += json.loads(page.body)
        return found


@define
class _Answer:
    """A whole response."""

    status: int
    headers: list[tuple[bytes, bytes]] = field(factory=lambda: [(b"content-length", b"0")])
    body: bytes = b""

    def header(self, name: str) -> tuple[bytes, bytes] | None:
        """The header of that name, in lower case, as it is sent."""
        wanted = name.lower().encode()
        return next(((n, v) for n, v in self.headers if n.lower() == wanted), None)

    async def send(self, send: Send) -> None:
        """Send it."""
        start = {"type": "http.response.start", "status": self.status, "headers": self.headers}
        await send(start)
        await send({"type": "http.response.body", "body": self.body})


async def _answered(app: ASGIApp, scope: Scope, receive: Receive) -> _Answer:
    answer = _Answer(0)

    async def keep(message: Message) -> None:
        if message["type"] == "http.response.start":
            answer.status, answer.headers = message["status"], list(message["headers"])
        elif message["type"] == "http.response.body":
            answer.body += message.get("body", b"")

    await app(scope, receive, keep)
    return answer


@frozen
class ClientDoors:
    """The doors of all hubs."""

    site: Starlette
    paths: Mapping[tuple[str, str], str]
    """By the hub's key."""

    @classmethod
    def of(
        cls, hubs: Mapping[tuple[str, str], Target], settings: HostSettings, url: str
    ) -> "ClientDoors":
        """Doors to these hubs, by their keys; links lead to the public API at `url`."""
        secret = secrets.token_hex(16)
        paths = {key: f"/{secret}/{number}" for number, key in enumerate(hubs)}
        mounts = [
            Mount(paths[key], app=_door(target, settings, url)) for key, target in hubs.items()
        ]
        return cls(Starlette(routes=mounts), paths)

    def urls(self, base: str) -> dict[tuple[str, str], str]:
        """The URL of each hub's door, by the hub's key."""
        return {key: base + path for key, path in self.paths.items()}


def _door(target: Target, settings: HostSettings, url: str) -> ASGIApp:
    app = management_app(
        target,
        unguarded=True,
        reuse=settings.reuse,
        url=url + MANAGEMENT_PATH,
        nested_json=True,
    )
    whole = _ForClients(app)
    return whole if settings.raise_event_strictly else Lenient(whole)
