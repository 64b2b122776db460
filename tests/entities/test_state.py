"""State of entities over deployments: what loads, what parks, and what a mend does."""

from typing import Any

import anyio
import pytest
from attrs import Factory, define

from perdure import App, EntityContext, InstanceNotFoundError, OrchestrationContext
from perdure.persistence.store import Store
from perdure.testing import Environment


def first_version() -> App:
    app = App("state")

    @app.entity(name="account")
    @define
    class Account:
        balance: int = 0

        def deposit(self, amount: int) -> int:
            self.balance += amount
            return self.balance

    return app


def gained_a_field() -> App:
    app = App("state")

    @app.entity(name="account")
    @define
    class Account:
        balance: int = 0
        currency: str = "EUR"

        def deposit(self, amount: int) -> str:
            self.balance += amount
            return f"{self.balance} {self.currency}"

    return app


def cannot_read() -> App:
    app = App("state")

    @app.entity(name="account")
    @define
    class Account:
        balance: dict[str, int] = Factory(dict[str, int])

        def deposit(self, amount: int) -> int:
            return amount

    return app


async def deposit(env: Environment, amount: int) -> Any:
    return await env.client.entity("account", "a").call("deposit", amount)


async def test_state_that_gained_a_default_loads(store: Store) -> None:
    async with Environment(first_version(), store=store) as env:
        assert await deposit(env, 5) == 5
    async with Environment(gained_a_field(), store=store) as env:
        assert await deposit(env, 1) == "6 EUR"


async def test_unreadable_state_parks_the_entity(store: Store) -> None:
    async with Environment(first_version(), store=store) as env:
        await deposit(env, 5)
        entity = env.client.entity("account", "a").id
    async with Environment(cannot_read(), store=store) as env:
        await env.client.entity("account", "a").signal("deposit", 1)
        await env.settle()
        found = await env.client.get_entity(entity)
        assert found is not None
        assert found.parked is not None
        assert found.parked.reason == "unreadable"
        assert "balance" in found.parked.message
        assert (found.state, found.backlog_queue_size) == ({"balance": 5}, 1)
    async with Environment(first_version(), store=store) as env:
        assert await deposit(env, 1) == 7
        mended = await env.client.get_entity(entity)
        assert mended is not None
        assert mended.parked is None


async def test_a_call_to_a_parked_entity_says_why_it_waits(store: Store) -> None:
    async with Environment(first_version(), store=store) as env:
        await deposit(env, 5)
    async with Environment(cannot_read(), store=store) as env:
        account = env.client.entity("account", "a")
        await account.signal("deposit", 1)
        await env.settle()
        with pytest.raises(TimeoutError, match=r"@account@a\.deposit waits, .* parked .*balance"):
            await account.call("deposit", 1, timeout=0.01)
    async with Environment(first_version(), store=store) as env:
        assert await deposit(env, 0) == 7


async def test_a_call_to_a_locked_entity_names_the_holder(store: Store) -> None:
    app = first_version()

    @app.orchestration
    async def holder(ctx: OrchestrationContext) -> None:
        async with ctx.lock_entities(ctx.entity("account", "a")):
            await ctx.wait_for_external_event("leave")

    async with Environment(app, store=store) as env:
        await env.client.start_new(holder, instance_id="h")
        await env.settle()
        named = r"@account@a\.deposit waits for the lock that h holds"
        with pytest.raises(TimeoutError, match=named):
            await env.client.entity("account", "a").call("deposit", 1, timeout=0.01)


async def test_mended_entity_shows_no_reason(store: Store) -> None:
    """Also when the operation that had to wait leaves the state as it was."""
    async with Environment(first_version(), store=store) as env:
        await deposit(env, 5)
    async with Environment(cannot_read(), store=store) as env:
        await env.client.entity("account", "a").signal("deposit", 0)
        await env.settle()
    async with Environment(first_version(), store=store) as env:
        await env.settle()
        mended = await env.client.get_entity(env.client.entity("account", "a").id)
        assert mended is not None
        assert (mended.parked, mended.backlog_queue_size) == (None, 0)


async def test_entity_without_code_parks(store: Store) -> None:
    async with Environment(first_version(), store=store) as env:
        await deposit(env, 5)
    async with Environment(App("state"), store=store) as env:
        account = env.client.entity("account", "a")
        await account.signal("deposit", 1)
        await env.settle()
        found = await env.client.get_entity(account.id)
        assert found is not None
        assert found.parked is not None
        assert found.parked.reason == "missing definition"
    async with Environment(first_version(), store=store) as env:
        assert await deposit(env, 0) == 6


async def test_parked_entity_slows_no_other(store: Store) -> None:
    async with Environment(first_version(), store=store) as env:
        await deposit(env, 5)
    async with Environment(cannot_read(), store=store) as env:
        await env.client.entity("account", "a").signal("deposit", 1)
        assert await env.client.entity("account", "b").call("deposit", 3) == 3


async def test_read_shows_the_last_commit(store: Store) -> None:
    entered, leave = anyio.Event(), anyio.Event()
    app = App("reading")

    @app.entity
    async def slow(context: EntityContext) -> None:
        context.set_state(context.get_input(int))
        if context.operation_name == "wait":
            entered.set()
            await leave.wait()

    async with Environment(app, store=store) as env:
        entity = env.client.entity(slow, "s")
        await entity.call("set", 1)
        await entity.signal("wait", 2)
        await entered.wait()
        assert await entity.read() == 1
        leave.set()
        await env.settle()
        assert await entity.read() == 2


async def test_deleted_entity_leaves_no_row(store: Store) -> None:
    async with Environment(first_version(), store=store) as env:
        await deposit(env, 5)
        await env.client.entity("account", "a").call("delete")
        page = await env.client.query_entities(include_transient=True)
        assert page.entities == []


async def test_resume_lets_a_parked_entity_try_again(store: Store) -> None:
    async with Environment(first_version(), store=store) as env:
        await deposit(env, 5)
        with pytest.raises(InstanceNotFoundError):
            await env.client.resume("@account@a")
    async with Environment(cannot_read(), store=store) as env:
        entity = env.client.entity("account", "a").id
        await env.client.entity(entity).signal("deposit", 1)
        await env.settle()
        await env.client.resume(str(entity))
        await env.settle()
        found = await env.client.get_entity(entity)
        assert found is not None
        assert found.parked is not None
        assert found.backlog_queue_size == 1
