"""A database that goes away and comes back: the runtime goes on by itself, and nothing is lost."""

from collections.abc import Callable
from contextlib import closing

import anyio
import psycopg
import pytest
from attrs import define

from perdure import (
    App,
    InstanceAlreadyExistsError,
    OrchestrationContext,
    Reuse,
    Runtime,
    StoreError,
)
from perdure.persistence.opening import open_store
from perdure.persistence.records import Commit
from private_postgres import PrivatePostgres

app = App("outages")
TRANSFERS, ROUNDS = 30, 3


@app.entity
@define
class Account:
    balance: int = 100

    def add(self, amount: int) -> int:
        self.balance += amount
        return self.balance


@app.activity
async def echo(number: int) -> int:
    return number


@app.orchestration
async def transfer(ctx: OrchestrationContext, amount: int) -> int:
    source, target = ctx.entity(Account, "a"), ctx.entity(Account, "b")
    async with ctx.lock_entities(source, target):
        await source.call(Account.add, -amount)
        await ctx.call_activity(echo, amount)
        return await target.call(Account.add, amount)


async def insist(runtime: Runtime, number: int) -> None:
    """Start it, as a client does that is told that its answer was lost."""
    while True:
        try:
            await runtime.client.start_new(
                transfer, number, instance_id=f"t{number}", reuse=Reuse.NEVER
            )
        except StoreError:
            await anyio.lowlevel.checkpoint()
        except InstanceAlreadyExistsError:
            return
        else:
            return


async def transfers(url: str, disturb: Callable[[], object]) -> list[int]:
    """Move money around while the database is disturbed; returns the balances."""
    async with Runtime(app, store=url) as runtime:
        for turn in range(ROUNDS):
            numbers = range(turn * TRANSFERS, (turn + 1) * TRANSFERS)
            async with anyio.create_task_group() as group:
                for number in numbers:
                    group.start_soon(insist, runtime, number)
                await anyio.to_thread.run_sync(disturb)
            for number in numbers:
                await runtime.client.wait_for_completion(f"t{number}", timeout=20)
    async with Runtime(app, store=url) as runtime:
        states = [await runtime.client.entity(Account, key).read() for key in ("a", "b")]
        return [state.balance for state in states if state]


TOTAL = sum(range(TRANSFERS * ROUNDS))
EXPECTED = [100 - TOTAL, 100 + TOTAL]


def cut(server: str) -> None:
    """End all sessions of hubs."""
    with psycopg.connect(server) as link:
        link.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name LIKE 'perdure %'"
        )


async def test_cut_connections_lose_and_double_nothing(
    hub_url: str, postgres: PrivatePostgres
) -> None:
    assert await transfers(hub_url, lambda: cut(postgres.url)) == EXPECTED


async def test_restarts_of_the_server_lose_nothing(hub_url: str, postgres: PrivatePostgres) -> None:
    assert await transfers(hub_url, postgres.restart) == EXPECTED


async def test_an_outage_is_named_and_survived(hub_url: str, postgres: PrivatePostgres) -> None:
    async with Runtime(app, store=hub_url) as runtime:
        await insist(runtime, 1)
        postgres.stop()
        with pytest.raises(StoreError):
            await runtime.client.start_new(transfer, 2, instance_id="t2")
        with pytest.raises(StoreError, match="cannot connect; check address"):
            await runtime.client.query()
        postgres.start()
        await insist(runtime, 2)
        for instance_id in ("t1", "t2"):
            await runtime.client.wait_for_completion(instance_id, timeout=20)


def test_reads_do_not_notice_that_connections_died(hub_url: str, postgres: PrivatePostgres) -> None:
    with closing(open_store(hub_url)) as store:
        before = store.version()
        cut(postgres.url)
        assert store.version() == before


def test_a_commit_tells_that_its_connection_died(hub_url: str, postgres: PrivatePostgres) -> None:
    with closing(open_store(hub_url)) as store:
        epoch = store.own()
        cut(postgres.url)
        with pytest.raises(StoreError, match=r"the server is stopping or starting|was lost"):
            store.commit(Commit(epoch, replies={"r": "1"}))
        store.commit(Commit(epoch, replies={"r": "2"}))
        assert store.take_replies(["r"]) == {"r": "2"}
