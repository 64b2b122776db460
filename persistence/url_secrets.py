"""The URL of a database as messages may show it."""

from urllib.parse import parse_qsl, quote, urlencode

_SECRETS = frozenset({"password", "sslpassword", "passfile", "sslkey"})
_TO_ESCAPE = frozenset("/?#@")


def without_secrets(url: str) -> str:
    """The URL without a password, also when that was not escaped and so spoils the URL."""
    scheme, separator, rest = url.partition("://")
    place, mark, query = rest.partition("?")
    owner, at, host = place.rpartition("@")
    if not at and not _has_ports(host):
        # What stands where a port should may be the beginning of a password.
        return f"{scheme}{separator}{host.partition(':')[0]}"
    given = parse_qsl(query, keep_blank_values=True)
    shown = [(key, value) for key, value in given if key not in _SECRETS]
    # Not `+` for a blank: libpq takes that for a plus sign.
    told = urlencode(shown, quote_via=quote, safe="/")
    name = owner.partition(":")[0]
    return f"{scheme}{separator}{name}{at}{host}{mark if told else ''}{told}"


def is_unescaped(url: str) -> bool:
    """Whether the password has characters that end it when they are not written as `%40` etc."""
    place, _, _ = url.partition("://")[2].partition("?")
    owner, at, host = place.rpartition("@")
    if not at:
        return not _has_ports(host)
    return not _TO_ESCAPE.isdisjoint(owner)


def _has_ports(place: str) -> bool:
    """Whether in `host:port,host:port/database` there are numbers where ports should be."""
    hosts = place.partition("/")[0].split(",")
    ports = [host.rpartition("]")[2].partition(":")[2] for host in hosts]
    return all(port.isdecimal() or not port for port in ports)
