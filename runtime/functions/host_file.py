"""`host.json`: how the host is set up, from the file and from what the environment overrides.

1.  Names are read in any case. `AzureFunctionsJobHost__extensions__durableTask__hubName` in the
    environment wins over the file; parts are joined by `__` or `:`.
2.  A file without `"version": "2.0"` is of version 1: `durableTask` and `http` lie at its root.
3.  Every entry is honoured, ignored for a reason that is told, or unknown and named.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from attrs import Factory, frozen

from .app_settings import resolved
from .errors import FunctionsError
from .host_settings import HONOURED, SECTIONS, HostSettings
from .notifications import Notifications
from .pointless_settings import reason_to_ignore
from .settings_json import read_object

FILE = "host.json"
NOTIFICATIONS = "notifications."
_OVERRIDES = "azurefunctionsjobhost"
_OLD_PLACES = {"durabletask": ("extensions", "durableTask"), "http": ("extensions", "http")}
_OLD_HUB = "DurableFunctionsHub"
_PROVIDER = "extensions.durableTask.storageProvider.type"
_NOT_WORTH_TELLING = {"version", "$schema"}


@frozen
class HostFile:
    """What the host was told."""

    settings: HostSettings = Factory(HostSettings)
    ignored: tuple[tuple[str, str], ...] = ()
    """Settings that are known and have no meaning here, with the reason."""
    unknown: tuple[str, ...] = ()
    """Settings that nobody knows."""


@frozen
class _Reading:
    honoured: dict[str, Any] = Factory(dict[str, Any])
    ignored: list[tuple[str, str]] = Factory(list[tuple[str, str]])
    unknown: list[str] = Factory(list[str])

    @property
    def fields(self) -> dict[str, Any]:
        """The fields of the settings."""
        fields = {name: value for name, value in self.honoured.items() if "." not in name}
        told = {
            name.removeprefix(NOTIFICATIONS): value
            for name, value in self.honoured.items()
            if name.startswith(NOTIFICATIONS)
        }
        return {**fields, "notifications": Notifications(**told)}


def read_host_file(folder: Path, environ: Mapping[str, str]) -> HostFile:
    """Read the file in an app's folder; raises `FunctionsError` for a value that cannot be."""
    path = folder / FILE
    content = read_object(path) or {}
    is_old = "version" not in {name.casefold() for name in content} and bool(content)
    if is_old:
        content = _moved(content)
    for parts, value in _overrides(environ):
        _insert(content, parts, value)
    reading = _Reading()
    if is_old:
        reading.honoured["hub_name"] = _OLD_HUB
    _walk(content, "", reading, environ)
    settings = HostSettings(**reading.fields)
    if settings.has_foreign_store:
        reading.ignored.append((_PROVIDER, f"stores of Perdure stand in for {settings.provider}"))
        settings = settings.on_own_store()
    return HostFile(settings, tuple(reading.ignored), tuple(reading.unknown))


def _moved(content: Mapping[str, Any]) -> dict[str, Any]:
    """The content of version 1, laid out as in version 2."""
    moved: dict[str, Any] = {}
    for name, value in content.items():
        _insert(moved, _OLD_PLACES.get(name.casefold(), (name,)), value)
    return moved


def _overrides(environ: Mapping[str, str]) -> Iterator[tuple[tuple[str, ...], str]]:
    for name, value in sorted(environ.items()):
        first, *parts = name.replace("__", ":").split(":")
        if first.casefold() == _OVERRIDES and parts:
            yield tuple(parts), value


def _insert(content: dict[str, Any], parts: tuple[str, ...], value: object) -> None:
    """Put a value at a path, over what is there in whatever case."""
    name = next((own for own in content if own.casefold() == parts[0].casefold()), parts[0])
    if len(parts) == 1:
        content[name] = value
        return
    inner: object = content.get(name)
    below = cast("dict[str, Any]", inner) if isinstance(inner, dict) else {}
    content[name] = below
    _insert(below, parts[1:], value)


def _walk(
    content: Mapping[str, Any], prefix: str, reading: _Reading, environ: Mapping[str, str]
) -> None:
    for name, value in content.items():
        path = f"{prefix}{name}"
        known = path.casefold()
        reason = reason_to_ignore(known)
        if reason is not None:
            reading.ignored.append((path, reason))
        elif known in HONOURED:
            _honour(path, value, reading, environ)
        elif known in SECTIONS:
            if not isinstance(value, dict):
                raise FunctionsError(f"{path} in host.json is an object in braces, not {value!r}")
            _walk(cast("dict[str, Any]", value), f"{path}.", reading, environ)
        elif known not in _NOT_WORTH_TELLING:
            reading.unknown.append(path)


def _honour(path: str, value: object, reading: _Reading, environ: Mapping[str, str]) -> None:
    if value is None:
        return
    if isinstance(value, str):
        value = resolved(value, environ, f"{path} in host.json")
    field, read = HONOURED[path.casefold()]
    try:
        reading.honoured[field] = read(value)
    except ValueError as error:
        raise FunctionsError(f"{path} in host.json is {error}, not {value!r}") from error
