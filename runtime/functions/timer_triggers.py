"""Timer triggers: a function that is called whenever its schedule says so.

1.  One function is called once at a time. What comes due while it runs is left out.
2.  With `useMonitor`, which is the default for schedules of a minute and more, the occurrences are
    noted in the app's folder: a host that was down when one came due calls the function when it
    starts, and says `past_due`.
3.  A call that raises is logged, and called again only where the function has a retry policy.
"""

import importlib
import json
import logging
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import anyio.to_thread
from attrs import define, frozen

from perdure.actors.moments import micros, moment
from perdure.runtime.clock import Bell, Clock

from .app_settings import resolved
from .errors import FunctionsError
from .invocation import Caller, retry_context
from .model import TIMER_TRIGGER, Function
from .schedule import Interval, Schedule, parse_schedule, parse_span
from .settings_json import read_object
from .task_hubs import STORES

logger = logging.getLogger("perdure.functions")

_ZONE = "WEBSITE_TIME_ZONE"
_MONITORED_FROM = timedelta(minutes=1)


@frozen
class RetryPolicy:
    """How often, and after which pauses, a function is called again."""

    most: int
    """-1 is without end."""
    first: timedelta
    longest: timedelta
    grows: bool

    def pause(self, attempt: int) -> timedelta | None:
        """The pause after the failure of that attempt, from 0; None when it was the last."""
        if 0 <= self.most <= attempt:
            return None
        if not self.grows:
            return self.first
        return min(self.first * (1 << min(attempt, 30)), self.longest)


@frozen
class TimerTrigger:
    """A function with its schedule."""

    function: Function
    schedule: Schedule
    shown: str
    """The schedule as text."""
    at_start: bool
    monitored: bool
    retry: RetryPolicy | None


def timer_triggers(
    functions: Iterable[Function], environ: Mapping[str, str], now: datetime
) -> list[TimerTrigger]:
    """The timer triggers among the functions; raises `FunctionsError`."""
    zone = _zone(environ)
    wanted = (f for f in functions if f.trigger.type == TIMER_TRIGGER)
    return [_trigger(function, environ, zone, now) for function in wanted]


def _zone(environ: Mapping[str, str]) -> tzinfo:
    name = environ.get(_ZONE, "")
    try:
        return ZoneInfo(name) if name else UTC
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise FunctionsError(
            f"{_ZONE} is {name!r}, which is no time zone; write one like 'Europe/Berlin'"
        ) from error


def _trigger(
    function: Function, environ: Mapping[str, str], zone: tzinfo, now: datetime
) -> TimerTrigger:
    said = function.trigger.properties
    text = resolved(str(said.get("schedule", "")), environ, f"the schedule of {function.name}")
    try:
        schedule = parse_schedule(text, zone)
        retry = _retry(function.retry)
    except FunctionsError as error:
        raise FunctionsError(f"the timer {function.name}: {error}") from error
    following = schedule.after(now)
    often = schedule.after(following) - following < _MONITORED_FROM
    monitored = said.get("useMonitor") is not False and not often
    return TimerTrigger(
        function, schedule, text, said.get("runOnStartup") is True, monitored, retry
    )


def _retry(said: Mapping[str, Any] | None) -> RetryPolicy | None:
    if said is None:
        return None
    most = int(said.get("maxRetryCount", 0))
    if str(said.get("strategy")).casefold().replace("_", "") == "exponentialbackoff":
        first = parse_span(str(said.get("minimumInterval", "00:00:01")))
        longest = parse_span(str(said.get("maximumInterval", "00:00:10")))
        return RetryPolicy(most, first, longest, grows=True)
    pause = parse_span(str(said.get("delayInterval", "00:00:01")))
    return RetryPolicy(most, pause, pause, grows=False)


@define
class Occurrences:
    """What is noted of one timer, so that a restart knows what it missed."""

    file: Path
    last: datetime | None = None
    next: datetime | None = None

    @classmethod
    def read(cls, folder: Path, function: str) -> "Occurrences":
        """What was noted; nothing when there is no file yet."""
        file = folder / STORES / "timers" / f"{function}.json"
        said = read_object(file) or {}
        return cls(file, _time(said.get("last")), _time(said.get("next")))

    def write(self) -> None:
        """Note it, in a way that a crash leaves the old note or the new one."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        times = {"last": self.last, "next": self.next}
        said = {name: time.isoformat() if time else None for name, time in times.items()}
        fresh = self.file.with_suffix(".new")
        fresh.write_text(json.dumps(said), "utf-8")
        fresh.replace(self.file)


def _time(said: object) -> datetime | None:
    return datetime.fromisoformat(said) if isinstance(said, str) else None


class Timer:
    """Calls one function when it is time."""

    def __init__(self, trigger: TimerTrigger, caller: Caller, clock: Clock, folder: Path) -> None:
        self._trigger = trigger
        self._caller = caller
        self._clock = clock
        self._folder = folder

    async def run(self) -> None:
        """Call it again and again, until cancelled."""
        trigger = self._trigger
        noted = Occurrences.read(self._folder, trigger.function.name)
        missed = trigger.monitored and noted.next is not None and noted.next <= self._now()
        if missed or trigger.at_start:
            await self._fire(noted, past_due=missed)
        due = self._first(noted)
        while True:
            noted.next = due
            if trigger.monitored:
                await anyio.to_thread.run_sync(noted.write)
            await self._wait(due)
            await self._fire(noted, past_due=False)
            due = trigger.schedule.after(self._now())

    def _first(self, noted: Occurrences) -> datetime:
        """When it is due first; an interval that a restart broke off goes on."""
        now = self._now()
        due = self._trigger.schedule.after(now)
        interval = isinstance(self._trigger.schedule, Interval) and self._trigger.monitored
        if interval and noted.next is not None and noted.next > now:
            return min(due, noted.next)
        return due

    def _now(self) -> datetime:
        return moment(self._clock.now())

    async def _wait(self, until: datetime) -> None:
        bell = Bell()
        while self._clock.now() < micros(until):
            await self._clock.wait(bell, micros(until))

    async def _fire(self, noted: Occurrences, *, past_due: bool) -> None:
        trigger = self._trigger
        request = _request(noted, past_due=past_due)
        noted.last = self._now()
        attempt, error = 0, None
        most = trigger.retry.most if trigger.retry is not None else 0
        while True:
            try:
                context = retry_context(attempt, most, error)
                await self._caller.call(trigger.function, request, retry=context)
            except Exception as raised:
                logger.exception("the function %s failed", trigger.function.name)
                error = raised
            else:
                return
            pause = trigger.retry.pause(attempt) if trigger.retry is not None else None
            if pause is None:
                return
            attempt += 1
            await self._wait(self._now() + pause)


def _request(noted: Occurrences, *, past_due: bool) -> Any:
    package = importlib.import_module("azure.functions.timer")
    last = noted.last.isoformat() if noted.last is not None else "0001-01-01T00:00:00+00:00"
    following = noted.next.isoformat() if noted.next is not None else last
    status = {"Last": last, "Next": following, "LastUpdated": last}
    return package.TimerRequest(
        past_due=past_due, schedule_status=status, schedule={"AdjustForDST": True}
    )
