"""Task hubs: what they may be called, and which store each of them is in.

A hub is one store. The setting that a connection names says where: a store URL, in which `{hub}`
stands for the hub's name; or nothing, or `UseDevelopmentStorage=true`, for a file of the hub's
name in the folder `.perdure` of the app.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from attrs import frozen

from .app_settings import resolved, setting
from .errors import FunctionsError
from .host_settings import DEFAULT_CONNECTION, HostSettings
from .model import Binding, Function

LENGTH_MIN, LENGTH_MAX = 3, 50
_DERIVED_LENGTH_MAX = 45
_LOCAL_HUB = "TestHubName"
_FALLBACK_HUB = "DefaultTaskHub"
_SITE, _SLOT = "WEBSITE_SITE_NAME", "WEBSITE_SLOT_NAME"
_DEVELOPMENT = "usedevelopmentstorage=true"
_DEFAULTS = {DEFAULT_CONNECTION.casefold(), "storage"}
_PLACES = "sqlite:///folder/{hub}.db, memory://, or UseDevelopmentStorage=true"

STORES = ".perdure"
"""The folder, inside the app's, of what has no other place."""


@frozen
class TaskHub:
    """A hub that functions of the app name."""

    name: str
    connection: str
    store: str
    """The URL of its store."""

    @property
    def key(self) -> tuple[str, str]:
        """Equal for two that are the same, whichever settings name them."""
        return self.name.casefold(), self.store

    @property
    def shown_connection(self) -> str:
        """The connection as links name it: of the default one the Functions host says this."""
        own = self.connection.casefold() == DEFAULT_CONNECTION.casefold()
        return "Storage" if own else self.connection


def checked_hub(name: str, where: str) -> str:
    """The name; raises `FunctionsError` unless it begins with a letter and is alphanumeric."""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9]*", name) or not LENGTH_MIN <= len(name) <= LENGTH_MAX:
        raise FunctionsError(
            f"{name!r} ({where}) cannot be the name of a task hub: it begins with a letter, has "
            f"only letters and digits, and is {LENGTH_MIN} to {LENGTH_MAX} characters long; "
            f"for instance {sanitised(name)!r}"
        )
    return name


def sanitised(name: str) -> str:
    """A hub name made of whatever text, as the extension makes one of a site's name."""
    kept = re.sub(r"[^A-Za-z0-9]", "", name)
    if not kept:
        return _FALLBACK_HUB
    if not kept[0].isalpha():
        kept = f"t{kept}"
    return (kept if len(kept) >= LENGTH_MIN else f"{kept}Hub")[:_DERIVED_LENGTH_MAX]


def default_hub(settings: HostSettings, environ: Mapping[str, str]) -> str:
    """The hub of an app's functions."""
    if settings.hub_name is not None:
        return checked_hub(settings.hub_name, "hubName in host.json")
    site, slot = environ.get(_SITE, ""), environ.get(_SLOT, "")
    if not site:
        return _LOCAL_HUB
    return sanitised(site if slot.casefold() in ("", "production") else f"{site}{slot}")


class HubMap:
    """All hubs that an app names, the one of its own functions first."""

    def __init__(self, folder: Path, settings: HostSettings, environ: Mapping[str, str]) -> None:
        self._folder, self._environ = folder, environ
        self.named: dict[tuple[str, str], TaskHub] = {}
        """By hub and connection as the app spells them, in lower case; two may be one store."""
        self.own = self._add(default_hub(settings, environ), settings.connection, "host.json")

    def of(self, function: Function, client: Binding) -> TaskHub:
        """The hub of a client; raises `FunctionsError` for one that cannot be."""
        where = f"a client of {function.name}"
        given = str(client.properties.get("taskHub") or "")
        name = resolved(given, self._environ, f"taskHub of {where}") if given else self.own.name
        connection = client.properties.get("connectionName") or client.properties.get("connection")
        return self._add(checked_hub(name, where), str(connection or self.own.connection), where)

    def _add(self, name: str, connection: str, where: str) -> TaskHub:
        key = name.casefold(), connection.casefold()
        if key not in self.named:
            hub = TaskHub(name, connection, self._store(name, connection, where))
            self._refuse_sharing(hub)
            self.named[key] = hub
        return self.named[key]

    def _store(self, name: str, connection: str, where: str) -> str:
        found = setting(self._environ, connection)
        if found is None:
            found = setting(self._environ, f"AzureWebJobs{connection}")
        if found is None:
            found = setting(self._environ, f"ConnectionStrings:{connection}")
        if found is None and connection.casefold() not in _DEFAULTS:
            raise FunctionsError(
                f"{where} names the connection {connection!r}, but there is no such app setting; "
                f"add it to Values in local.settings.json: {_PLACES}"
            )
        place = (found or "").strip()
        if not place or place.casefold().rstrip(";") == _DEVELOPMENT:
            return f"sqlite:///{self._folder / STORES / name.casefold()}.db"
        if place == "memory://":
            return place
        scheme, _, path = place.partition(":///")
        if scheme != "sqlite" or not path:
            shown = place.partition("=")[0].partition(":")[0]
            raise FunctionsError(
                f"the app setting {connection} ({shown}...) is no place for a task hub; "
                f"set it to {_PLACES}"
            )
        return f"sqlite:///{self._folder / path.replace('{hub}', name.casefold())}"

    def _refuse_sharing(self, hub: TaskHub) -> None:
        for other in self.named.values():
            if hub.store == other.store != "memory://" and hub.key != other.key:
                raise FunctionsError(
                    f"the task hubs {other.name} and {hub.name} would share {hub.store}; "
                    f"write {{hub}} into the setting {hub.connection}: {_PLACES}"
                )
