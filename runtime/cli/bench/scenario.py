"""A user's own orchestration under load, and the same number of durable steps by hand."""

from collections.abc import Callable
from contextlib import closing
from itertools import chain
from typing import Any
from uuid import uuid4

import anyio
from attrs import Factory, define, evolve, field, fields, frozen

from perdure.actors.app import App
from perdure.actors.errors import OrchestrationFailedError
from perdure.actors.wire import read_events
from perdure.persistence.opening import open_store
from perdure.persistence.store import Store
from perdure.runtime.client.client import Client
from perdure.runtime.client.views import InstanceStatus
from perdure.runtime.host import Runtime
from perdure.runtime.settings import Settings

from .figures import Beside, Figures, beside
from .floor import floor_count, opening_of, run_floor
from .meter import Meter, commits_of, writing_to

_LOOKED_AT_MAX = 20
"""So many instances say how many events and turns one has."""

Advance = Callable[[], object]


@frozen(kw_only=True)
class Load:
    """What is to be done, and how often."""

    app: App
    settings: Settings
    name: str
    arguments: tuple[Any, ...]
    count: int
    concurrency: int
    timeout: float
    """Seconds for all of it."""

    @property
    def in_flight(self) -> int:
        """How many of them there are at a time, as there may be fewer than are allowed."""
        return min(self.concurrency, self.count)


@define
class Outcome:
    """What became of it."""

    load: Load
    prefix: str = field(factory=lambda: f"bench-{uuid4().hex[:8]}-")
    """With this the ids of all instances begin."""
    failures: list[OrchestrationFailedError] = Factory(list[OrchestrationFailedError])
    ended: int = 0
    stuck: InstanceStatus | None = None
    """One that had not ended when the time was over, with what it waits for, if any had begun."""
    events: float = 0.0
    """How many events the history of one has, its children's included."""
    turns: float = 0.0

    @property
    def all_ended(self) -> bool:
        """Whether the time was enough."""
        return self.ended == self.load.count


async def put_under_load(
    load: Load, url: str, advance: Advance, backend: str
) -> tuple[Outcome, Beside | None]:
    """Run all of it, then the floor; there are no figures when not all have ended in time."""
    outcome, meter = Outcome(load), Meter(writing_to(url))
    with closing(open_store(url, durability=load.settings.durability)) as store:
        await _run(outcome, store, meter, advance)
        if outcome.all_ended:
            _count(outcome, store)
    if not outcome.all_ended:
        return outcome, None
    place = url.partition(":")[0]
    row = meter.figures(
        load.name,
        place,
        backend,
        n=load.count,
        concurrency=load.in_flight,
        events=load.count * outcome.events,
    )
    floor = await _floor(load, url, backend, max(1, round(outcome.turns)))
    return outcome, beside([evolve(row, extra={"turns": outcome.turns})], [floor])


async def _floor(load: Load, url: str, backend: str, steps: int) -> Figures:
    meter, count = Meter(writing_to(url)), floor_count(load.in_flight)
    await run_floor(meter, opening_of(url), count=count, concurrency=load.in_flight, steps=steps)
    return meter.figures(
        "floor",
        url.partition(":")[0],
        backend,
        n=count,
        concurrency=load.in_flight,
        events=count * steps,
    )


async def _run(outcome: Outcome, store: Store, meter: Meter, advance: Advance) -> None:
    load = outcome.load
    settings = {each.name: getattr(load.settings, each.name) for each in fields(Settings)}
    async with Runtime(load.app, store, **settings) as runtime:
        client = runtime.client

        async def one(number: int) -> None:
            instance = await client.start_new(
                load.name, *load.arguments, instance_id=f"{outcome.prefix}{number}"
            )
            try:
                await instance.result()
            except OrchestrationFailedError as error:
                outcome.failures.append(error)
            outcome.ended += 1
            advance()

        with anyio.move_on_after(load.timeout), meter.clock(commits_of(runtime)):
            await meter.crowd(one, load.count, load.concurrency)
        if not outcome.all_ended:
            outcome.stuck = await _unfinished(client, outcome.prefix)


async def _unfinished(client: Client, prefix: str) -> InstanceStatus | None:
    async for status in client.query_all(instance_id_prefix=prefix, show_payloads=False):
        if status.is_running:
            return await client.get_status(status.instance_id, show_waiting=True)
    return None


def _count(outcome: Outcome, store: Store) -> None:
    looked_at = [f"{outcome.prefix}{n}" for n in range(min(_LOOKED_AT_MAX, outcome.load.count))]
    turns = list(chain.from_iterable(store.history(known) for known in store.family(looked_at)))
    events = sum(len(read_events(turn.events)) for turn in turns)
    outcome.turns = round(len(turns) / len(looked_at), 1)
    outcome.events = events / len(looked_at)
