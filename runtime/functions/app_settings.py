"""App settings: environment variables, and the texts that name them as `%SETTING%`."""

import re
from collections.abc import Mapping

from .errors import FunctionsError

_NAMED = re.compile(r"%([^%\s]+)%")


def setting(environ: Mapping[str, str], name: str) -> str | None:
    """The setting of that name, in any case and with `:` or `__` between its parts."""
    for spelled in (name, name.replace(":", "__"), name.replace("__", ":")):
        if spelled in environ:
            return environ[spelled]
    wanted = name.replace("__", ":").casefold()
    found = (v for k, v in environ.items() if k.replace("__", ":").casefold() == wanted)
    return next(found, None)


def resolved(text: str, environ: Mapping[str, str], what: str) -> str:
    """The text with each `%SETTING%` replaced; raises `FunctionsError` for one not set."""

    def value(match: re.Match[str]) -> str:
        found = setting(environ, match[1])
        if found is None:
            raise FunctionsError(
                f"{what} is {text!r}, but there is no app setting {match[1]!r}; "
                "add it to Values in local.settings.json, or to the environment"
            )
        return found

    return _NAMED.sub(value, text)
