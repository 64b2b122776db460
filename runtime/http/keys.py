"""Who may do what: one key for everything, one for looking only."""

import hmac
from enum import IntEnum
from ipaddress import ip_address
from typing import Any

from attrs import Attribute, field, frozen
from attrs.validators import optional
from starlette.requests import HTTPConnection

HEADER = "x-functions-key"
QUERY = "code"


class Access(IntEnum):
    """What a caller may do; each includes the ones before it."""

    NONE = 0
    READ = 1
    FULL = 2


def _key(_: object, attribute: "Attribute[Any]", value: object) -> None:
    if not isinstance(value, str) or not value or not value.isascii() or not value.isprintable():
        raise ValueError(f"the {attribute.name} key is a text of printable ASCII characters")


@frozen(kw_only=True)
class Keys:
    """The keys that callers show, as query parameter `code` or header `x-functions-key`."""

    full: str = field(validator=_key, repr=False)
    """Allows everything."""
    read_only: str | None = field(default=None, validator=optional(_key), repr=False)
    """Allows to look: everything asked for by GET."""

    def __attrs_post_init__(self) -> None:
        if self.read_only == self.full:
            raise ValueError("the read_only key is another than the full key")

    def access(self, shown: str) -> Access:
        """What this key allows. Takes as long for a nearly right key as for a wrong one."""
        full = _same(shown, self.full)
        read = self.read_only is not None and _same(shown, self.read_only)
        return Access.FULL if full else Access.READ if read else Access.NONE


def _same(shown: str, key: str) -> bool:
    return hmac.compare_digest(_bytes(shown), _bytes(key))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def shown_keys(connection: HTTPConnection) -> list[str]:
    """The keys that a caller has shown; both places may hold one."""
    places = connection.query_params.getlist(QUERY), connection.headers.getlist(HEADER)
    return [key for place in places for key in place if key]


def called_by_a_strange_page(connection: HTTPConnection) -> bool:
    """Whether a web page from elsewhere seems to have made a browser on this machine call.

    A browser says so to a loopback address; and a page whose own name was made to point to this
    machine is called by that name, which a registered one has a dot in.
    """
    if connection.headers.get("sec-fetch-site") == "cross-site":
        return True
    host = (connection.url.hostname or "").lower().rstrip(".")
    if "." not in host or host.endswith(".localhost"):
        return False
    try:
        ip_address(host)
    except ValueError:
        return True
    return False


def reached_from_outside(connection: HTTPConnection) -> bool:
    """Whether the address at which the caller reached us is open to other machines.

    Something else than an IP address is a unix socket or a test's name, and is not.
    """
    server: tuple[str, int | None] | None = connection.scope.get("server")
    if server is None:
        return False
    try:
        return not ip_address(server[0].partition("%")[0]).is_loopback
    except ValueError:
        return False
