"""Human approval: wait three days for an answer, then ask the next one up; days cost nothing.

The test kit's virtual time lets this program tell a story of many days at once.
"""

from datetime import timedelta

import anyio
from attrs import frozen

from perdure import App, OrchestrationContext
from perdure.testing import Environment

app = App("approval")

PATIENCE = timedelta(days=3)


@frozen
class Expense:
    """What somebody wants to have paid."""

    what: str
    euros: int


@frozen
class Answer:
    """What a human says; sent as the event `answer`."""

    by: str
    approved: bool


@app.activity
async def ask(who: str, expense: Expense) -> None:
    print(f"to {who}: {expense.what} for {expense.euros} euros?")


@app.orchestration
async def approve(ctx: OrchestrationContext, expense: Expense, chain: list[str]) -> Answer:
    """Ask one after the other until somebody answers; nobody's answer is no."""
    for who in chain:
        await ctx.call_activity(ask, who, expense)
        ctx.set_custom_status(f"waiting for {who}")
        try:
            return await ctx.wait_for_external_event("answer", Answer, timeout=PATIENCE)
        except TimeoutError:
            ctx.logger.info("%s did not answer", who)
    return Answer("nobody", approved=False)


async def tell() -> None:
    async with Environment(app) as env:
        began = env.now
        expense = Expense("a coffee machine", 900)
        instance = await env.client.start_new(approve, expense, ["Bob", "Carol"])
        await env.advance(timedelta(days=4))
        status = await instance.status()
        print(f"after {(env.now - began).days} days: {status.custom_status if status else None}")
        await instance.raise_event("answer", Answer("Carol", approved=True))
        print(await instance.result())

        forgotten = await env.client.start_new(approve, expense, ["Bob", "Carol"])
        print(await forgotten.result(), f"after {(env.now - began).days} days")


def main() -> None:
    for backend in ("asyncio", "trio"):
        anyio.run(tell, backend=backend)


if __name__ == "__main__":
    main()
