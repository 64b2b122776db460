"""The URIs of HTTP calls: what people and servers write, as what may be sent.

Spaces and characters that are not ASCII are quoted as UTF-8, hosts are written by IDNA, and what is
quoted already stays so. The rest is refused, with what to do about it.
"""

import re
from string import punctuation
from urllib.parse import SplitResult, quote, urljoin, urlsplit

_PORTS = {"http": 80, "https": 443}
_UNQUOTED_PERCENT = re.compile("%(?![0-9A-Fa-f]{2})")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_NEVER_BARE = frozenset('"<>\\^`{|}')
_SAFE = "".join(sorted(set(punctuation) - _NEVER_BARE))


def sendable(uri: str) -> str:
    """Quote what can be quoted; raises `ValueError`, which shows no password, for the rest."""
    parts, host = _parts(uri.strip(" "))
    port = "" if parts.port is None else f":{parts.port}"
    path = _quoted(parts.path)
    query = f"?{_quoted(parts.query)}" if parts.query else ""
    fragment = f"#{_quoted(parts.fragment)}" if parts.fragment else ""
    return f"{parts.scheme}://{host}{port}{path}{query}{fragment}"


def _parts(uri: str) -> tuple[SplitResult, str]:
    if _CONTROL.search(uri):
        raise ValueError(f"{_shown(uri)} has control characters: quote them, or leave them out")
    try:
        parts = urlsplit(uri)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"{_shown(uri)} is no URI: {error}") from None
    if parts.scheme not in _PORTS or not host:
        text = f"an HTTP call goes to http://... or https://..., not to {_shown(uri)}"
        raise ValueError(text)
    if "@" in parts.netloc:
        advice = "would end up in logs; leave them out, and use headers or a TokenSource"
        raise ValueError(f"the credentials in {_shown(uri)} {advice}")
    return parts, _ascii_host(uri, host)


def _shown(uri: str) -> str:
    """The URI without what stands before an `@` in its host, or in its query."""
    start, slashes, rest = uri.partition("?")[0].rpartition("//")
    return repr(start + slashes + re.sub(".*@", "***@", rest))


def _ascii_host(uri: str, host: str) -> str:
    if ":" in host:
        return f"[{host}]"
    if host.isascii():
        if quote(host) != host:
            raise ValueError(f"{_shown(uri)} has no host that could be reached: {host!r}")
        return host
    try:
        written = host.encode("idna")
    except ValueError as error:
        raise ValueError(f"{_shown(uri)} has no host that could be reached: {error}") from None
    # Python knows the rules of 2003, where "ß" is "ss"; by those of 2008 it is another host.
    if written.decode("idna") != host:
        advice = "has several spellings in ASCII: write the one that is meant, xn--..."
        raise ValueError(f"the host of {_shown(uri)} {advice}")
    return written.decode()


def _quoted(text: str) -> str:
    return quote(_UNQUOTED_PERCENT.sub("%25", text), safe=_SAFE)


def led_to(uri: str, location: str) -> str:
    """Where the header `Location` of an answer from `uri` leads, as `sendable` has it."""
    heard = _as_sent(location.strip())
    try:
        followed = urljoin(uri, heard)
    except ValueError as error:
        raise ValueError(f"{_shown(heard)} is no URI: {error}") from None
    return sendable(followed)


def _as_sent(header: str) -> str:
    """The header, whose bytes were read as Latin-1, which few senders mean by them."""
    try:
        sent = header.encode("latin-1")
    except UnicodeEncodeError:
        return header
    try:
        return sent.decode()
    except UnicodeDecodeError:
        return quote(sent, safe=punctuation)


def same_origin(one: str, other: str) -> bool:
    """Whether two URIs have scheme, host and port in common."""
    return _origin(one) == _origin(other)


def _origin(uri: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(uri)
    return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)
