"""`local.settings.json`: the app's settings on a developer's machine, as environment variables."""

import json
import os
from collections.abc import Generator, Mapping, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from attrs import Factory, frozen

from .errors import FunctionsError
from .settings_json import read_object

FILE = "local.settings.json"


@frozen
class LocalSettings:
    """What the file says; empty when there is none."""

    values: Mapping[str, str] = Factory(dict[str, str])
    """The `Values`, and the `ConnectionStrings` under `ConnectionStrings:name`."""
    port: int | None = None
    """`Host.LocalHttpPort`."""
    origins: tuple[str, ...] = ()
    """`Host.CORS`: whose pages may call the app from a browser."""
    credentials: bool = False
    """`Host.CORSCredentials`."""


def read_local_settings(folder: Path) -> LocalSettings:
    """Read the file in an app's folder; raises `FunctionsError` for what cannot be meant."""
    path = folder / FILE
    content = read_object(path)
    if content is None:
        return LocalSettings()
    if content.get("IsEncrypted") is True:
        raise FunctionsError(f"{path} is encrypted; decrypt it with `func settings decrypt`")
    values = {name: _text(value) for name, value in _object(path, content, "Values").items()}
    for name, value in _object(path, content, "ConnectionStrings").items():
        whole: object = value
        if isinstance(whole, dict):
            whole = cast("dict[str, object]", whole).get("ConnectionString")
        values[f"ConnectionStrings:{name}"] = _text(whole)
    host = _object(path, content, "Host")
    port = host.get("LocalHttpPort")
    if port is not None and not str(port).isdigit():
        raise FunctionsError(f"Host.LocalHttpPort of {path} is a port, not {port!r}")
    origins = str(host.get("CORS") or "").split(",")
    return LocalSettings(
        values,
        int(port) if port is not None else None,
        tuple(origin.strip() for origin in origins if origin.strip()),
        host.get("CORSCredentials") is True,
    )


def _object(path: Path, content: Mapping[str, Any], name: str) -> dict[str, Any]:
    value: object = content.get(name) or {}
    if not isinstance(value, dict):
        raise FunctionsError(f"{name} of {path} is an object in braces, not {value!r}")
    return cast("dict[str, Any]", value)


def _text(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


@contextmanager
def in_environment(
    values: Mapping[str, str], environ: MutableMapping[str, str] | None = None
) -> Generator[list[str]]:
    """Set what is not set already, and take it back at the end; gives the names left alone.

    What the surrounding environment says wins, as it does with the Functions tools.
    """
    place = os.environ if environ is None else environ
    added = {name: value for name, value in values.items() if name not in place}
    place.update(added)
    try:
        yield [name for name in values if name not in added]
    finally:
        for name in added:
            place.pop(name, None)
