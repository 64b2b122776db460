"""How long what has ended is kept."""

from collections.abc import Iterator
from datetime import timedelta

from attrs import Attribute, field, frozen

from ..actors.status import Status

SWEEPS_PER_PERIOD = 10
INTERVAL_MIN, INTERVAL_MAX = timedelta(seconds=1), timedelta(minutes=1)


def _duration(given: timedelta | float | None) -> timedelta | None:
    """Numbers are seconds; what is no duration is left for the validator, which knows its name."""
    if isinstance(given, (int, float)) and abs(given) <= timedelta.max.total_seconds() / 2:
        return timedelta(seconds=given)
    return given  # type: ignore[return-value]


def _period(_: object, attribute: "Attribute[timedelta | None]", value: object) -> None:
    if value is None:
        return
    if isinstance(value, (int, float)):
        limits = f"finite, at most {timedelta.max.days // 2} days"
        problem = f"{attribute.name} must be {limits}, not {value} seconds"
        raise ValueError(problem)  # noqa: TRY004 - the kind is right, the number is not
    if not isinstance(value, timedelta):
        raise TypeError(f"{attribute.name} is a timedelta or a number of seconds, not {value!r}")
    if value < timedelta(0):
        raise ValueError(f"{attribute.name} must not be negative, not {value}")


@frozen(kw_only=True)
class Retention:
    """How long a runtime keeps what has ended; without a period it keeps it for ever.

    An orchestration is deleted with its history when the period of its status has passed since it
    ended, and those of its sub-orchestrations that have ended go with it. What runs or is parked
    is never deleted. Periods are timedeltas or seconds.
    """

    completed: timedelta | None = field(default=None, converter=_duration, validator=_period)
    failed: timedelta | None = field(default=None, converter=_duration, validator=_period)
    """While it is kept a failed instance can be rewound."""
    terminated: timedelta | None = field(default=None, converter=_duration, validator=_period)
    entities: timedelta | None = field(default=None, converter=_duration, validator=_period)
    """Since the last change of the state of an entity. The next operation finds it as new; one
    that is locked, parked, or at work stays."""

    @property
    def periods(self) -> Iterator[tuple[Status, timedelta]]:
        """For the statuses that have one."""
        for status in (Status.COMPLETED, Status.FAILED, Status.TERMINATED):
            period: timedelta | None = getattr(self, status.label.lower())
            if period is not None:
                yield status, period

    @property
    def interval(self) -> timedelta:
        """The time between two sweeps: what is due goes that much later at most."""
        periods = [period for _, period in self.periods]
        if self.entities is not None:
            periods.append(self.entities)
        shortest = min(periods, default=INTERVAL_MAX) / SWEEPS_PER_PERIOD
        return max(INTERVAL_MIN, min(shortest, INTERVAL_MAX))
