"""NCRONTAB expressions and time spans: when they come next."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.functions import FunctionsError
from perdure.functions.schedule import Cron, parse_schedule, parse_span

START = datetime(2030, 1, 31, 23, 59, 30, tzinfo=UTC)  # A Thursday.


@pytest.mark.parametrize(
    ("text", "following"),
    [
        ("0 */5 * * * *", "2030-02-01T00:00:00"),
        ("*/5 * * * *", "2030-02-01T00:00:00"),
        ("*/20 * * * * *", "2030-01-31T23:59:40"),
        ("15,45 59 23 * * *", "2030-01-31T23:59:45"),
        ("0 30 9 * * Mon-Fri", "2030-02-01T09:30:00"),
        ("0 30 9 * * 6", "2030-02-02T09:30:00"),
        ("0 0 0 29 Feb *", "2032-02-29T00:00:00"),
        ("0 0 12 1 january,July *", "2030-07-01T12:00:00"),
        ("0 0 0 13 * Friday", "2030-09-13T00:00:00"),
        ("5-10/5 0 8-9 * * *", "2030-02-01T08:00:05"),
        ("0 50/4 * * * *", "2030-02-01T00:50:00"),
        ("00:05:00", "2030-02-01T00:04:30"),
        ("1.06:00", "2030-02-02T05:59:30"),
    ],
)
def test_the_next_occurrence_is_found(text: str, following: str) -> None:
    assert parse_schedule(text).after(START) == datetime.fromisoformat(f"{following}+00:00")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("* * * *", "it has six fields"),
        ("0 60 * * * *", "'60' .* is no minute, which goes from 0 to 59"),
        ("0 * * * * Mon-", "is no day of the week"),
        ("0 * * * * Fri-Mon", "is no day of the week"),
        ("0 */0 * * * *", "is no minute"),
        ("0 * * * Foo *", "is no month"),
        ("0 0 0 30 2 *", "no such day is in any year"),
        ("00:00:00", "is no time span"),
        ("25:00", "is no time span"),
    ],
)
def test_a_schedule_that_never_comes_is_refused(text: str, problem: str) -> None:
    with pytest.raises(FunctionsError, match=problem):
        parse_schedule(text)


def test_spans_of_retry_policies_are_read() -> None:
    assert parse_span("00:00:01.5") == timedelta(seconds=1.5)
    with pytest.raises(FunctionsError, match="'soon' is no time span"):
        parse_span("soon")


def test_a_day_has_its_hour_where_the_clock_is() -> None:
    schedule = parse_schedule("0 30 2 * * *", ZoneInfo("Europe/Berlin"))
    found = [datetime(2030, 3, 29, 12, tzinfo=UTC)]
    for _ in range(4):
        found.append(schedule.after(found[-1]))
    # On the 31st there is no half past two: the clock goes from two to three.
    assert [f"{when:%d %H:%M}" for when in found[1:]] == [
        "30 01:30",
        "31 01:30",
        "01 00:30",
        "02 00:30",
    ]


def test_an_hour_that_is_repeated_counts_once() -> None:
    schedule = parse_schedule("0 */30 2 * * *", ZoneInfo("Europe/Berlin"))
    found = [datetime(2030, 10, 26, 22, tzinfo=UTC)]
    for _ in range(3):
        found.append(schedule.after(found[-1]))
    assert [f"{when:%d %H:%M}" for when in found[1:]] == ["27 00:00", "27 00:30", "28 01:00"]


field = st.sampled_from(["*", "*/7", "3", "1,2,5", "2-6/2"])


@given(
    st.lists(field, min_size=6, max_size=6),
    st.integers(0, 4_000_000_000),
)
def test_occurrences_are_what_the_fields_say(fields: list[str], start: int) -> None:
    cron = parse_schedule(" ".join(fields))
    assert isinstance(cron, Cron)
    found = [datetime.fromtimestamp(start, UTC)]
    for _ in range(3):
        found.append(cron.after(found[-1]))
    assert all(one < other for one, other in pairwise(found))
    for when in found[1:]:
        assert when.microsecond == 0
        assert when.second in cron.seconds
        assert when.minute in cron.minutes
        assert when.hour in cron.hours
        assert when.day in cron.days
        assert when.month in cron.months
        assert when.isoweekday() % 7 in cron.weekdays
