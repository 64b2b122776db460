"""The floor: durable steps written by hand, which are the limit to compare with.

Each of the crowd awaits `steps` durable steps one after another per "orchestration". A step
appends one log row of about 120 bytes and updates one instance row; one thread writes all that is
queued as one transaction: of SQLite (WAL, FULL), or of PostgreSQL in one round trip. No user code,
no recovery.
"""

import queue
import sqlite3
import threading
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from uuid import uuid4

import anyio
import orjson

from perdure.runtime.lanes import Post, loop_door

from .meter import Meter

TABLES = """
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    CREATE TABLE log (
        instance TEXT, sequence INTEGER, body TEXT, PRIMARY KEY (instance, sequence)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE instance (id TEXT NOT NULL UNIQUE, sequence INTEGER NOT NULL) STRICT;
"""
BODY = "x" * 88
"""With its key of 32 hex digits, which is that of the store's rows, a log row has 120 bytes."""

Step = tuple[str, int]
Write = Callable[[list[Step]], object]
Opening = Callable[[], AbstractContextManager[Write]]


@contextmanager
def sqlite_log(path: str) -> Generator[Write, None, None]:
    """Make a file, to write steps as one transaction; it is deleted at the end."""
    append = "INSERT INTO log VALUES (?, ?, ?)"
    update = (
        "INSERT INTO instance VALUES (?, ?) ON CONFLICT DO UPDATE SET sequence = excluded.sequence"
    )
    database = sqlite3.connect(path, isolation_level=None)
    database.executescript(TABLES)

    def write(steps: list[Step]) -> None:
        database.execute("BEGIN IMMEDIATE")
        database.executemany(append, [(*step, BODY) for step in steps])
        database.executemany(update, steps)
        database.execute("COMMIT")

    try:
        yield write
    finally:
        database.close()
        for ending in ("", "-wal", "-shm"):
            Path(path + ending).unlink(missing_ok=True)


@contextmanager
def postgres_log(url: str) -> Generator[Write, None, None]:
    """Make tables in a database, to write steps as one transaction; dropped at the end."""
    import psycopg  # noqa: PLC0415 - of another extra

    from perdure.persistence.postgres_address import read_address  # noqa: PLC0415 - likewise

    given = "json_to_recordset(%s::json) AS given (i text, s bigint, b text)"
    log, instance = (f"{_own()}_{table}" for table in ("log", "instance"))
    append = f"INSERT INTO {log} SELECT i, s, b FROM {given}"  # noqa: S608 - it is our own text
    update = (
        f"INSERT INTO {instance} SELECT i, s FROM {given}"  # noqa: S608
        " ON CONFLICT (id) DO UPDATE SET sequence = excluded.sequence"
    )
    columns = "instance text, sequence bigint, body text, PRIMARY KEY (instance, sequence)"
    with psycopg.connect(**read_address(url).parameters, autocommit=True) as link:
        link.execute(f"CREATE TABLE {log} ({columns})".encode())
        link.execute(f"CREATE TABLE {instance} (id text PRIMARY KEY, sequence bigint)".encode())

        def write(steps: list[Step]) -> None:
            document = orjson.dumps([{"i": i, "s": s, "b": BODY} for i, s in steps]).decode()
            with link.pipeline():
                link.execute("BEGIN")
                link.execute(append.encode(), (document,), prepare=True)
                link.execute(update.encode(), (document,), prepare=True)
                link.execute("COMMIT")

        try:
            yield write
        finally:
            link.execute(f"DROP TABLE {log}, {instance}".encode())


def _own() -> str:
    """A name that nobody else has."""
    return f"floor_{uuid4().hex}"


class Log:
    """The thread that writes, and those who wait for it."""

    def __init__(self, opening: Opening, post: Post) -> None:
        self.commits = 0
        self._post = post
        self._queue: queue.SimpleQueue[tuple[Step, anyio.Event] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write, args=(opening,))
        self._thread.start()

    async def step(self, instance: str, sequence: int) -> None:
        """Return when the step is durable."""
        durable = anyio.Event()
        self._queue.put(((instance, sequence), durable))
        await durable.wait()

    def close(self) -> None:
        """End the thread."""
        self._queue.put(None)
        self._thread.join()

    def _write(self, opening: Opening) -> None:
        with opening() as write:
            following = self._queue.get()
            while following is not None:
                taken = [following]
                # What ends the thread may come after steps for which nobody waits any more.
                while not self._queue.empty() and (following := self._queue.get()) is not None:
                    taken.append(following)
                write([step for step, _ in taken])
                self.commits += 1
                self._post(partial(_wake, taken))
                following = following and self._queue.get()


def _wake(taken: list[tuple[Step, anyio.Event]]) -> None:
    for _, durable in taken:
        durable.set()


def opening_of(url: str) -> Opening:
    """How to open a log beside a store, which is gone when it is closed."""
    if url.startswith("postgresql://"):
        return partial(postgres_log, url)
    if url.startswith("memory:"):
        return partial(sqlite_log, ":memory:")
    return partial(sqlite_log, f"{url.removeprefix('sqlite:///')}.{_own()}")


def floor_count(concurrency: int) -> int:
    """How many "orchestrations" show a rate without taking long."""
    return min(10_000, max(500, 100 * concurrency))


async def run_floor(
    meter: Meter, opening: Opening, *, count: int, concurrency: int, steps: int
) -> None:
    """Measure `count` "orchestrations", of which as many run at once as `concurrency` says."""
    log = Log(opening, loop_door())

    async def one(number: int) -> None:
        instance = f"{number:032x}"
        for sequence in range(steps):
            await log.step(instance, sequence)

    try:
        with meter.clock(lambda: log.commits):
            await meter.crowd(one, count, concurrency)
    finally:
        log.close()
