"""What workers run for each other, and what tests ask of them."""

from collections import defaultdict
from contextvars import ContextVar
from typing import Any

import anyio
import psycopg

from perdure import App, OrchestrationContext, RetryPolicy, Runtime
from perdure.persistence.postgres_address import connecting, read_address


class Works:
    """The doors that slow activities wait at, and who is inside, by worker."""

    def __init__(self) -> None:
        self.door = anyio.Event()
        self.inside: defaultdict[str, list[int]] = defaultdict(list)
        self.cut_short: list[int] = []
        self._news = anyio.Event()

    def tell(self) -> None:
        news, self._news = self._news, anyio.Event()
        news.set()

    async def until(self, inside: int) -> None:
        """Return once so many are inside."""
        with anyio.fail_after(30):
            while sum(map(len, self.inside.values())) < inside:
                await self._news.wait()

    async def until_cut_short(self, count: int) -> None:
        """Return once so many were cancelled."""
        with anyio.fail_after(30):
            while len(self.cut_short) < count:
                await self._news.wait()


def program(works: Works, worker: str = "") -> App:
    """The program of one worker, which knows its own name."""
    app = App("errands")

    @app.activity(name="slow", shared=True)
    async def slow(number: int) -> int:
        works.inside[worker].append(number)
        works.tell()
        try:
            await works.door.wait()
        except BaseException:
            works.cut_short.append(number)
            works.tell()
            raise
        return number

    @app.activity(name="frail", shared=True, retry=RetryPolicy(max_attempts=3))
    async def frail(number: int) -> int:
        works.inside[worker].append(number)
        works.tell()
        if len(works.inside[worker]) < 2:
            raise ValueError("not yet")
        return number

    @app.orchestration(name="fan")
    async def fan(ctx: OrchestrationContext, count: int) -> int:
        calls = [ctx.call_activity(slow, number) for number in range(count)]
        return sum(await ctx.task_all(calls))

    return app
