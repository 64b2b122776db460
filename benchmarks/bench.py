"""A workload's place: how much of it, over which store, and the meter."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from uuid import uuid4

from attrs import define, field, frozen

from perdure import App, Runtime
from perdure.cli.bench.figures import Figures
from perdure.cli.bench.meter import Meter, commits_of, writing_to
from perdure.persistence.opening import open_store
from perdure.persistence.store import Store

POSTGRES = "postgresql://"


@frozen
class Sizes:
    """How much of a workload."""

    count: int
    concurrency: int
    steps: int


@define
class Bench:
    """Where a workload finds what it needs."""

    sizes: Sizes
    kind: str
    """`memory`, `sqlite`, or the URL of a store."""
    folder: Path
    """Where files may be made."""
    meter: Meter = field(init=False)
    own_hub: str = ""
    """A hub in PostgreSQL that nobody asked for by name; empty when there is none."""
    _store: Store | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        if self.kind.startswith(POSTGRES) and "hub=" not in self.kind:
            self.own_hub = f"bench_{uuid4().hex}"
        self.meter = Meter(writing_to(self.url))

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
        return "postgres" if self.kind.startswith(POSTGRES) else self.kind

    def runtime(self, app: App, **settings: Any) -> Runtime:
        """A runtime over the store, which outlives it."""
        return Runtime(app, store=self.store, **settings)

    def key(self) -> str:
        """A new key for an entity."""
        return uuid4().hex

    def close(self) -> None:
        """Close the store."""
        if self._store is not None:
            self._store.close()
        if self.own_hub:
            drop(self.kind, self.own_hub)

    def clock(self, runtime: Runtime) -> AbstractContextManager[None]:
        """Measure the block."""
        return self.meter.clock(commits_of(runtime))

    async def crowd(self, work: Callable[[int], Awaitable[object]]) -> None:
        """Do `work` for each number below the count, by as many tasks as the concurrency says."""
        await self.meter.crowd(work, self.sizes.count, self.sizes.concurrency)

    def figures(self, workload: str, backend: str, n: int, events_each: float) -> Figures:
        """What the measurement showed."""
        return self.meter.figures(
            workload,
            self.store_name,
            backend,
            n=n,
            concurrency=self.sizes.concurrency,
            events=n * events_each,
        )


Amount = Callable[[Sizes], float]
BesideIt = Callable[[Sizes], Sizes]


@frozen
class Workload:
    """Something to measure."""

    run: Callable[[Bench], Awaitable[int]]
    """Gives how many things were done."""
    about: str
    sizes: Sizes
    events: Amount
    """How many events one thing has."""
    floor: BesideIt | None = None
    """The floor whose "orchestration" is one thing by hand; None when there is no such floor."""


def drop(url: str, hub: str) -> None:
    """Delete a hub in PostgreSQL."""
    import psycopg  # noqa: PLC0415 - only where it is measured

    from perdure.persistence.postgres_address import read_address  # noqa: PLC0415 - likewise

    with psycopg.connect(**read_address(url).parameters) as link:
        link.execute(f"DROP SCHEMA IF EXISTS {hub} CASCADE".encode())
