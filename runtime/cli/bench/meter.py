"""The meter: time, CPU, commits and bytes of a block, and the latencies of a crowd inside it."""

import math
import sys
import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import anyio
from attrs import Factory, define

from perdure.runtime.host import Runtime

from .figures import Figures, percentile

_OWN_IO = Path("/proc/self/io")


def bytes_to_files() -> float:
    """What this process has written to files so far; NaN where the system does not say."""
    try:
        lines = dict(line.split(": ") for line in _OWN_IO.read_text("ascii").splitlines())
        return int(lines["wchar"])
    except (OSError, KeyError, ValueError):
        return math.nan


def writing_to(url: str) -> Callable[[], float]:
    """How to tell how many bytes have been written so far by users of this store."""
    if url.startswith("memory:"):
        return lambda: math.nan
    if url.startswith(("postgresql:", "postgres:")):
        return partial(logged_bytes, url)
    return bytes_to_files


def logged_bytes(url: str) -> float:
    """How many bytes a PostgreSQL server has written to its log so far, for whomever."""
    import psycopg  # noqa: PLC0415 - of another extra

    from perdure.persistence.postgres_address import read_address  # noqa: PLC0415 - likewise

    with psycopg.connect(**read_address(url).parameters) as link:
        row = link.execute("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn").fetchone()
    assert row is not None  # noqa: S101 - there is one row in any case
    return float(row[0])


@define
class Meter:
    """Measures one block."""

    written: Callable[[], float] = bytes_to_files
    """How many bytes have been written so far."""
    latencies: list[float] = Factory(list[float])
    """Seconds each."""
    begun: float = 0.0
    """When the block began, by `time.perf_counter`, which is the same for all processes."""
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    commits: int = 0
    bytes_written: float = math.nan
    extra: dict[str, float] = Factory(dict[str, float])

    @contextmanager
    def clock(self, commits: Callable[[], int]) -> Generator[None, None, None]:
        """Measure the block; `commits` tells how many there were so far."""
        before, written, cpu = commits(), self.written(), time.process_time()
        self.begun = time.perf_counter()
        yield
        self.seconds = time.perf_counter() - self.begun
        self.cpu_seconds = time.process_time() - cpu
        self.commits = commits() - before
        self.bytes_written = self.written() - written

    async def crowd(
        self, work: Callable[[int], Awaitable[object]], count: int, concurrency: int
    ) -> None:
        """Do `work` for each number below `count`, by as many tasks as `concurrency` says."""
        numbers = iter(range(count))

        async def member() -> None:
            for number in numbers:
                begin = time.perf_counter()
                await work(number)
                self.latencies.append(time.perf_counter() - begin)

        async with anyio.create_task_group() as group:
            for _ in range(min(concurrency, count)):
                group.start_soon(member)

    def figures(
        self, workload: str, store: str, backend: str, *, n: int, concurrency: int, events: float
    ) -> Figures:
        """What the measurement showed."""
        events = max(1, round(events))
        return Figures(
            workload,
            store,
            backend,
            n,
            concurrency,
            round(self.seconds, 4),
            round(n / self.seconds, 1),
            round(percentile(self.latencies, 0.5) * 1_000, 3),
            round(percentile(self.latencies, 0.99) * 1_000, 3),
            round(peak_rss_mb(), 1),
            self.commits,
            round(self.cpu_seconds, 3),
            events,
            round(self.cpu_seconds * 1e6 / events, 2),
            self.bytes_written,
            round(self.bytes_written / events, 1),
            dict(self.extra),
        )


def commits_of(runtime: Runtime) -> Callable[[], int]:
    """Tells how many commits a runtime has made; to be asked while it runs or afterwards."""
    return lambda: runtime.partition.pipeline.commits


def peak_rss_mb() -> float:
    """The most memory that this process has ever had, in units of 1,000,000 bytes.

    NaN where the system does not say.
    """
    try:
        import resource  # noqa: PLC0415 - Windows has none
    except ModuleNotFoundError:
        return math.nan
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return (peak if sys.platform == "darwin" else peak * 1_024) / 1e6


def rss_bytes() -> float:
    """The memory that this process has now; NaN where the system does not say."""
    try:
        import resource  # noqa: PLC0415 - Windows has none

        pages = Path("/proc/self/statm").read_text("ascii").split()[1]
        return int(pages) * resource.getpagesize()
    except (OSError, ModuleNotFoundError):
        return math.nan
