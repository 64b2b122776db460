"""Mistakes in what a program hands over, told with what was meant."""

import inspect
from collections.abc import Awaitable, Collection
from typing import Any

from ..actors.app import App


def checked_app(given: object) -> App:
    """The App; raises `TypeError` for anything else."""
    if isinstance(given, App):
        return given
    its_own = getattr(given, "app", None)
    hint = "; give its .app" if isinstance(its_own, App) else ""
    raise TypeError(f"app is an App, as App('shop') makes one, not {given!r:.80}{hint}")


def checked_open_store(given: object) -> None:
    """Raise `TypeError` for what is no store object, such as a URL."""
    if isinstance(given, type) or not hasattr(given, "export"):
        raise TypeError(
            f"store is an open store, as perdure.persistence.opening.open_store(url) gives it, "
            f"not {given!r:.80}"
        )


def checked_awaitable(given: object, shape: str) -> Awaitable[Any]:
    """What an async function gave; raises `TypeError` for what another one did."""
    if not inspect.isawaitable(given):
        raise TypeError(f"it has to be `{shape}`, and gave {given!r:.80} instead of a coroutine")
    return given


def checked_kind(given: object, kinds: type | tuple[type, ...], shape: str) -> None:
    """Raise `TypeError` for what is none of these."""
    if not isinstance(given, kinds):
        raise TypeError(f"{shape}, not {given!r:.80}")


def checked_function(given: object, shape: str) -> None:
    """Raise `TypeError` for what cannot be called."""
    if not callable(given):
        raise TypeError(f"{shape}, not {given!r:.80}")


def checked_count(name: str, given: object, least: int) -> None:
    """Raise `TypeError` for what is no whole number, and `ValueError` for one that is too low."""
    if not isinstance(given, int) or isinstance(given, bool):
        raise TypeError(f"{name} is a whole number, not {given!r:.80}")
    if given < least:
        raise ValueError(f"{name} must be at least {least}, not {given}")


def checked_names(name: str, given: Collection[Any]) -> None:
    """Raise `TypeError` for one name in place of a list, which would be taken letter by letter."""
    if isinstance(given, str):
        raise TypeError(f"{name} is a list of names, such as [{given!r}]")
