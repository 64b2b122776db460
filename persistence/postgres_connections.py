"""Connections to a PostgreSQL database: made when needed, lent out, and given up when they break.

A transaction is one round trip: its statements, with BEGIN and COMMIT around them, are sent
together, and the server passes over those that follow a failed one.
"""

import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import psycopg
from psycopg import errors

from ..actors.errors import StoreCorruptError, StoreError
from .sought import sought

T = TypeVar("T")

Step = tuple[str, Sequence[object]]
"""A statement and what is bound to it."""
Rows = list[tuple[Any, ...]]
Link = psycopg.Connection[tuple[Any, ...]]

SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_WRITING = "BEGIN"
_PIPELINED_MAX = 32 << 20
"""So many characters travel together: libpq moves again and again what it could not send yet."""

_ATTEMPTS = 5
"""Of a transaction that the database undid for others' sake."""

_UNDONE = (errors.SerializationFailure, errors.DeadlockDetected)
_HARMLESS = (errors.DivisionByZero, errors.UniqueViolation, *_UNDONE, errors.LockNotAvailable)
"""Refusals that say nothing against the connection."""

_ADVICE: dict[str, tuple[type[StoreError], str]] = {
    "08": (StoreError, "the connection was lost: check the network and the server"),
    "23": (StoreError, "what is written contradicts what is there"),
    "25006": (StoreError, "this server is read-only: connect to the primary"),
    "28": (StoreError, "the server refuses this user: check name, password and pg_hba.conf"),
    "3D000": (StoreError, "there is no such database: create it"),
    "40": (StoreError, "the database undid the transaction for others' sake, again and again"),
    "42501": (StoreError, "the role lacks a privilege: grant it, see docs/postgresql.md"),
    "42P01": (StoreError, "a table is missing: the hub was dropped or damaged, restore a backup"),
    "3F000": (StoreError, "the schema is missing: the hub was dropped, restore a backup"),
    "53100": (StoreError, "the server's disk is full: free some space"),
    "53300": (StoreError, "the server has no connection left: raise max_connections"),
    "55P03": (StoreError, "others hold a lock for too long: end their transactions"),
    "57014": (StoreError, "the statement was cancelled or took too long: see statement_timeout"),
    "57P": (StoreError, "the server is stopping or starting: wait for it"),
    "XX001": (StoreCorruptError, "a table is damaged: restore a backup"),
    "XX002": (StoreCorruptError, "an index is damaged: REINDEX it, or restore a backup"),
}


class _ConnectionLostError(StoreError):
    """The connection broke while it was lent."""


