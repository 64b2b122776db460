"""floor: the durable steps of `hello` written by hand, which is the limit to compare with.

Each of the crowd awaits `steps` durable steps one after another per "orchestration". A step
appends one log row of about 120 bytes and updates one instance row; one thread writes all that is
queued as one SQLite transaction (WAL, FULL). No JSON, no user code, no recovery.
"""

import queue
import sqlite3
import threading
from collections.abc import Callable
from functools import partial

import anyio
import sniffio

from .bench import Bench

TABLES = """
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    DROP TABLE IF EXISTS log;
    DROP TABLE IF EXISTS instance;
    CREATE TABLE log (
        instance TEXT, sequence INTEGER, body TEXT, PRIMARY KEY (instance, sequence)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE instance (id TEXT NOT NULL UNIQUE, sequence INTEGER NOT NULL) STRICT;
"""
APPEND = "INSERT INTO log VALUES (?, ?, ?)"
UPDATE = "INSERT INTO instance VALUES (?, ?) ON CONFLICT DO UPDATE SET sequence = excluded.sequence"
BODY = "x" * 88
"""With its key of 32 hex digits, which is that of the store's rows, a log row has 120 bytes."""

Step = tuple[str, int]
Post = Callable[[Callable[[], object]], object]


class Log:
    """The thread that writes, and those who wait for it."""

    def __init__(self, path: str, post: Post) -> None:
        self.commits = 0
        self._post = post
        self._queue: queue.SimpleQueue[tuple[Step, anyio.Event] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write, args=(path,))
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

    def _write(self, path: str) -> None:
        database = sqlite3.connect(path, isolation_level=None)
        database.executescript(TABLES)
        while (first := self._queue.get()) is not None:
            taken = [first]
            while not self._queue.empty() and (more := self._queue.get()) is not None:
                taken.append(more)
            steps = [step for step, _ in taken]
            database.execute("BEGIN IMMEDIATE")
            database.executemany(APPEND, [(*step, BODY) for step in steps])
            database.executemany(UPDATE, steps)
            database.execute("COMMIT")
            self.commits += 1
            self._post(partial(_wake, taken))
        database.close()


def _wake(taken: list[tuple[Step, anyio.Event]]) -> None:
    for _, durable in taken:
        durable.set()


def _loop_door() -> Post:
    if sniffio.current_async_library() == "trio":
        import trio  # noqa: PLC0415 - only where it is what runs

        return trio.lowlevel.current_trio_token().run_sync_soon
    import asyncio  # noqa: PLC0415

    return asyncio.get_running_loop().call_soon_threadsafe


async def run(bench: Bench) -> int:
    """Give the number of "orchestrations"."""
    log = Log(_path(bench), _loop_door())

    async def one(number: int) -> None:
        instance = f"{number:032x}"
        for sequence in range(bench.sizes.steps):
            await log.step(instance, sequence)

    try:
        with bench.clock(lambda: log.commits):
            await bench.crowd(one)
    finally:
        log.close()
    return bench.sizes.count


def _path(bench: Bench) -> str:
    if bench.kind == "memory":
        return ":memory:"
    return f"{bench.url.removeprefix('sqlite:///')}.floor"
