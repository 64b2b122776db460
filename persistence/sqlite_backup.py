"""A consistent copy of a database file while others go on reading and writing it."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from ..actors.errors import StoreCorruptError, StoreError
from .file_sync import sync
from .owner_lock import OwnerLock
from .sqlite_file import first_finding, refuse_cut_log
from .sqlite_log import frames_valid

Progress = Callable[[int, int], object]
"""Called with the bytes that are copied and the bytes that there are."""

_PAGES_AT_ONCE = 1_024
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def back_up(source: Path, target: Path, progress: Progress) -> int:
    """Copy the state of this moment to `target`, which must not exist; returns its bytes.

    Until the copy is complete, checked and on the disk it bears another name, so that a file
    named `target` is a whole backup. Raises `StoreError`, also when a damage in the log of a file
    that nobody owns hides commits, which the copy would lack.
    """
    if target.exists():
        raise StoreError(f"{target} exists already: name a new file for the backup")
    unfinished = target.with_name(f"{target.name}.unfinished")
    try:
        _refuse_hidden_commits(source.resolve())
        unfinished.unlink(missing_ok=True)
        _copy(source, unfinished, progress)
        _settle(unfinished, source)
        unfinished.rename(target)
        sync(target.parent)
    except (sqlite3.Error, OSError) as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED:
            raise _damaged(source, str(error)) from error
        raise StoreError(
            f"cannot copy {source} to {target}: {error}; "
            "check the folder, its permissions and the free space"
        ) from error
    finally:
        unfinished.unlink(missing_ok=True)
    return target.stat().st_size


def _refuse_hidden_commits(source: Path) -> None:
    if OwnerLock(source).holder() is not None:
        return
    try:
        refuse_cut_log(source, lambda: frames_valid(Path(f"{source}-wal")))
    except StoreCorruptError:
        # As by a start: once the copy of the log has been moved away, nothing refuses any more.
        with closing(sqlite3.connect(source)) as database:
            database.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        raise


def _copy(source: Path, target: Path, progress: Progress) -> None:
    with (
        closing(sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", uri=True)) as database,
        closing(sqlite3.connect(target)) as copy,
    ):
        (page,) = database.execute("PRAGMA page_size").fetchone()
        # Held for as long as it takes: otherwise each commit of others would begin it anew.
        database.execute("BEGIN")
        database.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        database.backup(
            copy,
            pages=_PAGES_AT_ONCE,
            progress=lambda _, left, total: progress((total - left) * page, total * page),
            sleep=0,
        )


def _settle(copy: Path, source: Path) -> None:
    """Check every page, and bring all to the disk in one file without a log beside it."""
    with closing(sqlite3.connect(copy, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = DELETE")
        finding = first_finding(database, "integrity_check")
    if finding is not None:
        with closing(sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", uri=True)) as database:
            cause = first_finding(database, "integrity_check")
        if cause is not None:
            raise _damaged(source, cause)
        raise StoreCorruptError(f"{copy} is damaged ({finding}): check the disk, then try again")
    sync(copy)


def _damaged(source: Path, finding: str) -> StoreCorruptError:
    return StoreCorruptError(
        f"{source} is damaged ({finding}), and no backup was made: keep this file, and restore the "
        "newest backup; `perdure doctor` tells more"
    )
