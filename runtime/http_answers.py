"""Requests and their answers by the standard library, in a thread; loaded when one is sent.

Of redirects only those of a GET or HEAD to the same origin are followed; the others are answers.
"""

import urllib.request
from collections.abc import Callable
from email.message import Message
from http.client import HTTPException, IncompleteRead
from typing import IO, Any
from urllib.error import HTTPError, URLError

from ..actors.durable_http import DurableHttpRequest, DurableHttpResponse
from ..actors.errors import HttpRequestError, PayloadTooLargeError
from ..actors.uris import same_origin, sendable
from .timely_http import Deadline, TimelyHandler

CHUNK = 65_536


class _StayHome(urllib.request.HTTPRedirectHandler):
    """Follows redirects that can neither leak credentials nor repeat an effect."""

    max_redirections = 5

    def http_error_302(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message
    ) -> Any:
        try:
            return super().http_error_302(req, fp, code, msg, headers)  # type: ignore[arg-type]
        except ValueError:  # It leads nowhere.
            return None

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: Message,
        newurl: str,
    ) -> urllib.request.Request | None:
        if req.get_method() not in {"GET", "HEAD"}:
            return None
        if not same_origin(req.full_url, sendable(newurl)):
            return None
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]


def _opener(timeout: float) -> urllib.request.OpenerDirector:
    """Speaks http and https only, for so long, through the proxies of the environment."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        TimelyHandler(Deadline(timeout)),
        _StayHome(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.HTTPDefaultErrorHandler(),
    ):
        opener.add_handler(handler)
    return opener


def answer_of(request: DurableHttpRequest, headers: dict[str, str]) -> Any:
    """Send it; returns the answer, of which nothing was read yet, as a context manager.

    Raises `HttpRequestError` and `TimeoutError` when there is none.
    """
    data = None if request.content is None else request.content.encode()
    asked = urllib.request.Request(  # noqa: S310 - the request takes http and https only
        request.uri, data, headers, method=request.method
    )
    try:
        return _opener(request.timeout).open(asked)
    except HTTPError as error:
        return error
    except (OSError, HTTPException, ValueError) as error:
        raise _failed(request, error) from error


def response_of(
    request: DurableHttpRequest, headers: dict[str, str], cap: int, cancelled: Callable[[], bool]
) -> DurableHttpResponse:
    """Send it, and read the answer as far as somebody waits for it; raises for more than `cap`."""
    with answer_of(request, headers) as answer:
        try:
            body = _body(answer, cap, cancelled)
        except (OSError, HTTPException) as error:
            raise _failed(request, error) from error
    if len(body) > cap:
        raise PayloadTooLargeError(f"the answer of {request.uri.partition('?')[0]}", len(body), cap)
    return DurableHttpResponse(answer.status, _joined(answer.headers), _text(answer.headers, body))


def _body(answer: Any, cap: int, cancelled: Callable[[], bool]) -> bytes:
    """What the server sends, up to where it is too much or nobody waits for it any more."""
    promised: int | None = answer.length
    body = bytearray()
    while len(body) != promised and len(body) <= cap and not cancelled():
        # The bytes that are there, so that a server that drips cannot hold the thread for ever.
        some = answer.read1(CHUNK)
        if not some and promised is not None:
            raise IncompleteRead(bytes(body), promised - len(body))
        if not some:
            break
        body += some
    return bytes(body)


def _failed(request: DurableHttpRequest, error: Exception) -> Exception:
    reason = error.reason if isinstance(error, URLError) else error
    if isinstance(reason, TimeoutError):
        text = f"{request.method} {request.uri.partition('?')[0]} took longer than"
        return TimeoutError(f"{text} {request.timeout:g} s")
    return HttpRequestError(request.method, request.uri, str(reason) or repr(reason))


def _joined(headers: Message) -> dict[str, str]:
    names = {name.casefold(): name for name in reversed(headers.keys())}
    return {name: ", ".join(headers.get_all(name, [])) for name in names.values()}


def _text(headers: Message, body: bytes) -> str:
    try:
        return body.decode(headers.get_content_charset("utf-8"), "replace")
    except LookupError:
        return body.decode("utf-8", "replace")
