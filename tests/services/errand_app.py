"""What workers run for each other, and what tests ask of them."""

import threading
from collections import defaultdict
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import anyio
import psycopg

from crew_app import has, holdings_of
from perdure import App, OrchestrationContext, RetryPolicy, Runtime
from perdure.persistence.postgres_address import connecting, read_address


class Works:
    """Where slow activities wait at a door, and who has come in at which worker."""

    def __init__(self) -> None:
        self.door = anyio.Event()
        self.came: defaultdict[str, list[int]] = defaultdict(list)
        self.cut_short: list[int] = []
        self._news = anyio.Event()

    @property
    def all_that_came(self) -> list[int]:
        return sorted(number for numbers in self.came.values() for number in numbers)

    def enter(self, worker: str, number: int) -> None:
        self.came[worker].append(number)
        self._tell()

    def cut(self, number: int) -> None:
        self.cut_short.append(number)
        self._tell()

    def _tell(self) -> None:
        news, self._news = self._news, anyio.Event()
        news.set()

    async def until_came(self, count: int) -> None:
        with anyio.fail_after(30):
            while len(self.all_that_came) < count:
                await self._news.wait()

    async def until_cut_short(self, count: int) -> None:
        with anyio.fail_after(30):
            while len(self.cut_short) < count:
                await self._news.wait()


def program(works: Works, worker: str, *, activities: bool = True) -> App:
    """The program of one worker."""
    app = App("errands")
    if activities:
        add_activities(app, works, worker)

    @app.orchestration
    async def fan(ctx: OrchestrationContext, count: int, activity: str = "slow") -> int:
        calls = [ctx.call_activity(activity, n, returns=int) for n in range(count)]
        return sum(await ctx.task_all(calls))

    @app.orchestration
    async def insists(ctx: OrchestrationContext) -> int:
        retry = RetryPolicy(max_attempts=9, first_interval=0.05)
        return await ctx.call_activity("frail", 7, returns=int, retry=retry)

    return app


def add_activities(app: App, works: Works, worker: str) -> None:
    @app.activity(shared=True)
    async def slow(number: int) -> int:
        works.enter(worker, number)
        try:
            await works.door.wait()
        except BaseException:
            works.cut(number)
            raise
        return number

    @app.activity(shared=True, retry=RetryPolicy(max_attempts=2, first_interval=0.01))
    async def frail(number: int) -> int:
        works.enter(worker, number)
        if len(works.all_that_came) < 4:
            raise ValueError("not yet")
        return number

    @app.activity(shared=True, timeout=0.3)
    async def hasty(number: int) -> int:
        return await slow(number)

    @app.activity(shared=True, max_concurrency=2)
    async def narrow(number: int) -> int:
        return await slow(number)


def threads_of(app: App, worker: str, came: list[str], door: threading.Event) -> None:
    @app.activity(shared=True)
    def blocking(number: int) -> int:
        came.append(worker)
        assert door.wait(30)
        return number


@asynccontextmanager
async def workers(url: str, *apps: App, **settings: Any) -> AsyncGenerator[list[Runtime]]:
    """Run these programs, each with its share."""
    async with AsyncExitStack() as stack:
        runtimes = [
            await stack.enter_async_context(Runtime(app, store=url, **settings)) for app in apps
        ]
        for rank, runtime in enumerate(sorted(runtimes, key=lambda r: holdings_of(r).worker)):
            await has(runtime, 32 // len(apps) + (rank < 32 % len(apps)))
        yield runtimes


def errands(url: str) -> int:
    """How many rows there are."""
    address = read_address(url)
    with psycopg.connect(**connecting(address, relaxed=False)) as link:
        found = link.execute("SELECT count(*) FROM errand").fetchone()
        assert found is not None
        return int(found[0])
