"""Webhooks of lifecycle events: HTTP POSTs of JSON arrays, best effort."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from itertools import count
from typing import Any, Literal

import anyio
import anyio.to_thread
import orjson
from attrs import Attribute, field, frozen
from attrs.validators import instance_of

from ..actors.durable_http import DurableHttpRequest, HttpRetryPolicy
from ..actors.errors import HttpRequestError
from ..actors.failure import details_of
from ..actors.retry import RetryPolicy
from .clock import Bell, Clock
from .lifecycle import Lifecycle, LifecycleEvent

TIMEOUT = 30.0
TOGETHER_MAX = 100
SUCCESSES = range(200, 300)
TRANSIENT = (408, 429, 500, 502, 503, 504)
"""Statuses after which the same request may succeed."""

RETRIES: RetryPolicy = HttpRetryPolicy(
    max_attempts=5,
    first_interval=timedelta(seconds=1),
    backoff=4.0,
    max_interval=timedelta(minutes=5),
    status_codes=TRANSIENT,
)

_EVENT_GRID = {
    Lifecycle.STARTED: "Running",
    Lifecycle.COMPLETED: "Completed",
    Lifecycle.FAILED: "Failed",
    Lifecycle.TERMINATED: "Terminated",
}
"""The names of Durable Functions, which has no others."""


def _checked_url(_: object, __: object, url: str) -> None:
    DurableHttpRequest("POST", url)


def _set_of(kinds: Iterable[Lifecycle]) -> frozenset[Lifecycle]:
    return frozenset(kinds)


def _checked_kinds(_: object, attribute: "Attribute[Any]", kinds: frozenset[object]) -> None:
    for kind in kinds:
        if not isinstance(kind, Lifecycle):
            raise TypeError(f"{attribute.name} takes Lifecycle members, not {kind!r}")


def _checked_shape(_: object, attribute: "Attribute[Any]", shape: object) -> None:
    if shape not in ("plain", "event_grid"):
        raise ValueError(f"{attribute.name} is 'plain' or 'event_grid', not {shape!r}")


def _checked_timeout(_: object, attribute: "Attribute[Any]", timeout: object) -> None:
    if not isinstance(timeout, (int, float)) or not timeout > 0:
        raise ValueError(f"{attribute.name} is a number of seconds above zero, not {timeout!r}")


@frozen
class Webhook:
    """Where lifecycle events are sent: a JSON array per POST, in the order of the commits.

    A POST that fails for a passing reason (no connection, too slow, or a status of
    `retry.status_codes`) is repeated by `retry`; the events of one that fails for good are logged
    and counted. The `id` of an event stays the same in each repetition.
    """

    url: str = field(validator=_checked_url)
    headers: Mapping[str, str] = field(factory=dict[str, str], kw_only=True)
    """Such as `{"aeg-sas-key": key}`."""
    shape: Literal["plain", "event_grid"] = field(
        default="plain", validator=_checked_shape, kw_only=True
    )
    """`event_grid` is that of Durable Functions' notifications, which know neither parking nor
    continue-as-new; see `LifecycleEvent.to_json` for the other."""
    kinds: frozenset[Lifecycle] = field(
        default=frozenset(Lifecycle), converter=_set_of, validator=_checked_kinds, kw_only=True
    )
    """Which events are sent."""
    retry: RetryPolicy = field(default=RETRIES, validator=instance_of(RetryPolicy), kw_only=True)
    """An `HttpRetryPolicy` says after which statuses; others try again after `TRANSIENT` ones."""
    timeout: float = field(default=TIMEOUT, validator=_checked_timeout, kw_only=True)
    """Seconds that an answer may take."""
    hub: str | None = field(default=None, kw_only=True)
    """The `hubName` of the Event Grid shape; without it the App's name."""
    topic: str | None = field(default=None, kw_only=True)
    """The `topic` of the Event Grid shape, which is left out without it."""

    def wants(self, kind: Lifecycle) -> bool:
        """Whether events of this kind are sent."""
        return kind in self.kinds and (self.shape == "plain" or kind in _EVENT_GRID)

    def body(self, events: list[LifecycleEvent], hub: str) -> bytes:
        """What is sent of these events."""
        if self.shape == "plain":
            return orjson.dumps([event.to_json() for event in events])
        return orjson.dumps([self._for_event_grid(event, hub) for event in events])

    def _for_event_grid(self, event: LifecycleEvent, hub: str) -> dict[str, Any]:
        status = _EVENT_GRID[event.kind]
        said: dict[str, Any] = {
            "id": event.id,
            "subject": f"durable/orchestrator/{status}",
            "data": {
                "hubName": self.hub or hub,
                "functionName": event.name,
                "instanceId": event.instance_id,
                "reason": event.reason or "",
                "runtimeStatus": status,
            },
            "eventType": "orchestratorEvent",
            "eventTime": event.time.isoformat(),
            "dataVersion": "1.0",
        }
        return said if self.topic is None else {"topic": self.topic, **said}

    def tries_again_after(self, status: int) -> bool:
        """Whether a POST that was answered so may be repeated."""
        if not isinstance(self.retry, HttpRetryPolicy):
            return status in TRANSIENT
        codes = self.retry.status_codes
        return status in codes if codes else status >= 400  # noqa: PLR2004


class Sender:
    """Sends to one webhook, in a thread that no activity could need."""

    together_max = TOGETHER_MAX
    expected: tuple[type[BaseException], ...] = (HttpRequestError, TimeoutError)

    def __init__(self, webhook: Webhook, hub: str, clock: Clock) -> None:
        self.name = webhook.url.partition("?")[0]
        self.busy = False
        self._webhook = webhook
        self._hub = hub
        self._clock = clock
        self._thread: anyio.CapacityLimiter | None = None

    def wants(self, event: LifecycleEvent) -> bool:
        """Whether it is to be sent."""
        return self._webhook.wants(event.kind)

    async def tell(self, events: list[LifecycleEvent]) -> None:
        """Send them, as often as it takes; raises what the last attempt failed with."""
        body = self._webhook.body(events, self._hub).decode()
        began = self._clock.now()
        for attempt in count(1):
            problem = await self._attempt(body)
            if problem is None:
                return
            status = problem.status_code if isinstance(problem, HttpRequestError) else None
            if status is not None and not self._webhook.tries_again_after(status):
                raise problem
            elapsed = timedelta(microseconds=self._clock.now() - began)
            delay = self._webhook.retry.delay(attempt, details_of(problem), elapsed)
            if delay is None:
                raise problem
            await self._clock.wait(Bell(), self._clock.now() + delay // timedelta(microseconds=1))

    async def _attempt(self, body: str) -> HttpRequestError | TimeoutError | None:
        """POST it; returns what was wrong."""
        if self._thread is None:
            self._thread = anyio.CapacityLimiter(1)
        self.busy = True
        try:
            status = await anyio.to_thread.run_sync(
                self._posted, body, abandon_on_cancel=True, limiter=self._thread
            )
        except (HttpRequestError, TimeoutError) as error:
            return error
        finally:
            self.busy = False
        if status in SUCCESSES:
            return None
        return HttpRequestError("POST", self._webhook.url, f"status {status}", status)

    def _posted(self, body: str) -> int:
        webhook = self._webhook
        headers = {
            "User-Agent": "perdure",
            "Content-Type": "application/json; charset=utf-8",
            **webhook.headers,
        }
        request = DurableHttpRequest("POST", webhook.url, headers, body, webhook.timeout)
        from .http_answers import answer_of  # noqa: PLC0415 - few programs have webhooks

        with answer_of(request, headers) as answer:
            status: int = answer.status
        return status
