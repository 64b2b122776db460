"""Points in time and stretches of it, as people write and read them."""

import re
from datetime import UTC, datetime, timedelta, tzinfo

import typer

_STRETCH = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_SHOWN = ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "m"), (60, "m", 1, "s"))


def read_moment(text: str, option: str, *, zone: tzinfo | None, ahead: bool) -> datetime:
    """A time as ISO 8601, or how long ago it was, with `ahead` how long it is until then.

    Without an offset it is in `zone`, or in the local one.
    """
    now = datetime.now(UTC)
    stretch = _STRETCH.fullmatch(text.strip())
    if stretch is not None:
        try:
            length = timedelta(seconds=float(stretch[1]) * _SECONDS[stretch[2]])
            return now + length if ahead else now - length
        except OverflowError:
            raise typer.BadParameter(f"{text!r} is too far away", param_hint=option) from None
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        relative = "10m for in ten minutes" if ahead else "2h for two hours ago"
        raise typer.BadParameter(
            f"{text!r} is no time: write 2030-01-31T08:00, with Z or +01:00 if you like, "
            f"or {relative}",
            param_hint=option,
        ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone) if zone is not None else moment.astimezone()
    return moment.astimezone(UTC)


def shown_stretch(length: timedelta) -> str:
    """A stretch of time in at most two units, such as `3 h 20 m`."""
    seconds = length.total_seconds()
    if seconds < 1:
        return f"{seconds * 1_000:.3g} ms"
    for size, name, smaller, smaller_name in _SHOWN:
        if seconds >= size:
            first, rest = divmod(int(seconds), size)
            second = rest // smaller
            return f"{first} {name} {second} {smaller_name}" if second else f"{first} {name}"
    return f"{seconds:.3g} s"
