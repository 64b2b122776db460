"""What the shell offers when Tab is pressed: statuses, and what a store holds."""

from collections.abc import Callable
from typing import TypeVar

import typer

from perdure.actors.status import Status
from perdure.persistence.records import Query
from perdure.persistence.store import Store

from .stores import existing, named, opened, place_of

T = TypeVar("T")

_OFFERED_MAX = 50
_LOOKED_AT_MAX = 500


def complete_status(incomplete: str) -> list[str]:
    """Statuses."""
    wanted = incomplete.lower()
    return [status.label for status in Status if status.label.lower().startswith(wanted)]


def complete_instance(ctx: typer.Context, incomplete: str) -> list[str]:
    """Ids of orchestrations."""
    rows = _look(ctx, lambda store: store.query(Query(id_prefix=incomplete), _OFFERED_MAX).rows)
    return [row.id for row in rows]


def complete_entity(ctx: typer.Context, incomplete: str) -> list[str]:
    """Ids of entities."""
    prefix = incomplete or "@"
    return [row.id for row in _look(ctx, lambda s: s.entities(prefix, _OFFERED_MAX).rows)]


def complete_name(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of orchestrations that have been started before."""
    rows = _look(ctx, lambda store: store.query(Query(), _LOOKED_AT_MAX).rows)
    return sorted({row.name for row in rows if row.name.startswith(incomplete)})


def _look(ctx: typer.Context, look: Callable[[Store], list[T]]) -> list[T]:
    """Look into the store that the command line names so far; whatever is wrong offers nothing."""
    try:
        store = opened(existing(place_of(named(ctx.params.get("store")))))
        try:
            return look(store)
        finally:
            store.close()
    except Exception:  # noqa: BLE001 - a message would land in the user's command line
        return []
