"""The types that a user's editor shall see; mypy and pyright check this file, nobody runs it."""

from collections.abc import Generator
from typing import Any, assert_type

from attrs import define, frozen

from perdure import (
    ActivityContext,
    App,
    Client,
    EntityContext,
    Instance,
    OrchestrationContext,
    RetryPolicy,
    Task,
)

app = App("typed")


@frozen
class Order:
    item: str
    amount: int


@app.activity
async def price(item: str, amount: int = 1) -> float:
    return 1.0


@app.activity(retry=RetryPolicy(max_attempts=3), timeout=5)
def weigh(order: Order) -> int:
    return order.amount


@app.activity
async def trace(context: ActivityContext, text: str) -> bool:
    return context.attempt > 1


@app.entity
@define
class Account:
    balance: int = 0

    def deposit(self, amount: int) -> int:
        self.balance += amount
        return self.balance

    async def audit(self, context: EntityContext, since: str) -> list[str]:
        return [since]


@app.entity
def counter(context: EntityContext) -> None:
    context.set_result(1)


@app.orchestration
async def buy(ctx: OrchestrationContext, order: Order) -> str:
    assert_type(ctx.call_activity(price, "tea", 2), Task[float])
    assert_type(await ctx.call_activity(price, "tea", 2, retry=RetryPolicy(max_attempts=2)), float)
    assert_type(await ctx.call_activity(weigh, order, timeout=3), int)
    assert_type(await ctx.call_activity(trace, "x"), bool)
    assert_type(await ctx.call_activity("price", "tea", returns=float), float)
    assert_type(ctx.call_activity("price", "tea"), Task[Any])
    account = ctx.entity(Account, "a")
    assert_type(await account.call(Account.deposit, 5), int)
    assert_type(await account.call(Account.audit, "monday"), list[str])
    assert_type(await account.call("deposit", 5, returns=int), int)
    account.signal(Account.deposit, 5)
    assert_type(await ctx.call_sub_orchestrator(buy, order, instance_id="b"), str)
    assert_type(await ctx.call_sub_orchestrator(hello), list[str])
    assert_type(await ctx.wait_for_external_event("go", int), int)
    assert_type(await ctx.task_all([ctx.call_activity(weigh, order)]), list[int])
    assert_type(await ctx.task_any([ctx.call_activity(weigh, order)]), Task[int])
    return order.item


@app.orchestration
def hello(context: OrchestrationContext) -> Generator[Task[Any], Any, list[str]]:
    said = yield context.call_activity("say_hello", "Tokyo")
    return [said]


async def clients(client: Client) -> None:
    assert_type(await client.start_new(buy, Order("tea", 1)), Instance[str])
    assert_type(await (await client.start_new(buy, Order("tea", 1), tags={})).result(), str)
    assert_type(await client.start_new(hello), Instance[list[str]])
    assert_type(await client.start_new("buy", 1, returns=str), Instance[str])
    account = client.entity(Account, "a")
    assert_type(await account.call(Account.deposit, 5), int)
    assert_type(await account.read(), Account | None)
