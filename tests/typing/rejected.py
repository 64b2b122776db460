"""Calls that both type checkers have to refuse.

Each wrong line bears an ignore comment, and both checkers report a comment that is not needed: a
wrong call that became acceptable fails the check of this file. Nobody runs it.
"""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from perdure import Client, OrchestrationContext

from .inferred import Account, Order, buy, price, weigh


async def wrong(ctx: OrchestrationContext, client: Client) -> None:
    await ctx.call_activity(price, 5)  # type: ignore[arg-type]
    await ctx.call_activity(weigh)  # type: ignore[call-arg, arg-type]
    await ctx.call_activity(weigh, Order("tea", 1), 2)  # type: ignore[call-arg, arg-type]
    await ctx.call_sub_orchestrator(buy, "tea")  # type: ignore[arg-type]
    await ctx.entity(Account, "a").call(Account.deposit, "much")  # type: ignore[arg-type]
    ctx.entity(Account, "a").signal(Account.deposit)  # type: ignore[call-arg, arg-type]
    await client.start_new(buy, "tea")  # type: ignore[arg-type]
    await client.start_new(buy)  # type: ignore[call-arg, arg-type]
    await client.entity(Account, "a").call(Account.deposit, "much")  # type: ignore[arg-type]
    text: str = await ctx.call_activity(weigh, Order("tea", 1))  # type: ignore[arg-type]
    assert text
