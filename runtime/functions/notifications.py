"""Event Grid notifications as `host.json` asks for them: a webhook of lifecycle events."""

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any, cast

from attrs import frozen

from perdure import HttpRetryPolicy, Lifecycle, Webhook

from .app_settings import setting
from .errors import FunctionsError

WHERE = "extensions.durableTask.notifications.eventGrid"
KEY_HEADER = "aeg-sas-key"

_EVENT_TYPES = {
    "started": Lifecycle.STARTED,
    "completed": Lifecycle.COMPLETED,
    "failed": Lifecycle.FAILED,
    "terminated": Lifecycle.TERMINATED,
}
_STATUSES = range(400, 600)


@frozen(kw_only=True)
class Notifications:
    """What is told of instances, and to whom. Names and defaults are the extension's."""

    topic_endpoint: str | None = None
    key_setting: str | None = None
    """The app setting that holds the topic's key."""
    retry_count: int = 0
    retry_interval: timedelta = timedelta(minutes=5)
    retry_statuses: tuple[int, ...] = ()
    """After which answers a request is repeated; none means every 4xx and 5xx."""
    kinds: frozenset[Lifecycle] = frozenset(_EVENT_TYPES.values())

    def webhooks(self, hub: str, environ: Mapping[str, str]) -> list[Webhook]:
        """The hooks for a task hub; raises `FunctionsError` for a key or an address that fails."""
        if self.topic_endpoint is None:
            return []
        key = setting(environ, self.key_setting) if self.key_setting is not None else None
        if not key:
            raise FunctionsError(
                f"{WHERE}.keySettingName in host.json names the app setting that holds the key of "
                f"the topic, but there is none: {self.key_setting!r}"
            )
        retry = HttpRetryPolicy(
            max_attempts=self.retry_count + 1,
            first_interval=self.retry_interval,
            status_codes=self.retry_statuses,
        )
        try:
            webhook = Webhook(
                self.topic_endpoint,
                headers={KEY_HEADER: key},
                shape="event_grid",
                kinds=self.kinds,
                retry=retry,
                hub=hub,
            )
        except ValueError as error:
            raise FunctionsError(f"{WHERE}.topicEndpoint in host.json: {error}") from error
        return [webhook]


def _count(value: object) -> int:
    number = int(value) if isinstance(value, str) and value.isdigit() else value
    if type(number) is not int or number < 0:
        raise ValueError("a whole number that is not negative")
    return number


def _interval(value: object) -> timedelta:
    """A duration as .NET writes it."""
    parts = value.split(":") if isinstance(value, str) else []
    if len(parts) != 3 or not all(part.isdigit() for part in parts):  # noqa: PLR2004
        raise ValueError("a duration like '00:05:00'")
    hours, minutes, seconds = map(int, parts)
    duration = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    if not duration:
        raise ValueError("a duration longer than zero, like '00:05:00'")
    return duration


def _statuses(value: object) -> tuple[int, ...]:
    statuses = [int(item) if str(item).isdigit() else 0 for item in _list(value)]
    if not all(status in _STATUSES for status in statuses):
        raise ValueError("a list of statuses from 400 to 599")
    return tuple(statuses)


def _kinds(value: object) -> frozenset[Lifecycle]:
    names = [str(item).strip().casefold() for item in _list(value)]
    if not all(name in _EVENT_TYPES for name in names):
        raise ValueError("a list of Started, Completed, Failed and Terminated")
    return frozenset(_EVENT_TYPES[name] for name in names)


def _list(value: object) -> list[Any]:
    """A JSON array, or a text with commas, as app settings have them."""
    if isinstance(value, str):
        return [part for part in value.replace("[", "").replace("]", "").split(",") if part.strip()]
    if not isinstance(value, list):
        raise ValueError("a list")  # noqa: TRY004 - the caller tells of every wrong value alike
    return list(cast("Iterable[Any]", value))


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("a text that is not empty")
    return value.strip()


NOTIFIED: dict[str, tuple[str, Callable[[object], Any]]] = {
    "topicendpoint": ("topic_endpoint", _text),
    "keysettingname": ("key_setting", _text),
    "publishretrycount": ("retry_count", _count),
    "publishretryinterval": ("retry_interval", _interval),
    "publishretryhttpstatus": ("retry_statuses", _statuses),
    "publisheventtypes": ("kinds", _kinds),
}
"""The settings by their name in lower case: the field, and what reads it."""
