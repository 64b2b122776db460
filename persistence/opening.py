"""From a URL to a store."""

import os
from pathlib import Path
from typing import cast

from ..actors.errors import StoreError, StoreNotFoundError
from .memory import MemoryStore
from .store import Durability, Fillable, Store

_SUPPORTED = (
    "memory://, sqlite:///relative/path.db, sqlite:////absolute/path.db "
    "and postgresql://user:password@host/database?hub=name"
)


def checked_place(store: object) -> None:
    """Raise `TypeError` for what is no URL, no path and no store."""
    if not isinstance(store, (str, os.PathLike)) and not hasattr(store, "commit"):
        raise TypeError(
            f"store is a URL, a path object or a store, not {store!r}; URLs are {_SUPPORTED}"
        )


def open_store(
    url: str | os.PathLike[str], *, durability: Durability = "full", create: bool = True
) -> Store:
    """Open the store that `url` names; a path object names an SQLite file.

    `durability="relaxed"` lets a power failure, but no crash of the process, undo the last commits.
    Without `create` the file or the hub has to be there already.
    """
    return _open(url, durability, create=create)


def open_unfinished(url: str | os.PathLike[str]) -> Fillable:
    """Open what `moving.move` fills, though it be half filled; it is made when it is not there."""
    store = _open(url, "full", create=True, unfinished=True)
    if isinstance(store, MemoryStore):
        raise StoreError("memory:// ends with this process: move into a file or a database")
    return cast("Fillable", store)


def _open(
    url: str | os.PathLike[str], durability: Durability, *, create: bool, unfinished: bool = False
) -> Store:
    checked_place(url)
    if not isinstance(url, str):
        return _open_file(url, durability, create=create, unfinished=unfinished)
    scheme, separator, rest = url.partition("://")
    if not separator:
        raise StoreError(f"{url!r} is not the URL of a store; supported are {_SUPPORTED}")
    if scheme == "memory":
        if rest:
            raise StoreError(f"{url!r} names a place, but memory:// has none: leave it out")
        return MemoryStore()
    if scheme in {"postgresql", "postgres"}:
        return _open_postgres(url, durability, create=create, unfinished=unfinished)
    if scheme != "sqlite":
        raise StoreError(f"there is no store {scheme}://; supported are {_SUPPORTED}")
    path = rest.removeprefix("/")
    if path == rest or not path or path == ":memory:" or "?" in path:
        raise StoreError(f"{url!r} does not name a file; supported are {_SUPPORTED}")
    return _open_file(path, durability, create=create, unfinished=unfinished)


def _open_file(
    path: str | os.PathLike[str], durability: Durability, *, create: bool, unfinished: bool
) -> Store:
    if not create and not Path(path).exists():
        raise StoreNotFoundError(
            f"there is no file {Path(path).absolute()}: mend the path, or start the runtime that "
            "makes it first; a client makes an empty store only with create=True"
        )
    from .sqlite import SQLiteStore  # noqa: PLC0415 - only who uses it loads it

    return SQLiteStore(path, durability=durability, unfinished=unfinished)


def _open_postgres(url: str, durability: Durability, *, create: bool, unfinished: bool) -> Store:
    try:
        from .postgres import PostgresStore  # noqa: PLC0415 - only who uses it needs psycopg
    except ImportError as error:
        raise without_psycopg(error) from error
    return PostgresStore.at(url, durability=durability, create=create, unfinished=unfinished)


def without_psycopg(error: ImportError) -> StoreError:
    """What to say when PostgreSQL is asked for, and its client cannot be imported."""
    return StoreError(
        f"postgresql:// needs psycopg, which cannot be imported ({error}): pip install "
        "'perdure[postgres]', or 'psycopg[binary]' where the system has no libpq"
    )
