"""Mistakes in what a program hands over, told with what was meant."""

import inspect
from collections.abc import Awaitable
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
