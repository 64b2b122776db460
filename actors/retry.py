"""When to try again: the retry policy and its pure arithmetic."""

from collections.abc import Callable
from datetime import timedelta
from math import isfinite
from typing import cast

from attrs import Attribute, field, frozen

from .failure import FailureDetails

INTERVAL_MAX = timedelta(days=36_525)

Handler = Callable[[FailureDetails], bool]


def _duration(given: timedelta | float) -> timedelta:
    """Numbers are seconds; what is no duration is left for the validator, which knows its name."""
    if isinstance(given, (int, float)) and abs(given) <= INTERVAL_MAX.total_seconds():
        return timedelta(seconds=given)
    return cast("timedelta", given)


def _optional_duration(given: timedelta | float | None) -> timedelta | None:
    return None if given is None else _duration(given)


def _attempts(_: object, attribute: "Attribute[int]", value: object) -> None:
    if not isinstance(value, int):
        raise TypeError(f"{attribute.name} is a whole number, not {value!r}")
    if value < 1:
        raise ValueError(f"{attribute.name} must be at least 1, not {value}")


def _factor(_: object, attribute: "Attribute[float]", value: object) -> None:
    if not isinstance(value, (int, float)):
        raise TypeError(f"{attribute.name} is a number, not {value!r}")
    if not isfinite(value) or value < 1:
        raise ValueError(f"{attribute.name} must be finite and at least 1, not {value}")


def _check_duration(name: str, value: object) -> None:
    if not isinstance(value, (timedelta, int, float)):
        raise TypeError(f"{name} is a timedelta or a number of seconds, not {value!r}")
    if not isinstance(value, timedelta):
        problem = f"{name} must be at most {INTERVAL_MAX.days} days and finite, not {value} s"
        raise ValueError(problem)  # noqa: TRY004 - the kind is right, the number is not


def _positive(_: object, attribute: "Attribute[timedelta]", value: timedelta) -> None:
    _check_duration(attribute.name, value)
    if value <= timedelta(0):
        raise ValueError(f"{attribute.name} must be longer than zero, not {value}")


def _at_least_first(
    policy: "RetryPolicy", attribute: "Attribute[timedelta | None]", value: timedelta | None
) -> None:
    if value is None:
        return
    _check_duration(attribute.name, value)
    if value < policy.first_interval:
        raise ValueError(f"{attribute.name} must not be shorter than first_interval")


@frozen(kw_only=True)
class RetryPolicy:
    """How often and how fast a failed activity or sub-orchestration is tried again.

    The delay before attempt n + 1 is `first_interval * backoff ** (n - 1)`, at most
    `max_interval`. A failure that is marked non-retriable is never tried again. Durations are
    timedeltas or seconds.
    """

    max_attempts: int = field(validator=_attempts)
    """The first attempt included; at least 1."""
    first_interval: timedelta = field(
        default=timedelta(seconds=1), converter=_duration, validator=_positive
    )
    """The delay before the second attempt."""
    backoff: float = field(default=1.0, validator=_factor)
    """What the delay is multiplied with after each attempt; at least 1."""
    max_interval: timedelta | None = field(
        default=None, converter=_optional_duration, validator=_at_least_first
    )
    """The longest delay, or None for no limit."""
    retry_timeout: timedelta | None = field(
        default=None, converter=_optional_duration, validator=_at_least_first
    )
    """A failure later than this after the first attempt was asked for is not tried again, by the
    orchestration's clock; counted anew after a rewind."""
    non_retriable: tuple[type[BaseException] | str, ...] = ()
    """Exception classes, or their names, after which nothing is tried again."""
    handler: Handler | None = None
    """Says whether to try again after this failure; must be deterministic. Raising means no."""

    def delay(self, attempt: int, failure: FailureDetails, elapsed: timedelta) -> timedelta | None:
        """Return the time to wait after failed attempt number `attempt` (from 1); None: give up.

        `elapsed` is the orchestration's time since the first attempt.
        """
        if failure.non_retriable or attempt >= self.max_attempts:
            return None
        if any(failure.is_caused_by(error) for error in self.non_retriable):
            return None
        if self.retry_timeout is not None and elapsed >= self.retry_timeout:
            return None
        if self.handler is not None and not _asked(self.handler, failure):
            return None
        return self._interval(attempt)

    def _interval(self, attempt: int) -> timedelta:
        longest = self.max_interval or INTERVAL_MAX
        try:
            return min(self.first_interval * self.backoff ** (attempt - 1), longest)
        except OverflowError:
            return longest


def _asked(handler: Handler, failure: FailureDetails) -> bool:
    try:
        return bool(handler(failure))
    except Exception:  # noqa: BLE001 - the contract: a handler that raises says "do not retry"
        return False
