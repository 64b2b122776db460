"""The program that the commands run and watch."""

import itertools
from datetime import timedelta

from attrs import define

from perdure import App, OrchestrationContext, RetryPolicy, Runtime

app = App("shop")


@app.entity
@define
class Counter:
    value: int = 0

    def add(self, amount: int) -> int:
        self.value += amount
        return self.value


@app.activity
async def greet(name: str) -> str:
    return f"Hello, {name}!"


@app.activity(retry=RetryPolicy(max_attempts=2, first_interval=timedelta(milliseconds=1)))
async def break_down() -> None:
    raise ValueError("no luck")


@app.activity(retry=RetryPolicy(max_attempts=2, first_interval=timedelta(days=1)))
async def break_slowly() -> None:
    raise ValueError("not today")


@app.orchestration
async def hello(ctx: OrchestrationContext, names: list[str]) -> list[str]:
    return [await ctx.call_activity(greet, name) for name in names]


@app.orchestration
async def waits(ctx: OrchestrationContext, text: str = "") -> str:
    return f"{text} {await ctx.wait_for_external_event('go', str)}"


@app.orchestration
async def fails(ctx: OrchestrationContext) -> None:
    await ctx.call_activity(break_down)


@app.orchestration
async def retries(ctx: OrchestrationContext) -> None:
    await ctx.call_activity(break_slowly)


@app.orchestration
async def sleeps(ctx: OrchestrationContext) -> None:
    await ctx.create_timer(timedelta(days=400))


@app.orchestration
async def nothing(ctx: OrchestrationContext) -> None:
    pass


@app.orchestration
async def parent(ctx: OrchestrationContext, child: str) -> str:
    return await ctx.call_sub_orchestrator(waits, "child", instance_id=child)


@app.orchestration
async def passes_on(ctx: OrchestrationContext, name: str) -> list[str]:
    return await ctx.call_sub_orchestrator(hello, [name])


@app.orchestration
async def holds(ctx: OrchestrationContext, key: str) -> str:
    async with ctx.lock_entities(ctx.entity(Counter, key)):
        return await ctx.wait_for_external_event("go", str)


@app.orchestration
async def adds(ctx: OrchestrationContext, key: str) -> int:
    return await ctx.entity(Counter, key).call(Counter.add, 1)


def make_app() -> App:
    """What `shop:make_app` names."""
    return app


runtime = Runtime(app, "memory://")
closed = App("shop")
"""Code that does not fit what the other one has begun."""


@closed.orchestration(name="hello")
async def hello_again(ctx: OrchestrationContext, name: str) -> str:
    return name


endless = App("shop")
"""Code that never comes to an end of what the other one has begun."""


@endless.orchestration(name="waits")
async def never_waits(ctx: OrchestrationContext, text: str) -> str:
    while text:
        ctx.set_custom_status(text)
    return text


stubborn = App("shop")
"""Code that does not even let Python go on."""


@stubborn.orchestration(name="waits")
async def counts(ctx: OrchestrationContext, text: str) -> int:
    return sum(itertools.count())


broken = 5
