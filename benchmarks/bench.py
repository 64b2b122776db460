"""A workload's place: how much of it, over which store, and the meter."""

import math
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

from attrs import Factory, define, field, frozen

from perdure import App, Runtime, StoreError
from perdure.cli.bench.figures import Figures
from perdure.cli.bench.meter import Meter, commits_of, writing_to
from perdure.persistence.opening import open_store
from perdure.persistence.store import Store

from .workers import Gathering, Part

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
    gathering: Gathering = Factory(Gathering)
    """Those who measure the same at the same time."""
    meter: Meter = field(init=False)
    own_hub: str = ""
    """A hub in PostgreSQL that nobody asked for by name; empty when there is none."""
    _store: Store | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        if needs_hub(self.kind):
            self.own_hub = new_hub()
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
            return at_hub(self.kind, self.own_hub)
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

    @asynccontextmanager
    async def clock(self, runtime: Runtime) -> AsyncGenerator[None, None]:
        """Measure the block, while all others do the same."""
        await self.gathering.settle(runtime.client)
        trips = self._round_trips
        with self.meter.clock(commits_of(runtime)):
            yield
        self.meter.extra["round_trips"] = self._round_trips - trips
        # Who leaves hands its partitions over, which the others are not to be measured by.
        await self.gathering.meet()

    @property
    def _round_trips(self) -> float:
        """How often the server was waited for; NaN where there is none."""
        return getattr(self.store, "round_trips", math.nan)

    async def crowd(self, work: Callable[[int], Awaitable[object]]) -> None:
        """Do `work` for each number below the count, by as many tasks as the concurrency says."""
        await self.meter.crowd(work, self.sizes.count, self.sizes.concurrency)

    def figures(self, workload: str, backend: str, n: int, events_each: float) -> Figures:
        """What the measurement showed."""
        trips = self.meter.extra.pop("round_trips", math.nan)
        if not math.isnan(trips):
            self.meter.extra["round_trips_each"] = round(trips / n, 3)
        return self.meter.figures(
            workload,
            self.store_name,
            backend,
            n=n,
            concurrency=self.sizes.concurrency,
            events=n * events_each,
        )

    def part(self, figures: Figures) -> Part:
        """The same, to be put together with what others have done meanwhile."""
        return Part(figures, self.meter.begun, self.meter.latencies)


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
    shared: bool = True
    """Whether several processes do it on one hub; not what looks into its own runtime's insides."""


def check_place(store: str) -> None:
    """Raise `StoreError` for a store that cannot be opened, before anybody waits for figures."""
    if store.startswith(POSTGRES):
        import psycopg  # noqa: PLC0415 - only where it is measured

        from perdure.persistence.postgres_address import read_address  # noqa: PLC0415 - likewise

        try:
            psycopg.connect(**read_address(store).parameters).close()
        except psycopg.Error as error:
            raise StoreError(f"{store}: cannot connect: {' '.join(str(error).split())}") from error
    elif store not in {"memory", "sqlite"}:
        open_store(store).close()


def needs_hub(url: str) -> bool:
    """Whether a hub has to be made, as this names a server and none of its hubs."""
    return url.startswith(POSTGRES) and "hub=" not in url


def new_hub() -> str:
    """A name that no hub has."""
    return f"bench_{uuid4().hex}"


def at_hub(url: str, hub: str) -> str:
    """The URL of a hub on this server."""
    bare = without_hub(url)
    return f"{bare}{'&' if '?' in bare else '?'}hub={hub}"


def without_hub(url: str) -> str:
    """The URL of the server, or of whatever else it is."""
    parts = urlsplit(url)
    if not url.startswith(POSTGRES) or not parts.query:
        return url
    kept = [part for part in parts.query.split("&") if not part.startswith("hub=")]
    return urlunsplit(parts._replace(query="&".join(kept)))


def drop(url: str, hub: str) -> None:
    """Delete a hub in PostgreSQL."""
    import psycopg  # noqa: PLC0415 - only where it is measured

    from perdure.persistence.postgres_address import read_address  # noqa: PLC0415 - likewise

    with psycopg.connect(**read_address(url).parameters) as link:
        link.execute(f"DROP SCHEMA IF EXISTS {hub} CASCADE".encode())
