"""When to try again: the retry policy and its pure arithmetic."""

from collections.abc import Callable
from datetime import timedelta

from attrs import Attribute, field, frozen
from attrs.validators import ge

from .failure import FailureDetails

INTERVAL_MAX = timedelta(days=36_525)

Handler = Callable[[FailureDetails], bool]


def _positive(_: object, attribute: "Attribute[timedelta]", value: timedelta) -> None:
    if value <= timedelta(0):
        raise ValueError(f"{attribute.name} must be longer than zero, not {value}")


def _at_least_first(
    policy: "RetryPolicy", attribute: "Attribute[timedelta | None]", value: timedelta | None
) -> None:
    if value is not None and value < policy.first_interval:
        raise ValueError(f"{attribute.name} must not be shorter than first_interval")


@frozen(kw_only=True)
class RetryPolicy:
    """How often and how fast a failed activity or sub-orchestration is tried again.

    The delay before attempt n + 1 is `first_interval * backoff ** (n - 1)`, at most
    `max_interval`. A failure that is marked non-retriable is never tried again.
    """

    max_attempts: int = field(validator=ge(1))
    """The first attempt included; at least 1."""
    first_interval: timedelta = field(default=timedelta(seconds=1), validator=_positive)
    """The delay before the second attempt."""
    backoff: float = field(default=1.0, validator=ge(1))
    """What the delay is multiplied with after each attempt; at least 1."""
    max_interval: timedelta | None = field(default=None, validator=_at_least_first)
    """The longest delay, or None for no limit."""
    retry_timeout: timedelta | None = field(default=None, validator=_at_least_first)
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
