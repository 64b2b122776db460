"""HTTP calls as values: what is asked for, what came back, and what a 202 asks for next.

1.  A request is sent by the activity `HTTP_ACTIVITY`; nothing here does I/O.
2.  On the wire requests and responses have the names of Durable Functions' JSON.
3.  A poll goes to `Location` as a GET. To another origin it takes nothing along that proves who
    is asking: no credentials in headers, and no token.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from attrs import Factory, evolve, field, frozen

from .retry import RetryPolicy
from .uris import led_to, same_origin, sendable

HTTP_ACTIVITY = "BuiltIn::HttpActivity"
HTTP_TIMEOUT = 100.0
POLL_INTERVAL = timedelta(seconds=30)
POLL_INTERVAL_MIN = timedelta(seconds=1)
POLL_INTERVAL_MAX = timedelta(days=1)
ACCEPTED = 202

_CREDENTIALS = {"authorization", "cookie", "proxy-authorization", "x-functions-key"}
_NOT_FOR_POLLS = {"x-functions-key", "content-length", "content-type", "transfer-encoding"}


@frozen
class TokenSource:
    """Whose access token goes into a request's `Authorization` header.

    The token is fetched where the request is sent, by the App's `token_provider`, so that it is
    never in the history.
    """

    resource: str
    """What the token is for, for instance `https://management.core.windows.net/.default`."""
    kind: Literal["AzureManagedIdentity"] = "AzureManagedIdentity"
    options: Mapping[str, str] = Factory(dict[str, str])
    """`authorityHost` and `tenantId`, where the provider needs them."""


TokenProvider = Callable[[TokenSource], str]


@frozen(kw_only=True)
class HttpRetryPolicy(RetryPolicy):
    """A retry policy that also says which answers are failures."""

    status_codes: tuple[int, ...] = ()
    """The statuses after which the request is sent again; none means every 4xx and 5xx."""


def _upper(method: str) -> str:
    return method.upper()


def _checked_method(_: object, __: object, method: str) -> None:
    if not (method.isascii() and method.replace("-", "").isalpha()):
        raise ValueError(f"{method!r} is not an HTTP method")


@frozen
class DurableHttpRequest:
    """What `call_http` sends."""

    method: str = field(converter=_upper, validator=_checked_method)
    uri: str = field(converter=sendable)
    """Spaces and what is not ASCII are quoted; raises `ValueError` for what cannot be sent."""
    headers: Mapping[str, str] = Factory(dict[str, str])
    content: str | None = None
    timeout: float = HTTP_TIMEOUT
    """Seconds that sending it and reading the answer may take together."""
    asynchronous_pattern: bool = True
    """Whether a 202 with a `Location` is polled until it is something else."""
    token_source: TokenSource | None = None
    fails_on: tuple[int, ...] | None = None
    """The statuses that make an attempt fail; the empty tuple is all from 400, None is none."""

    def fails(self, status_code: int) -> bool:
        """Whether an answer with this status is a failed attempt."""
        if self.fails_on is None:
            return False
        return status_code in self.fails_on if self.fails_on else status_code >= 400  # noqa: PLR2004

    def to_json(self) -> dict[str, Any]:
        """Say it in Durable Functions' names."""
        token = self.token_source
        return {
            "method": self.method,
            "uri": self.uri,
            "headers": dict(self.headers),
            "content": self.content,
            "timeout": self.timeout,
            "asynchronousPatternEnabled": self.asynchronous_pattern,
            "tokenSource": None
            if token is None
            else {"kind": token.kind, "resource": token.resource, "options": dict(token.options)},
            "retryOptions": None
            if self.fails_on is None
            else {"statusCodesToRetry": list(self.fails_on)},
        }

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> "DurableHttpRequest":
        """The reverse of `to_json`."""
        token, retry = said.get("tokenSource"), said.get("retryOptions")
        return cls(
            said["method"],
            said["uri"],
            said.get("headers") or {},
            said.get("content"),
            said.get("timeout") or HTTP_TIMEOUT,
            said.get("asynchronousPatternEnabled", True),
            TokenSource(token["resource"], token["kind"], token.get("options") or {})
            if token
            else None,
            tuple(retry["statusCodesToRetry"]) if retry else None,
        )


@frozen
class DurableHttpResponse:
    """What came back; a status that is no success is an answer too."""

    status_code: int
    headers: Mapping[str, str] = Factory(dict[str, str])
    """By name as the server wrote it; of repeated ones the values are joined by commas."""
    content: str = ""
    """The body as text."""

    def header(self, name: str) -> str | None:
        """The header of that name, in whatever case."""
        wanted = name.casefold()
        found = (value for key, value in self.headers.items() if key.casefold() == wanted)
        return next(found, None)

    def to_json(self) -> dict[str, Any]:
        """Say it in Durable Functions' names."""
        return {
            "statusCode": self.status_code,
            "headers": dict(self.headers),
            "content": self.content,
        }

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> "DurableHttpResponse":
        """The reverse of `to_json`; also reads what a converter made of a response."""
        code = said["statusCode"] if "statusCode" in said else said["status_code"]
        return cls(code, said.get("headers") or {}, said.get("content") or "")


def poll_of(
    request: DurableHttpRequest, response: DurableHttpResponse
) -> DurableHttpRequest | None:
    """The request that asks how a 202 goes on, or None when this response is the answer.

    Raises `ValueError` for a `Location` that leads nowhere; see `sendable`.
    """
    location = response.header("location")
    if not request.asynchronous_pattern or response.status_code != ACCEPTED or not location:
        return None
    try:
        uri = led_to(request.uri, location)
    except ValueError as error:
        asked = request.uri.partition("?")[0]
        raise ValueError(f"{asked} answered 202 with an unfit Location: {error}") from None
    stays = same_origin(request.uri, uri)
    dropped = _NOT_FOR_POLLS if stays else _NOT_FOR_POLLS | _CREDENTIALS | {"host"}
    headers = {k: v for k, v in request.headers.items() if k.casefold() not in dropped}
    token = request.token_source if stays else None
    return evolve(request, method="GET", uri=uri, headers=headers, content=None, token_source=token)


def poll_delay(
    response: DurableHttpResponse, now: datetime, usual: timedelta = POLL_INTERVAL
) -> timedelta:
    """How long `Retry-After` asks to wait, within bounds; `usual` when it says nothing."""
    asked = _retry_after((response.header("retry-after") or "").strip(), now)
    if asked is None:
        return usual
    return min(max(asked, POLL_INTERVAL_MIN), POLL_INTERVAL_MAX)


def _retry_after(text: str, now: datetime) -> timedelta | None:
    if text.isascii() and text.isdigit():
        longest = int(POLL_INTERVAL_MAX.total_seconds())
        return timedelta(seconds=int(text) if len(text) <= len(str(longest)) else longest)
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - few servers give a date

    try:
        when = parsedate_to_datetime(text)
    except ValueError:
        return None
    return (when if when.tzinfo is not None else when.replace(tzinfo=UTC)) - now
