"""The settings of `host.json` that mean something here: extension `durableTask`, and routes.

Names and defaults are those of the Durable Functions extension.
"""

import os
from collections.abc import Callable, Collection
from datetime import timedelta
from enum import Enum
from typing import Any, Final, cast

from attrs import Factory, evolve, frozen

from perdure.actors.status import Status
from perdure.runtime.client.control import Reuse

from .notifications import NOTIFIED, Notifications

DEFAULT_CONNECTION: Final = "AzureWebJobsStorage"
_OWN_STORE = "azurestorage"


class VersionMatch(Enum):
    """Which instances this host runs, by their version."""

    NONE = "None"
    """All."""
    STRICT = "Strict"
    """Those of exactly `defaultVersion`."""
    CURRENT_OR_OLDER = "CurrentOrOlder"
    """Those of `defaultVersion` or older, and those without a version."""


class VersionFailure(Enum):
    """What becomes of an instance that is not matched."""

    REJECT = "Reject"
    """It waits for a host that matches it."""
    FAIL = "Fail"
    """It fails with `VersionMismatch`."""


@frozen(kw_only=True)
class HostSettings:
    """See the module's docstring."""

    hub_name: str | None = None
    """None derives it from the site's name, `WEBSITE_SITE_NAME`, or takes `TestHubName`."""
    connection: str = DEFAULT_CONNECTION
    """The app setting that says which store the hub is in."""
    provider: str = _OWN_STORE
    default_version: str | None = None
    version_match: VersionMatch = VersionMatch.CURRENT_OR_OLDER
    version_failure: VersionFailure = VersionFailure.REJECT
    activities_max: int = 10 * (os.cpu_count() or 1)
    entity_batch_max: int = 5_000
    actions_max: int = 100_000
    reuse: Collection[Status] = Reuse.NON_RUNNING
    """In which statuses an instance gives way to a new one with its id."""
    rolls_back: bool = True
    """Whether an entity operation that raises leaves no trace."""
    raise_event_strictly: bool = True
    """Whether raising an event at an instance that is not there, or has ended, is an error."""
    poll_interval: timedelta = timedelta(seconds=30)
    """How often an HTTP call asks again after a 202 that does not say."""
    use_forwarded_host: bool = False
    notifications: Notifications = Factory(Notifications)
    route_prefix: str = "api"
    functions: frozenset[str] | None = None
    """Which functions run, in lower case; None is all."""

    @property
    def has_foreign_store(self) -> bool:
        """Whether it names a storage provider of Azure that has connections of its own kind."""
        return self.provider != _OWN_STORE

    def on_own_store(self) -> "HostSettings":
        """The same settings at the default connection."""
        return evolve(self, connection=DEFAULT_CONNECTION)


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("a text that is not empty")
    return value.strip()


def _prefix(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("a text")  # noqa: TRY004 - the caller tells of every wrong value alike
    return value.strip("/ ")


def _whole(value: object) -> int:
    number = int(value) if isinstance(value, str) and value.isdigit() else value
    if type(number) is not int or number < 1:
        raise ValueError("a whole number of at least 1")
    return number


def _yes_or_no(value: object) -> bool:
    spelled = {"true": True, "false": False}
    found = spelled.get(value.casefold()) if isinstance(value, str) else value
    if found is not True and found is not False:
        raise ValueError("true or false")
    return found


def _milliseconds(value: object) -> timedelta:
    return timedelta(milliseconds=_whole(value))


def _names(value: object) -> frozenset[str]:
    if not isinstance(value, list):
        raise ValueError("a list of names")  # noqa: TRY004 - as above
    return frozenset(_text(name).casefold() for name in cast("list[object]", value))


def _one_of(choices: dict[str, Any]) -> Callable[[object], Any]:
    spelled = {name.casefold(): chosen for name, chosen in choices.items()}

    def read(value: object) -> Any:
        if not isinstance(value, str) or value.casefold() not in spelled:
            raise ValueError(" or ".join(repr(name) for name in choices))
        return spelled[value.casefold()]

    return read


Reader = Callable[[object], Any]
_MATCH = _one_of({choice.value: choice for choice in VersionMatch})
_FAILURE = _one_of({choice.value: choice for choice in VersionFailure})
_REUSE = _one_of({"NonRunningStates": Reuse.NON_RUNNING, "AnyState": Reuse.ANY_STATE})

_TASK = "extensions.durabletask"
HONOURED: dict[str, tuple[str, Reader]] = {
    "functions": ("functions", _names),
    "extensions.http.routeprefix": ("route_prefix", _prefix),
    f"{_TASK}.hubname": ("hub_name", _text),
    f"{_TASK}.defaultversion": ("default_version", _text),
    f"{_TASK}.versionmatchstrategy": ("version_match", _MATCH),
    f"{_TASK}.versionfailurestrategy": ("version_failure", _FAILURE),
    f"{_TASK}.maxconcurrentactivityfunctions": ("activities_max", _whole),
    f"{_TASK}.maxentityoperationbatchsize": ("entity_batch_max", _whole),
    f"{_TASK}.maxorchestrationactions": ("actions_max", _whole),
    f"{_TASK}.overridableexistinginstancestates": ("reuse", _REUSE),
    f"{_TASK}.rollbackentityoperationsonexceptions": ("rolls_back", _yes_or_no),
    f"{_TASK}.throwstatusexceptionsonraiseevent": ("raise_event_strictly", _yes_or_no),
    **{
        f"{_TASK}.{prefix}{name}": (f"notifications.{field}", read)
        for name, (field, read) in NOTIFIED.items()
        for prefix in ("notifications.eventgrid.", "eventgrid")
    },
    f"{_TASK}.httpsettings.useforwardedhost": ("use_forwarded_host", _yes_or_no),
    f"{_TASK}.httpsettings.defaultasyncrequestsleeptimemilliseconds": (
        "poll_interval",
        _milliseconds,
    ),
    f"{_TASK}.storageprovider.type": ("provider", lambda value: _text(value).casefold()),
    f"{_TASK}.storageprovider.connectionname": ("connection", _text),
    f"{_TASK}.storageprovider.connectionstringname": ("connection", _text),
    f"{_TASK}.azurestorageconnectionstringname": ("connection", _text),
}
"""By path in lower case: the field, or that of a field, and what reads it."""

SECTIONS = frozenset(
    {
        "extensions",
        "extensions.http",
        _TASK,
        f"{_TASK}.httpsettings",
        f"{_TASK}.notifications",
        f"{_TASK}.notifications.eventgrid",
        f"{_TASK}.storageprovider",
    }
)
"""Objects of which each entry is looked at."""
