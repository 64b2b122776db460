"""The schema of a database, moved forward by numbered migrations and never back."""

import re
from importlib.resources import files

from ..actors.errors import StoreVersionError

UNFINISHED = 1_000_000_000
"""Added to the version of a hub that is being filled, so that nobody takes it for a whole one:
not even a Perdure that does not know of this, as it refuses what is newer than itself."""

_HEADING = re.compile(r"^-- (\d+) --$", re.MULTILINE)
_COMMENT = re.compile(r"^--.*\n?", re.MULTILINE)


def migrations(dialect: str) -> dict[int, list[str]]:
    """Return the statements of `<dialect>.sql` by the number of their migration, in order."""
    text = files(__package__ or "").joinpath(f"{dialect}.sql").read_text(encoding="utf-8")
    _, *numbered = _HEADING.split(text)
    return {
        int(number): [stripped for part in body.split("\n\n") if (stripped := _bare(part))]
        for number, body in zip(numbered[::2], numbered[1::2], strict=True)
    }


def pending(known: dict[int, list[str]], found: int, location: str) -> dict[int, list[str]]:
    """Return the migrations that a database at version `found` lacks.

    Raises `StoreVersionError` when it is newer than all that are known.
    """
    newest = max(known)
    if found >= UNFINISHED:
        raise StoreVersionError(
            f"{location} is the half-done copy of another hub: run that `perdure move` again, "
            "which goes on with it, or delete it"
        )
    if found > newest:
        raise StoreVersionError(
            f"{location} has schema version {found}, this Perdure knows versions up to {newest}: "
            "run the newer Perdure that wrote it, or restore a backup"
        )
    return {number: statements for number, statements in known.items() if number > found}


def is_unfinished(known: dict[int, list[str]], found: int, location: str) -> bool:
    """Whether a database at version `found` is being filled.

    Raises `StoreVersionError` when another version of Perdure has begun that.
    """
    if found >= UNFINISHED and found != UNFINISHED + max(known):
        raise StoreVersionError(
            f"{location} was half filled by another Perdure: delete it, and move anew"
        )
    return found >= UNFINISHED


def _bare(statement: str) -> str:
    return _COMMENT.sub("", statement).strip()