class Connections:
    """As many connections as are in use at a time; what is given back is used again."""

    def __init__(self, location: str, parameters: dict[str, Any]) -> None:
        self._location = location
        self._parameters = parameters
        self._lock = threading.Lock()
        self._idle: list[Link] = []
        self._closed = False
        self.round_trips = 0
        """How often the server was waited for, for who measures; no lock protects the number."""

    def ask(self, statement: str, *values: object) -> Rows:
        """Read by one statement."""
        bound = sought(values)
        return self._read(
            lambda link: link.execute(statement.encode(), bound, prepare=True).fetchall()
        )

    def read(self, steps: Sequence[Step]) -> list[Rows]:
        """Run statements on one unchanging state of the database; returns the rows of each."""
        bound = [(statement, sought(values)) for statement, values in steps]
        return self._read(lambda link: _run(link, SNAPSHOT, bound))

    def _read(self, work: Callable[[Link], T]) -> T:
        # Once more where that is harmless: a connection may have died long ago.
        with suppress(_ConnectionLostError), self.lent() as link:
            return work(link)
        with self.lent() as link:
            return work(link)

    def write(self, steps: Sequence[Step], afterwards: Sequence[Step] = ()) -> list[Rows]:
        """Run statements in a transaction, which is durable when this returns.

        What comes `afterwards` goes along, but is not part of it.

        Refusals of the database by DivisionByZero or UniqueViolation are raised as they are, for
        callers that expect them; nothing was written then.
        """
        return self.insist(lambda link: _run(link, _WRITING, steps, afterwards))

    def insist(self, transact: Callable[[Link], T]) -> T:
        """Run a transaction, again if the database undid it for others' sake."""
        for _ in range(_ATTEMPTS - 1):
            with suppress(*_UNDONE):
                return self._attempt(transact)
        try:
            return self._attempt(transact)
        except _UNDONE as error:
            raise explained(self._location, error) from error

    def _attempt(self, transact: Callable[[Link], T]) -> T:
        with self.lent(errors.DivisionByZero, errors.UniqueViolation, *_UNDONE) as link:
            return transact(link)

    @contextmanager
    def lent(self, *expected: type[psycopg.Error]) -> Generator[Link, None, None]:
        """Lend a connection, in no transaction; all but the expected errors become `StoreError`."""
        link = self._borrow()
        self.round_trips += 1
        try:
            yield link
        except expected:
            raise
        except psycopg.Error as error:
            if isinstance(error, _HARMLESS):
                raise explained(self._location, error) from error
            lost = link.closed
            self._give_up(link)
            found = explained(self._location, error)
            raise (_ConnectionLostError(str(found)) if lost else found) from error
        finally:
            self._give_back(link)

    def _borrow(self) -> Link:
        while True:
            with self._lock:
                if self._closed:
                    raise StoreError(f"{self._location} was closed: open the store anew")
                if not self._idle:
                    break
                link = self._idle.pop()
            if not link.closed:
                return link
        return self.connect()

    def connect(self) -> Link:
        """Make a connection that is nobody else's; the caller closes it."""
        try:
            return psycopg.connect(autocommit=True, **self._parameters)
        except psycopg.Error as error:
            raise StoreError(
                f"{self._location}: cannot connect; check address, user, password, "
                f"and that the server runs ({_one_line(error)})"
            ) from error

    def _give_up(self, link: Link) -> None:
        """What broke one connection has broken those that were idle meanwhile."""
        with self._lock:
            idle, self._idle = self._idle, []
        for other in (link, *idle):
            other.close()

    def _give_back(self, link: Link) -> None:
        with suppress(psycopg.Error):
            # Does nothing outside of a transaction.
            link.rollback()
        with self._lock:
            if not self._closed and not link.closed:
                self._idle.append(link)
                return
        link.close()

    def close(self) -> None:
        """Close all connections, those in use as soon as they are given back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for link in idle:
            link.close()


def _run(
    link: Link, begin: str, steps: Sequence[Step], afterwards: Sequence[Step] = ()
) -> list[Rows]:
    if sum(_length(values) for _, values in steps) > _PIPELINED_MAX:
        return _run_one_by_one(link, begin, steps, afterwards)
    failure: psycopg.Error | None = None
    cursors: list[psycopg.Cursor[tuple[Any, ...]]] = []
    with link.pipeline() as pipeline:
        try:
            link.execute(begin.encode())
            for text, values in steps:
                cursors.append(link.execute(text.encode(), values, prepare=True))
            link.execute(b"COMMIT")
            for text, values in afterwards:
                link.execute(text.encode(), values, prepare=True)
        except psycopg.Error as error:
            # The answer to an early statement of many. What comes for the others is read here, as
            # psycopg would log a warning about it at the end.
            failure = error
            with suppress(psycopg.Error):
                pipeline.sync()
    if failure is not None:
        raise failure
    return [cursor.fetchall() if cursor.description else [] for cursor in cursors]


def _length(values: Sequence[object]) -> int:
    return sum(len(value) for value in values if isinstance(value, str))


def _run_one_by_one(
    link: Link, begin: str, steps: Sequence[Step], afterwards: Sequence[Step]
) -> list[Rows]:
    """The same with a round trip for each statement."""
    link.execute(begin.encode())
    found: list[Rows] = []
    for text, values in steps:
        cursor = link.execute(text.encode(), values, prepare=True)
        found.append(cursor.fetchall() if cursor.description else [])
    link.execute(b"COMMIT")
    for text, values in afterwards:
        link.execute(text.encode(), values, prepare=True)
    return found


def explained(location: str, error: psycopg.Error) -> StoreError:
    """The same as an error of ours, with what an operator can do."""
    code = error.sqlstate or ("08000" if isinstance(error, errors.OperationalError) else "")
    kind, advice = StoreError, "the database refused"
    for length in (5, 3, 2):
        if found := _ADVICE.get(code[:length]):
            kind, advice = found
            break
    return kind(f"{location}: {advice} ({_one_line(error)})")


def _one_line(error: psycopg.Error) -> str:
    return " ".join(str(error).split())
