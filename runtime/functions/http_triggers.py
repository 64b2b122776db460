"""HTTP triggers as an ASGI app: from a request to the function whose route it matches, and back."""

import importlib
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from typing import Any
from urllib.parse import unquote

from attrs import frozen
from starlette.datastructures import Headers, QueryParams
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocketClose

from perdure.http.intake import Intake
from perdure.http.keys import shown_keys
from perdure.runtime.client.check_status import forwarded

from .app_settings import resolved
from .errors import FunctionsError
from .host_keys import HostKeys
from .invocation import Caller, Outcome, Trace
from .model import HTTP_TRIGGER, RETURN, Function
from .routes import Route, parse_route

logger = logging.getLogger("perdure.functions")

BODY_BYTES_MAX = 100 * 1024 * 1024
"""What the Functions host takes."""
_LEVELS = ("anonymous", "function", "admin")
_OUTPUT = "http"


@frozen
class HttpTrigger:
    """A function with the route and the methods that lead to it."""

    function: Function
    route: Route
    methods: frozenset[str]
    """In capitals; none is all."""
    level: str
    output: str
    """The output binding that takes the response, `$return` when it is returned."""

    @property
    def path(self) -> str:
        """The route as the app writes it, with the prefix."""
        return self.route.template

    def takes(self, method: str) -> bool:
        """Whether it answers that method."""
        return not self.methods or method in self.methods


def http_triggers(
    functions: Iterable[Function], prefix: str, environ: Mapping[str, str]
) -> list[HttpTrigger]:
    """The triggers in the order in which they are tried; raises `FunctionsError`."""
    found = [_trigger(f, prefix, environ) for f in functions if f.trigger.type == HTTP_TRIGGER]
    found.sort(key=lambda trigger: trigger.route.precedence)
    for number, trigger in enumerate(found):
        for other in found[:number]:
            if trigger.route.shape == other.route.shape and _overlap(trigger, other):
                raise FunctionsError(
                    f"the functions {other.function.name} and {trigger.function.name} have the "
                    f"same route, {trigger.path!r}; give one of them another, or other methods"
                )
    return found


def _trigger(function: Function, prefix: str, environ: Mapping[str, str]) -> HttpTrigger:
    said = function.trigger.properties
    what = f"the route of {function.name}"
    template = resolved(str(said["route"]), environ, what).strip("/")
    level = str(said["authLevel"])
    if level not in _LEVELS:
        raise FunctionsError(
            f"authLevel of {function.name} is {level!r}; it is one of {', '.join(_LEVELS)}"
        )
    methods: Collection[str] = said.get("methods") or ()
    named = (b.name for b in function.outputs if b.type == _OUTPUT)
    return HttpTrigger(
        function,
        parse_route("/".join(part for part in (prefix, template) if part)),
        frozenset(str(method).upper() for method in methods),
        level,
        next(named, RETURN),
    )


def _overlap(one: HttpTrigger, other: HttpTrigger) -> bool:
    return not one.methods or not other.methods or bool(one.methods & other.methods)


class HttpTriggers:
    """The ASGI app."""

    def __init__(
        self,
        triggers: list[HttpTrigger],
        caller: Caller,
        *,
        keys: HostKeys | None,
        use_forwarded_host: bool,
        ready: Callable[[], Awaitable[object]],
    ) -> None:
        self._triggers = triggers
        self._caller = caller
        self._keys = keys
        self._use_forwarded_host = use_forwarded_host
        self._ready = ready

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await WebSocketClose()(scope, receive, send)
            return
        intake = Intake(receive, BODY_BYTES_MAX)
        try:
            response = await self._answer(Request(scope, intake))
        except ClientDisconnect:
            return
        await intake.answer(response, scope, send)

    async def _answer(self, request: Request) -> Response:
        found = self._find(request.method, _path(request.scope))
        if found is None:
            return Response(status_code=404)
        trigger, values = found
        if self._keys is not None and not self._keys.open(trigger.level, shown_keys(request)):
            return Response(status_code=401)
        body = await _body(request)
        if body is None:
            return Response(f"a body has at most {BODY_BYTES_MAX} bytes here", 413)
        await self._ready()
        trace = Trace(request.headers.get("traceparent", ""), request.headers.get("tracestate", ""))
        try:
            asked = self._request(request, values, body)
            outcome = await self._caller.call(trigger.function, asked, trace)
            return _response(trigger, outcome)
        except Exception:
            # Whoever called is told no more than the Functions host tells.
            logger.exception("the function %s failed", trigger.function.name)
            return Response(status_code=500)

    def _find(self, method: str, path: str) -> tuple[HttpTrigger, dict[str, str]] | None:
        for trigger in self._triggers:
            if trigger.takes(method):
                values = trigger.route.match(path)
                if values is not None:
                    return trigger, values
        return None

    def _request(self, request: Request, values: dict[str, str], body: bytes) -> Any:
        url = _url(request)
        if self._use_forwarded_host:
            url = forwarded(url, request.headers)
        package = importlib.import_module("azure.functions.http")
        return package.HttpRequest(
            method=request.method,
            url=url,
            headers=_joined(request.headers),
            params=_joined(request.query_params),
            route_params=values,
            body_type="bytes",
            body=body,
        )


def _sent_path(scope: Scope) -> str:
    sent: bytes = scope.get("raw_path") or scope["path"].encode()
    return sent.decode("latin-1").partition("?")[0]


def _path(scope: Scope) -> str:
    """The path without its first slash; an escaped slash stays escaped, and parts nothing."""
    text = _sent_path(scope).replace("%2F", "%252F").replace("%2f", "%252f")
    return unquote(text).removeprefix("/")


def _url(request: Request) -> str:
    """The URL as it was sent."""
    query: str = request.scope["query_string"].decode("latin-1")
    base = str(request.base_url).rstrip("/")
    return base + _sent_path(request.scope) + (f"?{query}" if query else "")


def _joined(given: Headers | QueryParams) -> dict[str, str]:
    """What is repeated, joined by commas."""
    values: dict[str, list[str]] = {}
    for name, value in given.multi_items() if isinstance(given, QueryParams) else given.items():
        values.setdefault(name, []).append(value)
    return {name: ",".join(several) for name, several in values.items()}


async def _body(request: Request) -> bytes | None:
    received = bytearray()
    async for chunk in request.stream():
        received += chunk
        if len(received) > BODY_BYTES_MAX:
            return None
    return bytes(received)


def _response(trigger: HttpTrigger, outcome: Outcome) -> Response:
    """The answer that a function's result means; without one it is 204."""
    said = outcome.returned if trigger.output == RETURN else outcome.outputs.get(trigger.output)
    if said is None:
        return Response(status_code=204)
    if isinstance(said, str):
        return Response(said, media_type="text/plain")
    package = importlib.import_module("azure.functions")
    if not isinstance(said, package.HttpResponse):
        kind = type(said).__qualname__
        raise TypeError(
            f"{trigger.function.name} gave {kind} as its response; give a str or func.HttpResponse"
        )
    answer: Any = said
    response = Response(answer.get_body(), answer.status_code)
    headers = [(str(name), str(value)) for name, value in answer.headers.items()]
    if all(name.casefold() != "content-type" for name, _ in headers):
        charset = f"; charset={answer.charset}" if answer.mimetype.startswith("text/") else ""
        headers.append(("content-type", f"{answer.mimetype}{charset}"))
    for name, value in headers:
        response.headers.append(name, value)
    return response
