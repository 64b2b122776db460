"""What the workers of one hub run, and what tests ask of them."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count

import anyio
from attrs import Factory, define

from perdure import App, OrchestrationContext, Runtime
from perdure.runtime.sharing.holdings import Holdings

app = App("crew")
gates: dict[str, anyio.Event] = {}
broken: set[int] = set()
"""What `holds` fails for."""


@app.entity
@define
class Account:
    balance: int = 100

    def add(self, amount: int) -> int:
        self.balance += amount
        return self.balance


@app.entity
@define
class Log:
    entries: list[int] = Factory(list[int])

    def add(self, entry: int) -> None:
        self.entries.append(entry)

    async def gated(self, entry: int) -> int:
        await gates["operation"].wait()
        self.entries.append(entry)
        return entry


@app.activity
async def echo(number: int) -> int:
    return number


@app.activity
async def gated(number: int) -> int:
    await gates["activity"].wait()
    return number


@app.activity
async def holds(number: int) -> int:
    if number in broken:
        raise ValueError("it broke")
    return number


@app.orchestration
async def fragile(ctx: OrchestrationContext, number: int) -> int:
    return await ctx.call_activity(holds, number)


@app.orchestration
async def steps(ctx: OrchestrationContext, number: int) -> int:
    total = 0
    for step in range(number):
        total += await ctx.call_activity(echo, step)
    return total


@app.orchestration
async def slow(ctx: OrchestrationContext, number: int) -> int:
    return await ctx.call_activity(gated, number)


@app.orchestration
async def family(ctx: OrchestrationContext, children: list[str]) -> int:
    calls = [ctx.call_sub_orchestrator(steps, 2, instance_id=child) for child in children]
    return sum(await ctx.task_all(calls))


@app.orchestration
async def guardian(ctx: OrchestrationContext, children: list[str]) -> None:
    calls = [ctx.call_sub_orchestrator(listen, 1, instance_id=child) for child in children]
    await ctx.task_all(calls)


@app.orchestration
async def transfer(ctx: OrchestrationContext, source: str, target: str, amount: int) -> int:
    first, second = ctx.entity(Account, source), ctx.entity(Account, target)
    async with ctx.lock_entities(first, second):
        before = await first.call(Account.add, 0)
        await first.call(Account.add, -amount)
        await ctx.call_activity(echo, amount)
        await second.call(Account.add, amount)
        after = await first.call(Account.add, 0)
    # Nobody else came in between.
    return before - after


@app.orchestration
async def listen(ctx: OrchestrationContext, words: int) -> list[int]:
    return [await ctx.wait_for_external_event("word", int) for _ in range(words)]


@app.orchestration
async def talk(ctx: OrchestrationContext, listener: str, log: str, words: int) -> None:
    for word in range(words):
        ctx.send_event(listener, "word", word)
        ctx.entity(Log, log).signal(Log.add, word)
        if word % 3 == 0:
            await ctx.call_activity(echo, word)


def holdings_of(runtime: Runtime) -> Holdings:
    holdings = runtime.partition.holdings
    assert holdings is not None
    return holdings


async def has(runtime: Runtime, partitions: int) -> None:
    """Return once a worker has so many partitions."""
    holdings = holdings_of(runtime)
    with anyio.fail_after(30):
        while not len(holdings.open) == len(holdings.epochs) == partitions:
            await holdings.moved()


@asynccontextmanager
async def crew(url: str, size: int) -> AsyncGenerator[list[Runtime], None]:
    """Run so many workers, each with its share."""
    async with AsyncExitStack() as stack:
        entering = (stack.enter_async_context(Runtime(app, store=url)) for _ in range(size))
        runtimes = [await entered for entered in entering]
        for rank, runtime in enumerate(sorted(runtimes, key=lambda r: holdings_of(r).worker)):
            await has(runtime, 32 // size + (rank < 32 % size))
        yield runtimes


def id_at(runtime: Runtime, prefix: str = "i", template: str = "{}") -> str:
    """An id that this worker runs."""
    names = (template.format(f"{prefix}{number}") for number in count())
    return next(name for name in names if holdings_of(runtime).has(name))


def key_at(runtime: Runtime, entity: str, prefix: str = "k") -> str:
    """The key of an entity that this worker runs."""
    return id_at(runtime, prefix, f"@{entity}@{{}}").rpartition("@")[2]
