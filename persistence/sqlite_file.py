"""A database file and its connections: opened, checked, moved to the newest schema, lent out."""

import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

from ..actors.damage import decoded
from ..actors.errors import StoreCorruptError, StoreError
from . import schema
from .file_sync import sync
from .sqlite_log import is_cut_off
from .store import Durability

_SYNCHRONOUS = {"full": "FULL", "relaxed": "NORMAL"}

_SQLITE_MIN = (3, 38)
"""The first with `->>`; STRICT and RETURNING are older."""

APPLICATION_ID = 0x50726472
"""'Prdr' in the file's header: tells our databases from those of other programs."""

_FULLY_CHECKED_BYTES_MAX = 16 << 20
"""Checking every page of a file of this size takes some 20 ms; larger ones are spot-checked.
A file that is cut short SQLite refuses by itself, whatever its size."""

_WAL_BYTES_KEPT_MAX = 64 << 20

_RETRY_SECONDS = 0.01

_Problem = tuple[type[StoreError], str]
_DAMAGED: _Problem = (StoreCorruptError, "it is damaged or no database: restore a backup")
_PROBLEMS: dict[int, _Problem] = {
    sqlite3.SQLITE_NOTADB: _DAMAGED,
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_FULL: (StoreError, "the disk is full: free some space"),
    sqlite3.SQLITE_READONLY: (
        StoreError,
        "it is read-only: make the file and its folder writable for this process",
    ),
    sqlite3.SQLITE_CANTOPEN: (
        StoreError,
        "it cannot be opened: create the folder, and make it writable for this process",
    ),
    sqlite3.SQLITE_BUSY: (
        StoreError,
        "another process holds it locked for too long: end the tool that has it open",
    ),
    sqlite3.SQLITE_IOERR: (
        StoreError,
        "the disk refused to read or write: check its health, free space and quota",
    ),
    sqlite3.SQLITE_CONSTRAINT: (StoreError, "what is written contradicts what is there"),
}


def refuse_cut_log(path: Path, frames_read: Callable[[], int]) -> None:
    """Keep a log in which transactions lie behind a damage, and raise `StoreCorruptError`.

    Raises another `StoreError` when it cannot be kept, and whoever is told must leave it alone.
    """
    log, kept = Path(f"{path}-wal"), _kept_as(path)
    valid = frames_read()
    while not kept.exists() and is_cut_off(log, valid):
        again = frames_read()
        if again == valid:
            _keep(log, kept)
        # Otherwise a client has written meanwhile.
        valid = again
    if kept.exists():
        raise StoreCorruptError(
            f"{log} was damaged in its midst, and durable commits behind that cannot be read: "
            f"restore a backup; to go on without them, move {kept} away"
        )


def _kept_as(path: Path) -> Path:
    """The copy of its damaged log."""
    return Path(f"{path}-wal.damaged")


def _keep(log: Path, kept: Path) -> None:
    """Copy it under another name at first, so that a file named `kept` is a whole copy.

    It is on the disk before SQLite may remove the log.
    """
    unfinished = kept.with_name(f"{kept.name}.unfinished")
    try:
        shutil.copyfile(log, unfinished)
        sync(unfinished)
        unfinished.rename(kept)
        sync(kept.parent)
    except OSError as error:
        for copy in (unfinished, kept):
            with suppress(OSError):
                copy.unlink(missing_ok=True)
        raise StoreError(
            f"{log} was damaged in its midst, and cannot be copied to {kept}: {error}; nothing "
            "was removed: free some space, make the folder writable, then try again"
        ) from error


