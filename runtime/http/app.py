"""The management API as an ASGI app."""

import re
from collections.abc import Collection
from typing import Any

from attrs import frozen
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Mount
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocketClose

from perdure.actors.codec import PAYLOAD_BYTES_MAX
from perdure.actors.status import Status
from perdure.runtime.client.control import Reuse
from perdure.runtime.client.management import MANAGEMENT_PATH

from .address import address_of
from .answers import json_answer
from .call import Call, Service, too_large
from .endpoint import Endpoint
from .hubs import Directory, Hubs, Target
from .intake import Intake
from .keys import (
    Access,
    Keys,
    called_by_a_strange_page,
    reached_from_outside,
    shown_keys,
)
from .refusal import FORBIDDEN, NOT_FOUND, UNAUTHORIZED, Refusal, refuse
from .table import ENDPOINTS

OLD_MANAGEMENT_PATH = "/admin/extensions/DurableTaskExtension"
"""Where version 1 of the Functions host has it."""


def management_app(
    target: Target | Hubs,
    *,
    keys: Keys | None = None,
    unguarded: bool = False,
    use_forwarded_host: bool = False,
    body_bytes_max: int = PAYLOAD_BYTES_MAX,
    show_stacks: bool = False,
    reuse: Collection[Status] = Reuse.NON_RUNNING,
    url: str | None = None,
    nested_json: bool = False,
    heartbeat_seconds: float = 15.0,
) -> Starlette:
    """The management API of Durable Functions for a runtime, to mount below any path.

    `target` is a `Runtime` (which may be entered later), a `Client`, or a function that gives one;
    or a mapping of such by the name of their task hub, or by hub and connection. The first one
    answers calls that name no hub, and a single target stands for every name.

    Without `keys`, calls that come in at an address open to other machines are refused, and so are
    those that a page from elsewhere makes a browser do; with `unguarded`, whoever can reach it may
    do everything: for apps that check their callers themselves.

    Links are made for the host that was called, with `use_forwarded_host` for the one that a proxy
    names, or begin with `url`. `show_stacks` adds tracebacks to answers. `reuse` says which
    instances a start may replace. With `nested_json`, bodies hold JSON inside a JSON text, as the
    1.x client library for Python sends it.
    """
    service = Service(
        directory=Directory(target),
        keys=keys,
        unguarded=unguarded,
        use_forwarded_host=use_forwarded_host,
        body_bytes_max=body_bytes_max,
        show_stacks=show_stacks,
        reuse=reuse,
        url=url.rstrip("/") if url is not None else None,
        nested_json=nested_json,
        heartbeat_seconds=heartbeat_seconds,
    )
    app = Starlette()
    # Not a mount: that takes no path with a line break in it.
    app.router.default = Desk(service, ENDPOINTS)
    app.state.management = service
    return app


def management_site(
    target: Target | Hubs, *, keys: Keys | None = None, **options: Any
) -> Starlette:
    """The management API at the paths where the Functions host has it, those of version 1 too.

    For `serve`, when there is no app of one's own to mount it into. Takes what `management_app`
    takes.
    """
    app = management_app(target, keys=keys, **options)
    return Starlette(routes=[_mounted(app, MANAGEMENT_PATH), _mounted(app, OLD_MANAGEMENT_PATH)])


def _mounted(app: Starlette, path: str) -> Mount:
    mount = Mount(path, app=app)
    # Starlette's own pattern matches no path that has a line break in it.
    mount.path_regex = re.compile(mount.path_regex.pattern, re.DOTALL)
    return mount


@frozen
class Desk:
    """Takes calls in: checks the key, finds the endpoint, and turns errors into answers."""

    service: Service
    endpoints: Collection[Endpoint]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as an ASGI app does."""
        if scope["type"] == "websocket":
            await WebSocketClose()(scope, receive, send)
            return
        intake = Intake(receive, self.service.body_bytes_max)
        request = Request(scope, intake)
        try:
            response = await self._answer(request)
        except ClientDisconnect:
            return
        except Exception as error:  # noqa: BLE001 - every error has an answer
            code, document = refuse(error, show_stacks=self.service.show_stacks)
            response = json_answer(document, code)
        await intake.answer(response, scope, send)

    async def _answer(self, request: Request) -> Response:
        access, key = self._admit(request)
        address = address_of(
            request, use_forwarded_host=self.service.use_forwarded_host, url=self.service.url
        )
        for endpoint in self.endpoints:
            path = endpoint.match(request.method, address.segments)
            if path is not None:
                if endpoint.access > access:
                    raise Refusal(FORBIDDEN, "this key only allows to look")
                self._check_size(request)
                return await endpoint.answer(
                    Call(request, self.service, address, _query(request), path, key)
                )
        shown = "/" + "/".join(address.segments)
        raise Refusal(NOT_FOUND, f"there is nothing at {request.method} {shown}")

    def _admit(self, request: Request) -> tuple[Access, str | None]:
        """What the caller may do, and the key that says so."""
        keys = self.service.keys
        if keys is None:
            self._check_unguarded(request)
            return Access.FULL, None
        shown = [(keys.access(key), key) for key in shown_keys(request)]
        access, key = max(shown, default=(Access.NONE, None))
        if access is Access.NONE:
            raise Refusal(
                UNAUTHORIZED, "a key is needed: query parameter code or header x-functions-key"
            )
        return access, key

    def _check_unguarded(self, request: Request) -> None:
        if self.service.unguarded:
            return
        if reached_from_outside(request):
            raise Refusal(
                FORBIDDEN,
                "without keys this API answers on the loopback address only; "
                "set keys, or unguarded=True if something else checks the callers",
            )
        if called_by_a_strange_page(request):
            raise Refusal(
                FORBIDDEN,
                "without keys this API does not answer pages and hosts from elsewhere; "
                "set keys, or unguarded=True if something else checks the callers",
            )

    def _check_size(self, request: Request) -> None:
        announced = request.headers.get("content-length", "0")
        if announced.isdecimal() and int(announced) > self.service.body_bytes_max:
            raise too_large(self.service.body_bytes_max)


def _query(request: Request) -> dict[str, list[str]]:
    query: dict[str, list[str]] = {}
    for name, value in request.query_params.multi_items():
        if value:
            query.setdefault(name.lower(), []).append(value)
    return query
