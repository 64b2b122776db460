"""From `--store` to a file that is there and is a store."""

import os
from pathlib import Path

from perdure.actors.errors import StoreVersionError
from perdure.persistence.sqlite_checkup import newest_schema_version, schema_version

from .ending import NOT_FOUND, USAGE, CommandError

DEFAULT = "perdure.db"
VARIABLE = "PERDURE_STORE"

_SCHEME = "sqlite:///"


def place_of(given: str | None) -> str:
    """The store that is meant: the one given, that of the environment, or `perdure.db` here."""
    return given or os.environ.get(VARIABLE) or DEFAULT


def file_of(place: str) -> Path:
    """The file of a store, which may be given as path or URL."""
    if place.startswith(_SCHEME) and len(place) > len(_SCHEME):
        return Path(place.removeprefix(_SCHEME))
    if "://" in place:
        raise CommandError(
            f"{place!r} is no file that processes share: give its path, or sqlite:///path", USAGE
        )
    return Path(place)


def existing(place: str) -> Path:
    """The file of a store that is there, and of the schema that this version writes.

    Nothing is created or changed: a mistyped path is an error, and so is a file that opening it
    would turn into something else.
    """
    path = file_of(place)
    if path.is_dir():
        raise CommandError(f"{path} is a folder: give the file in it", NOT_FOUND)
    if not path.is_file():
        raise CommandError(
            f"there is no store {path}: give its path as --store or {VARIABLE}; "
            "`perdure run` makes a new one",
            NOT_FOUND,
        )
    if path.stat().st_size == 0:
        raise CommandError(f"{path} is empty, no runtime has used it yet: give another", NOT_FOUND)
    version, newest = schema_version(path), newest_schema_version()
    if version < newest:
        raise StoreVersionError(
            f"{path} has schema version {version}, this Perdure writes {newest}: "
            "start the runtime with this Perdure once, which moves it forward"
        )
    return path
