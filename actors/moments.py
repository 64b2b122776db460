"""Times in the log are whole microseconds since 1970 UTC; users see aware datetimes."""

from datetime import UTC, datetime, timedelta
from typing import cast

MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // MICROSECOND
LAST = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // MICROSECOND


def moment(at: int) -> datetime:
    """Microseconds since 1970 as an aware UTC datetime, at most the end of the year 9999."""
    return _EPOCH + timedelta(microseconds=min(at, LAST))


def micros(when: datetime) -> int:
    """The reverse of `moment`; a naive datetime is taken as UTC. Raises `TypeError` for others."""
    given = cast("object", when)
    if not isinstance(given, datetime):
        raise TypeError(f"a time is given as a datetime, not as {type(given).__name__} {given!r}")
    aware = when if when.tzinfo is not None else when.replace(tzinfo=UTC)
    return (aware - _EPOCH) // MICROSECOND