class SQLiteFile:
    """One writing connection under a lock, and as many reading ones as are in use at a time.

    Writers of this object queue at the lock, because SQLite's own waiting is a sleep of up to
    0.1 s that is not fair; `lock_seconds_max` bounds the wait for other objects and processes.
    What is half filled can be opened with `unfinished` only.
    """

    def __init__(
        self,
        path: Path,
        durability: Durability,
        lock_seconds_max: float,
        *,
        unfinished: bool = False,
    ) -> None:
        if durability not in _SYNCHRONOUS:
            raise ValueError(f"durability is 'full' or 'relaxed', not {durability!r}")
        if sqlite3.sqlite_version_info < _SQLITE_MIN:
            raise StoreError(
                f"{path}: this Python has SQLite {sqlite3.sqlite_version}, but the store needs "
                f"{'.'.join(map(str, _SQLITE_MIN))}: use a newer Python"
            )
        self.path = path
        self._durability = durability
        self._lock_seconds_max = lock_seconds_max
        self._may_be_unfinished = unfinished
        self._write_lock = threading.Lock()
        self._idle_lock = threading.Lock()
        self._idle: list[sqlite3.Connection] = []
        self._closed = False
        self._log_at_stake = False
        """Whether hidden transactions in it would be lost with it."""
        self._writer = self._connect()
        try:
            self._prepare(self._writer)
            # Its own connection, as what a connection writes itself leaves its version alone.
            self._watcher = self._connect()
        except (sqlite3.Error, UnicodeDecodeError) as error:
            self._writer.close()
            raise self._explained(error) from error
        except BaseException:
            self._writer.close()
            raise
        self._watch_lock = threading.Lock()

    @contextmanager
    def writing(self) -> Generator[sqlite3.Connection, None, None]:
        """Run the block in a transaction that is durable at its end, or undone when it raises."""
        with self._write_lock:
            database = self._writer
            try:
                self._refuse_when_closed()
                self._refuse_at_stake()
                database.execute("BEGIN IMMEDIATE")
                yield database
                database.execute("COMMIT")
            except (sqlite3.Error, UnicodeDecodeError) as error:
                raise self._explained(error) from error
            finally:
                _end_transaction(database)

    @contextmanager
    def reading(self) -> Generator[sqlite3.Connection, None, None]:
        """Run the block on one unchanging state of the database."""
        try:
            database = self._borrow()
            try:
                database.execute("BEGIN")
                yield database
            finally:
                self._give_back(database)
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise self._explained(error) from error

    def refuse_cut_log(self) -> None:
        """Raise `StoreCorruptError` when a damage in the log hides transactions behind it.

        The log is kept beside it, as SQLite removes it, and refused until that copy is moved away.
        With `relaxed` durability a power failure may leave such a log, and nothing was promised.
        """
        if self._durability == "relaxed":
            return
        try:
            refuse_cut_log(self.path, self._frames_read)
        except BaseException:
            self._log_at_stake = not _kept_as(self.path).exists()
            raise
        self._log_at_stake = False

    def _frames_read(self) -> int:
        """How many frames of the log SQLite takes for valid."""
        with self._write_lock:
            self._refuse_when_closed()
            try:
                found = self._writer.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            except sqlite3.Error as error:
                raise self._explained(error) from error
        return max(0, int(found[1]))

    def version(self) -> int:
        """Return a number that changes with each write of any connection but the watching one."""
        with self._watch_lock:
            self._refuse_when_closed()
            try:
                (version,) = self._watcher.execute("PRAGMA data_version").fetchone()
            except sqlite3.Error as error:
                raise self._explained(error) from error
            return int(version)

    def glance(self) -> tuple[int, int] | None:
        """Size and time of the log, which each commit appends to or writes anew."""
        try:
            log = Path(f"{self.path}-wal").stat()
        except OSError:
            return None
        return log.st_size, log.st_mtime_ns

    def close(self) -> None:
        """Close all connections, those in use as soon as they are given back."""
        with ExitStack() as last:
            if self._log_at_stake:
                self._at_last(last)
            with self._idle_lock:
                self._closed = True
                idle, self._idle = self._idle, []
            for database in idle:
                database.close()
            with self._watch_lock:
                self._watcher.close()
            with self._write_lock:
                self._writer.close()

    def _at_last(self, last: ExitStack) -> None:
        """Have one that may only read closed last: SQLite removes no log in its name."""
        with suppress(sqlite3.Error):
            place = f"{self.path.as_uri()}?mode=ro"
            guard = last.enter_context(closing(sqlite3.connect(place, uri=True)))
            guard.execute("SELECT count(*) FROM sqlite_schema").fetchone()

    def _borrow(self) -> sqlite3.Connection:
        with self._idle_lock:
            self._refuse_when_closed()
            if self._idle:
                return self._idle.pop()
        return self._connect()

    def _give_back(self, database: sqlite3.Connection) -> None:
        _end_transaction(database)
        with self._idle_lock:
            if not self._closed:
                self._idle.append(database)
                return
        database.close()

    def _refuse_when_closed(self) -> None:
        if self._closed:
            raise StoreError(f"{self.path} was closed: open the store anew")

    def _refuse_at_stake(self) -> None:
        """The next frame would be written over those that are hidden."""
        if self._log_at_stake:
            raise StoreError(
                f"{self.path}-wal was damaged in its midst, and could not be copied: "
                "free some space, make the folder writable, then try again"
            )

    def _connect(self) -> sqlite3.Connection:
        database = None
        try:
            database = sqlite3.connect(
                self.path,
                timeout=self._lock_seconds_max,
                isolation_level=None,
                check_same_thread=False,
            )
            database.text_factory = decoded
            database.execute(f"PRAGMA synchronous = {_SYNCHRONOUS[self._durability]}")
        except (sqlite3.Error, UnicodeDecodeError) as error:
            if database is not None:
                database.close()
            raise self._explained(error) from error
        return database

    def _explained(self, error: sqlite3.Error | UnicodeDecodeError) -> StoreError:
        if isinstance(error, UnicodeDecodeError):
            # SQLite's own message quotes a damaged name from the schema.
            return StoreCorruptError(f"{self.path}: {_DAMAGED[1]} ({error})")
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        kind, advice = _PROBLEMS.get(code, (StoreError, "SQLite refused"))
        return kind(f"{self.path}: {advice} ({error})")

    # Opening

    def _prepare(self, database: sqlite3.Connection) -> None:
        self._refuse_foreign(database)
        self._refuse_damage(database)
        self._enter_wal(database)
        database.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES_KEPT_MAX}")
        known = schema.migrations("sqlite")
        found, place = _number(database, "user_version"), str(self.path)
        if self._may_be_unfinished and schema.is_unfinished(known, found, place):
            return
        if schema.pending(known, found, place):
            self._migrate(database, known)

    def _refuse_foreign(self, database: sqlite3.Connection) -> None:
        # One transaction, or else what another process creates in between looks foreign.
        database.execute("BEGIN")
        try:
            ours = _number(database, "application_id") == APPLICATION_ID
            (tables,) = database.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        finally:
            _end_transaction(database)
        if tables and not ours:
            raise StoreError(f"{self.path} is the database of another program: choose another file")

    def _refuse_damage(self, database: sqlite3.Connection) -> None:
        if self.path.stat().st_size <= _FULLY_CHECKED_BYTES_MAX:
            finding = first_finding(database, "quick_check")
        else:
            (found,) = database.execute("PRAGMA quick_check(hub)").fetchone()
            finding = None if found == "ok" else found
        if finding is not None:
            raise StoreCorruptError(f"{self.path}: {_DAMAGED[1]} ({finding})")

    def _enter_wal(self, database: sqlite3.Connection) -> None:
        # SQLite does not wait here for another process that does the same, so this does.
        give_up = time.monotonic() + self._lock_seconds_max
        while True:
            try:
                (mode,) = database.execute("PRAGMA journal_mode = WAL").fetchone()
                break
            except sqlite3.OperationalError as error:
                busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
                if not busy or time.monotonic() >= give_up:
                    raise
                time.sleep(_RETRY_SECONDS)
        if mode != "wal":
            raise StoreError(f"{self.path} lies on a file system without WAL: use a local disk")

    def _migrate(self, database: sqlite3.Connection, known: dict[int, list[str]]) -> None:
        database.execute("BEGIN IMMEDIATE")
        try:
            # Anew, as another process may have been faster.
            found = _number(database, "user_version")
            for number, statements in schema.pending(known, found, str(self.path)).items():
                for statement in statements:
                    database.execute(statement)
                database.execute(f"PRAGMA user_version = {number}")
            database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            database.execute("COMMIT")
        finally:
            _end_transaction(database)


def first_finding(database: sqlite3.Connection, check: str) -> str | None:
    """What `quick_check` or `integrity_check` finds first, on one line."""
    ((finding,),) = database.execute(f"PRAGMA {check}(1)").fetchall()
    return None if finding == "ok" else on_one_line(finding)


def on_one_line(finding: str) -> str:
    """Without the headings, of which SQLite makes lines."""
    return "; ".join(line for line in finding.splitlines() if not line.startswith("***"))


def _end_transaction(database: sqlite3.Connection) -> None:
    # After a failure of the disk SQLite has mostly rolled back itself, and says so with an error.
    with suppress(sqlite3.Error):
        if database.in_transaction:
            database.execute("ROLLBACK")


def _number(database: sqlite3.Connection, pragma: str) -> int:
    (number,) = database.execute(f"PRAGMA {pragma}").fetchone()
    return int(number)
