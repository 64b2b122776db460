"""Where a task hub is: `postgresql://user:password@host:port/database?hub=name`.

The parameters `hub`, `partitions`, `lease` and `heartbeat` are ours; all others are libpq's.
"""

import re
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from attrs import frozen
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from ..actors.errors import StoreError
from .partitions import PARTITIONS
from .url_secrets import is_unescaped, without_secrets

HUB = "perdure"
LEASE_SECONDS, HEARTBEAT_SECONDS = 10.0, 2.0
_PARTITIONS_MAX = 1_024

_HUB_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_FOREIGN = re.compile(r"pg_.*|public|information_schema|crdb_internal")

# Without these a commit waits for ever on a network that swallows packets. Seconds, but for
# tcp_user_timeout; what the URL says comes before them.
_PATIENCE = {
    "connect_timeout": "10",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "20000",
}
_LOCK_PATIENCE = "10s"


@frozen(kw_only=True)
class Address:
    """What a URL says."""

    url: str
    """Without secrets."""
    parameters: dict[str, Any]
    """What libpq connects with."""
    hub: str = HUB
    """The schema."""
    partitions: int | None = None
    """How many partitions the hub shall have if it is created now; None when that was left open."""
    lease: float = LEASE_SECONDS
    heartbeat: float = HEARTBEAT_SECONDS


def read_address(url: str) -> Address:
    """Read a URL; raises `StoreError` for what cannot be one."""
    if is_unescaped(url):
        # Whatever libpq would say of it shows a part of the password.
        raise _refusal(url, "write %40 for @, %2F for / and so on in a password, or use PGPASSWORD")
    try:
        parts = urlsplit(url)
        given = parse_qsl(parts.query, keep_blank_values=True)
        theirs = [(key, value) for key, value in given if key not in _OURS]
        # Not `+` for a blank: libpq takes that for a plus sign.
        query = urlencode(theirs, quote_via=quote)
        parameters = conninfo_to_dict(urlunsplit(parts._replace(query=query)))
    except (ProgrammingError, ValueError) as error:
        raise _refusal(url, str(error)) from None
    read = {key: _OURS[key](key, value) for key, value in given if key in _OURS}
    address = Address(url=without_secrets(url), parameters=parameters, **read)
    if address.heartbeat * 2 > address.lease:
        raise StoreError(
            f"a lease of {address.lease} s with a heartbeat of {address.heartbeat} s would lapse "
            "at the first delay: let the lease be at least two heartbeats long"
        )
    return address


def _refusal(url: str, problem: str) -> StoreError:
    return StoreError(
        f"{without_secrets(url)!r} is not the URL of a database ({' '.join(problem.split())}); "
        "it is like postgresql://user:password@host/database?hub=name"
    )


def connecting(address: Address, *, relaxed: bool) -> dict[str, Any]:
    """All parameters of a connection to the hub.

    Settings go along with the start of the session, and not after it: a pooler that hands one
    session to many clients refuses them, instead of leading us to somebody else's tables.
    """
    options = [
        f"-c lock_timeout={_LOCK_PATIENCE}",
        str(address.parameters.get("options") or ""),
        f"-c search_path={address.hub}",
    ]
    if relaxed:
        options.append("-c synchronous_commit=off")
    return {
        **_PATIENCE,
        "application_name": f"perdure {address.hub}",
        **address.parameters,
        "options": " ".join(options).strip(),
    }


def _hub_name(_: str, text: str) -> str:
    if not _HUB_NAME.fullmatch(text) or _FOREIGN.fullmatch(text):
        raise StoreError(
            f"a hub cannot be called {text!r}: its name becomes a schema, of up to 63 lower-case "
            "letters, digits and underscores; public and pg_... belong to the database"
        )
    return text


def _partition_count(key: str, text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= _PARTITIONS_MAX:
        raise StoreError(
            f"{key}={text} is not a number from 1 to {_PARTITIONS_MAX}, as {PARTITIONS}"
        )
    return int(text)


def _seconds(key: str, text: str) -> float:
    if not re.fullmatch(r"\d+(\.\d+)?", text) or not float(text):
        raise StoreError(f"{key}={text} is not a number of seconds above zero")
    return float(text)


_OURS: dict[str, Any] = {
    "hub": _hub_name,
    "partitions": _partition_count,
    "lease": _seconds,
    "heartbeat": _seconds,
}
