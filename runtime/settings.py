"""What can be set about a runtime, with its limits."""

import os
from collections.abc import Mapping
from typing import Any, Literal

from attrs import Attribute, field, fields, frozen
from attrs.validators import instance_of, optional

from .client.management import ManagementUrl
from .retention import Retention

DURABILITIES = ("full", "relaxed")
SECONDS_MAX = 100 * 366 * 86_400


def _durability(_: object, attribute: "Attribute[Any]", value: object) -> None:
    if value not in DURABILITIES:
        raise ValueError(f"{attribute.name} is 'full' or 'relaxed', not {value!r}")


def _whole(_: object, attribute: "Attribute[int]", value: object) -> None:
    if not isinstance(value, int):
        raise TypeError(f"{attribute.name} is a whole number, not {value!r}")
    if value < 1:
        raise ValueError(f"{attribute.name} must be at least 1, not {value}")


def _not_negative(_: object, attribute: "Attribute[float]", value: object) -> None:
    if not isinstance(value, (int, float)):
        raise TypeError(f"{attribute.name} is a number of seconds, not {value!r}")
    if not value >= 0:
        raise ValueError(f"{attribute.name} must not be negative, not {value}")


def _positive(_: object, attribute: "Attribute[float]", value: object) -> None:
    if not isinstance(value, (int, float)):
        raise TypeError(f"{attribute.name} is a number of seconds, not {value!r}")
    if not 0 < value <= SECONDS_MAX:
        limits = f"longer than zero and finite, at most {SECONDS_MAX} seconds"
        raise ValueError(f"{attribute.name} must be {limits}, not {value}")


@frozen(kw_only=True)
class Settings:
    """Keyword arguments of `Runtime`. Durations are seconds."""

    durability: Literal["full", "relaxed"] = field(default="full", validator=_durability)
    """`full` syncs the disk at every commit; `relaxed` may lose the last commits when the power
    fails, though not when the process dies."""
    drain_timeout: float = field(default=10.0, validator=_not_negative)
    """How long leaving the runtime waits for running activities and entity operations."""
    activities_max: int = field(default=1_000, validator=_whole)
    """How many activities run at once."""
    activity_threads_max: int = field(default=40, validator=_whole)
    """How many sync activities run at once; one that timed out or was cancelled counts until its
    thread really ends, here and in `max_concurrency`."""
    activity_processes_max: int = field(factory=lambda: os.cpu_count() or 1, validator=_whole)
    """How many activities with `executor="process"` run at once."""
    http_calls_max: int = field(default=100, validator=_whole)
    """How many requests of `call_http` are on their way at once, each in a thread that is none of
    `activity_threads_max`."""
    resident_max: int = field(default=20_000, validator=_whole)
    """How many idle actors stay in memory; others are brought back by replay."""
    entity_batch_max: int = field(default=5_000, validator=_whole)
    """How many operations one turn of an entity may run."""
    turns_between_breaths: int = field(default=256, validator=_whole)
    """How many turns are taken before other tasks of the event loop may run."""
    poll_interval: float = field(default=0.05, validator=_positive)
    """How often the store is asked for what clients in other processes have sent, in seconds: three
    times as rarely while nothing in a file changes, ten times as often after something has come."""
    worker_lease: float | None = field(default=None, validator=optional(_positive))
    """Of a store that several workers run: after so long without a heartbeat a worker is held to be
    dead, and others take over. None: as the store's URL says, or else 10."""
    worker_heartbeat: float | None = field(default=None, validator=optional(_positive))
    """How often it shows that it is alive. None: as the store's URL says, or else 2."""
    timer_horizon: float = field(default=60.0, validator=_positive)
    """Timers due later than this are left on disk for the time being."""
    hook_events_max: int = field(default=10_000, validator=_whole)
    """How many lifecycle events may wait for one hook; what comes then is dropped and counted."""
    retention: Retention | None = field(default=None, validator=optional(instance_of(Retention)))
    """How long what has ended is kept: for ever, unless this says otherwise."""
    management: ManagementUrl = field(factory=ManagementUrl, validator=instance_of(ManagementUrl))
    """Where the HTTP management API is that the links of the client lead to."""
    history_warning: int = field(default=50_000, validator=_whole)
    """Turns of one execution after which a warning suggests continue-as-new."""


def settings_from(given: Mapping[str, Any]) -> Settings:
    """The settings of these keywords; raises `TypeError` for one that there is not."""
    known = [attribute.name for attribute in fields(Settings)]
    for name in given:
        if name not in known:
            import difflib  # noqa: PLC0415 - only for who mistypes

            near = difflib.get_close_matches(name, known, 1)
            advice = f"did you mean {near[0]!r}? " if near else ""
            raise TypeError(f"there is no setting {name!r}; {advice}Known are {', '.join(known)}")
    return Settings(**given)
