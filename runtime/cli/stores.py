"""From `--store` to a store that is there: a file, or a hub in PostgreSQL."""

import os
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from attrs import field, frozen

from perdure.actors.errors import StoreVersionError
from perdure.persistence.opening import open_store
from perdure.persistence.schema import migrations, pending
from perdure.persistence.sqlite_checkup import newest_schema_version, schema_version
from perdure.persistence.store import Store
from perdure.persistence.url_secrets import without_secrets

from .ending import NOT_FOUND, USAGE, CommandError

DEFAULT = "perdure.db"
VARIABLE = "PERDURE_STORE"

_SCHEME = "sqlite:///"
_DATABASES = ("postgresql://", "postgres://")
_KINDS = {
    "memory": "memory://",
    "sqlite": "sqlite:///path",
    "postgres": "postgresql://host/database?hub=name",
    "postgresql": "postgresql://host/database?hub=name",
}
"""What is meant by who gives a kind of store where a file would be made."""


@frozen
class Database:
    """A hub in PostgreSQL. As a text it is the URL without secrets."""

    url: str = field(repr=False)

    def __str__(self) -> str:
        return without_secrets(self.url)

    @property
    def hub(self) -> str:
        """Its name, which is that of its schema."""
        return dict(parse_qsl(urlsplit(self.url).query)).get("hub", "perdure")


Place = Path | Database


def named(given: str | None) -> str:
    """The store that is meant: the one given, that of the environment, or `perdure.db` here."""
    return given or os.environ.get(VARIABLE) or DEFAULT


def place_of(given: str) -> Place:
    """Where that is; raises `CommandError` for what processes do not share."""
    if given.startswith(_DATABASES):
        return Database(given)
    if given.startswith(_SCHEME) and len(given) > len(_SCHEME):
        return Path(given.removeprefix(_SCHEME))
    if "://" in given or _is_kind(given):
        raise CommandError(
            f"{without_secrets(given)!r} is no store that processes share: give the path of a "
            "file, sqlite:///path, or postgresql://host/database?hub=name",
            USAGE,
        )
    return Path(given)


def url_to_run(given: str) -> str:
    """The URL of the store that a runtime of this process opens or makes, also one in memory."""
    if _is_kind(given):
        raise CommandError(
            f"{given} would be a file of that name: write {_KINDS[given]}, or ./{given} for a file",
            USAGE,
        )
    return given if "://" in given else f"{_SCHEME}{given}"


def _is_kind(given: str) -> bool:
    return given in _KINDS and not Path(given).exists()


def existing(place: Place) -> Place:
    """The same, when a store is there, of the schema that this version writes.

    Nothing is created or changed: a mistyped path is an error, and so is a file that opening it
    would turn into something else. A database says so itself when it is opened.
    """
    if isinstance(place, Database):
        return place
    if place.is_dir():
        raise CommandError(f"{place} is a folder: give the file in it", NOT_FOUND)
    if not place.is_file():
        raise CommandError(
            f"there is no store {place}: give its path as --store or {VARIABLE}; "
            "`perdure run` makes a new one",
            NOT_FOUND,
        )
    if place.stat().st_size == 0:
        raise CommandError(f"{place} is empty, no runtime has used it yet: give another", NOT_FOUND)
    version = schema_version(place)
    if pending(migrations("sqlite"), version, str(place)):
        raise StoreVersionError(
            f"{place} has schema version {version}, this Perdure writes {newest_schema_version()}: "
            "start the runtime with this Perdure once, which moves it forward"
        )
    return place


def url_of(place: Place) -> str | Path:
    """What a runtime, a client or `open_store` takes."""
    return place.url if isinstance(place, Database) else place


def opened(place: Place, *, create: bool = False) -> Store:
    """The store there, which is made only with `create`."""
    return open_store(url_of(place), create=create)
