"""When a timer trigger fires: NCRONTAB expressions and time spans.

The fields are second (may be left out), minute, hour, day, month and day of the week, each a list
of `*`, values, ranges and steps; months and days of the week may be named. Unlike with Unix cron
the day and the day of the week have to match both.
"""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Protocol

from attrs import field, frozen

from .errors import FunctionsError

_MONTHS = "january february march april may june july august september october november december"
_DAYS = "sunday monday tuesday wednesday thursday friday saturday"
_FIELDS = (
    ("second", 0, 59, ""),
    ("minute", 0, 59, ""),
    ("hour", 0, 23, ""),
    ("day", 1, 31, ""),
    ("month", 1, 12, _MONTHS),
    ("day of the week", 0, 6, _DAYS),
)
_ABBREVIATION = 3
_SPAN = re.compile(r"(?:(\d+)\.)?(\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.(\d{1,7}))?)?")
_YEARS = 28
"""After so many years dates and days of the week repeat: what has not come by then never does."""


class Schedule(Protocol):
    """What says when a timer fires next."""

    def after(self, moment: datetime) -> datetime:
        """The next occurrence after a moment in UTC, in UTC."""
        ...


@frozen
class Interval:
    """Fires again and again after the same time."""

    every: timedelta

    def after(self, moment: datetime) -> datetime:
        """The next occurrence."""
        return moment + self.every


@frozen
class Cron:
    """Fires when the clock on the wall shows what its fields say."""

    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[int, ...]
    months: tuple[int, ...]
    weekdays: tuple[int, ...]
    zone: tzinfo = field(default=UTC)

    def after(self, moment: datetime) -> datetime:
        """The next occurrence; hours that a change of the clocks repeats are not repeated."""
        wall = moment.astimezone(self.zone).replace(tzinfo=None)
        for candidate in self._walls(wall):
            found = candidate.replace(tzinfo=self.zone).astimezone(UTC)
            if found > moment:
                return found
        raise FunctionsError("the schedule has no occurrence: no such day is in any year")

    def _walls(self, start: datetime) -> Iterator[datetime]:
        for day in self._dates(start.date()):
            for hour in self.hours:
                for minute in self.minutes:
                    if datetime.combine(day, time(hour, minute, 59)) < start:
                        continue
                    for second in self.seconds:
                        wall = datetime.combine(day, time(hour, minute, second))
                        if wall > start:
                            yield wall

    def _dates(self, start: date) -> Iterator[date]:
        for offset in range(_YEARS * 366):
            day = start + timedelta(days=offset)
            sunday_first = day.isoweekday() % 7
            if day.month in self.months and day.day in self.days and sunday_first in self.weekdays:
                yield day


def parse_schedule(text: str, zone: tzinfo = UTC) -> Schedule:
    """The schedule that a trigger's text says; raises `FunctionsError` for any other."""
    span = _SPAN.fullmatch(text.strip())
    if span is not None:
        return Interval(_span(text, span))
    parts = text.split()
    if len(parts) == len(_FIELDS) - 1:
        parts.insert(0, "0")
    if len(parts) != len(_FIELDS):
        raise FunctionsError(
            f"{text!r} is no schedule: it has six fields, from second to day of the week, like "
            "'0 */5 * * * *', or is a time span like '00:05:00'"
        )
    fields = [_values(text, part, *kind) for part, kind in zip(parts, _FIELDS, strict=True)]
    seconds, minutes, hours, days, months, weekdays = fields
    cron = Cron(seconds, minutes, hours, days, months, weekdays, zone)
    cron.after(datetime(2000, 1, 1, tzinfo=UTC))  # Raises when it never comes.
    return cron


def parse_span(text: str) -> timedelta:
    """A time span as .NET writes it, `[days.]hours:minutes[:seconds]`."""
    span = _SPAN.fullmatch(text.strip())
    if span is None:
        raise FunctionsError(f"{text!r} is no time span; write hours:minutes:seconds")
    return _span(text, span)


def _span(text: str, span: re.Match[str]) -> timedelta:
    days, hours, minutes, seconds, fraction = (part or "0" for part in span.groups())
    found = timedelta(
        days=int(days),
        hours=int(hours),
        minutes=int(minutes),
        seconds=int(seconds),
        microseconds=int(fraction.ljust(7, "0")) // 10,
    )
    if not found or int(hours) > 23 or int(minutes) > 59 or int(seconds) > 59:  # noqa: PLR2004
        raise FunctionsError(f"{text!r} is no time span; write [days.]hours:minutes:seconds")
    return found


def _values(
    schedule: str, part: str, name: str, least: int, most: int, names: str
) -> tuple[int, ...]:
    found: set[int] = set()
    for item in part.split(","):
        span, slash, step = item.partition("/")
        first, dash, last = span.partition("-")
        try:
            every = int(step) if slash else 1
            if span == "*":
                low, high = least, most
            else:
                low = _value(first, least, names)
                high = _value(last, least, names) if dash else most if slash else low
        except ValueError:
            low = high = every = -1
        if every < 1 or not least <= low <= high <= most:
            raise FunctionsError(
                f"{item!r} in the schedule {schedule!r} is no {name}, which goes from {least} to "
                f"{most}"
            )
        found.update(range(low, high + 1, every))
    return tuple(sorted(found))


def _value(text: str, least: int, names: str) -> int:
    wanted = text.casefold()
    for number, known in enumerate(names.split(), least):
        if wanted in (known, known[:_ABBREVIATION]):
            return number
    return int(text)
