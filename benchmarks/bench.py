"""One measurement: the crowd that works, the clock that runs meanwhile, and what it showed."""

import math
import resource
import sys
import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import anyio
from attrs import Factory, define, field, frozen

from perdure import App, Runtime
from perdure.persistence.opening import open_store
from perdure.persistence.store import Store


@frozen
class Sizes:
    """How much of a workload."""

    count: int
    concurrency: int
    steps: int


@frozen
class Row:
    """What one measurement showed; the fields are the keys of `--json`."""

    workload: str
    store: str
    backend: str
    n: int
    """How many things were done, of the kind that the workload counts."""
    concurrency: int
    seconds: float
    per_second: float
    p50_ms: float
    p99_ms: float
    peak_rss_mb: float
    """Of the process up to here."""
    commits: int
    cpu_seconds: float
    """User and system time of all threads."""


@define
class Bench:
    """A workload's place: its sizes, its store, and the clock."""

    sizes: Sizes
    kind: str
    """`memory`, `sqlite`, or the URL of a store."""
    folder: Path
    """Where files may be made."""
    latencies: list[float] = Factory(list[float])
    """Seconds each."""
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    commits: int = 0
    own_hub: str = ""
    """A hub in PostgreSQL that nobody asked for by name; empty when there is none."""
    _store: Store | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        if self.kind.startswith("postgresql://") and "hub=" not in self.kind:
            self.own_hub = f"bench_{uuid4().hex}"

    @property
    def store(self) -> Store:
        """The store, open from the first use on."""
        if self._store is None:
            self._store = open_store(self.url)
        return self._store

    @property
    def url(self) -> str:
        """Where the store is."""
        if self.kind == "memory":
            return "memory://"
        if self.kind == "sqlite":
            return f"sqlite:///{self.folder / 'bench.db'}"
        if self.own_hub:
            return f"{self.kind}{'&' if '?' in self.kind else '?'}hub={self.own_hub}"
        return self.kind

    @property
    def store_name(self) -> str:
        """What the figures are shown under."""
        return "postgres" if self.kind.startswith("postgresql://") else self.kind

    def runtime(self, app: App, **settings: Any) -> Runtime:
        """A runtime over the store, which outlives it."""
        return Runtime(app, store=self.store, **settings)

    def close(self) -> None:
        """Close the store."""
        if self._store is not None:
            self._store.close()
        if self.own_hub:
            drop(self.kind, self.own_hub)

    @contextmanager
    def clock(self, commits: Callable[[], int]) -> Generator[None, None, None]:
        """Measure the block; `commits` tells how many there were so far."""
        before, cpu = commits(), time.process_time()
        begin = time.perf_counter()
        yield
        self.seconds = time.perf_counter() - begin
        self.cpu_seconds = time.process_time() - cpu
        self.commits = commits() - before

    async def crowd(self, work: Callable[[int], Awaitable[object]]) -> None:
        """Do `work` for each number below the count, by as many tasks as the concurrency says."""
        numbers = iter(range(self.sizes.count))

        async def member() -> None:
            for number in numbers:
                begin = time.perf_counter()
                await work(number)
                self.latencies.append(time.perf_counter() - begin)

        async with anyio.create_task_group() as group:
            for _ in range(min(self.sizes.concurrency, self.sizes.count)):
                group.start_soon(member)

    def row(self, workload: str, backend: str, n: int) -> Row:
        """What the measurement showed."""
        return Row(
            workload,
            self.store_name,
            backend,
            n,
            self.sizes.concurrency,
            round(self.seconds, 4),
            round(n / self.seconds, 1),
            round(percentile(self.latencies, 0.5) * 1_000, 3),
            round(percentile(self.latencies, 0.99) * 1_000, 3),
            round(peak_rss_mb(), 1),
            self.commits,
            round(self.cpu_seconds, 3),
        )


def drop(url: str, hub: str) -> None:
    """Delete a hub in PostgreSQL."""
    import psycopg  # noqa: PLC0415 - only where it is measured

    with psycopg.connect(url) as link:
        link.execute(f"DROP SCHEMA IF EXISTS {hub} CASCADE".encode())


def percentile(values: list[float], part: float) -> float:
    """The value below or at which that part of all values lies; NaN of nothing."""
    if not values:
        return math.nan
    return sorted(values)[max(0, math.ceil(part * len(values)) - 1)]


def peak_rss_mb() -> float:
    """The most memory that this process has ever had, in units of 1,000,000 bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return (peak if sys.platform == "darwin" else peak * 1_024) / 1e6
