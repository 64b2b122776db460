"""What a request's URL says: which segments are the API's own, and where the API begins.

The segments are taken from the URL as it was sent: in a decoded path, an escaped slash inside the
key of an entity could not be told from one between segments.
"""

from urllib.parse import quote, unquote

from attrs import frozen
from starlette.datastructures import URL
from starlette.requests import Request

from perdure.runtime.client.check_status import forwarded

from .refusal import BAD_REQUEST, Refusal


@frozen
class Address:
    """A URL in two parts."""

    base: str
    """Scheme, host and the path below which the API is mounted, without a slash at the end."""
    tail: str
    """The rest of the path as it was sent."""
    segments: tuple[str, ...]
    """The tail's segments, decoded; an empty one at the end is left out."""


def address_of(request: Request, *, use_forwarded_host: bool, url: str | None) -> Address:
    """The address that a request was sent to; `url` replaces its base."""
    root, tail = _split(request)
    if url is None:
        here = str(URL(scope=request.scope).replace(path="", query="", fragment=""))
        url = (forwarded(here, request.headers) if use_forwarded_host else here) + root
    segments = tail.split("/")[1:]
    if segments and not segments[-1]:
        segments.pop()
    return Address(url.rstrip("/"), tail, tuple(_decoded(segment) for segment in segments))


def _decoded(segment: str) -> str:
    try:
        return unquote(segment, errors="strict")
    except UnicodeDecodeError as error:
        # Replaced letters would make one id of many.
        raise Refusal(
            BAD_REQUEST, f"{segment!r} in the path is not UTF-8: {error.reason}"
        ) from error


def _split(request: Request) -> tuple[str, str]:
    """The path of the mount and the path below it, both as they were sent.

    Servers and frameworks differ in what of a mount they take from `path`; but its end is ours.
    """
    scope = request.scope
    root: str = scope.get("root_path", "")
    inner = _below(scope["path"], root)
    raw: bytes | None = scope.get("raw_path")
    if raw is None:
        return quote(root), quote(inner)
    sent = raw.decode("latin-1").partition("?")[0]
    for start in reversed([at for at, letter in enumerate(sent) if letter == "/"]):
        # Litestar adds a slash.
        if unquote(sent[start:]).rstrip("/") == inner.rstrip("/"):
            before = sent[:start]
            whole = unquote(before).startswith(root)
            return before if whole else quote(root) + before, sent[start:]
    return quote(root), quote(inner)


def _below(path: str, root: str) -> str:
    inside = root and (path == root or path.startswith(root + "/"))
    return path[len(root) :] if inside else path
