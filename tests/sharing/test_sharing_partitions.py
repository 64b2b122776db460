"""Workers come and go, and each has an even share of the partitions."""

import os
from contextlib import closing
from datetime import timedelta

import anyio
import psycopg
import pytest

from crew_app import Account, Log, app, crew, gates, has, holdings_of, id_at, key_at, listen, slow
from perdure import Client, Runtime, Status
from perdure.persistence.postgres import PostgresStore
from perdure.persistence.postgres_address import connecting, read_address
from perdure.testing.disturbed import DisturbedStore


async def test_three_workers_have_even_shares(hub: str) -> None:
    async with crew(hub, 3) as runtimes:
        shares = [holdings_of(runtime).open for runtime in runtimes]
        assert sorted(map(len, shares)) == [10, 11, 11]
        assert sorted(number for share in shares for number in share) == list(range(32))


async def test_who_comes_and_goes_waits_for_no_heartbeat(hub: str) -> None:
    rare = hub.replace("lease=30&heartbeat=0.1", "lease=900&heartbeat=300")
    assert rare != hub
    async with crew(rare, 1) as (stays,):
        async with Runtime(app, store=rare) as leaves:
            await has(leaves, 16)
        await has(stays, 32)
    async with crew(rare, 3):
        pass


async def test_a_leaving_worker_leaves_everything(hub: str) -> None:
    async with Runtime(app, store=hub) as stays:
        async with Runtime(app, store=hub) as leaves:
            await has(leaves, 16)
            instance_id, key = id_at(leaves), key_at(leaves, "account")
            await leaves.client.start_new(listen, 1, instance_id=instance_id)
            await leaves.client.entity(Account, key).call(Account.add, 5)
        await has(stays, 32)
        await stays.client.raise_event(instance_id, "word", 7)
        assert await stays.client.instance(instance_id).result(20) == [7]
        assert await stays.client.entity(Account, key).call(Account.add, 1) == 106


async def test_a_call_under_way_is_answered_after_a_move(hub: str) -> None:
    gates["operation"] = anyio.Event()
    answers: list[int] = []
    async with Runtime(app, store=hub) as first:
        keys = [f"log{number}" for number in range(12)]

        async def call(key: str, number: int) -> None:
            answers.append(await first.client.entity(Log, key).call(Log.gated, number))

        async with anyio.create_task_group() as group:
            for number, key in enumerate(keys):
                group.start_soon(call, key, number)
            async with Runtime(app, store=hub) as second:
                await has(second, 16)
                moved = [key for key in keys if holdings_of(second).has(f"@log@{key}")]
                assert moved
                gates["operation"].set()
                while len(answers) < len(keys):
                    await anyio.lowlevel.checkpoint()
        for number, key in enumerate(keys):
            log = await first.client.entity(Log, key).read()
            assert log is not None
            assert log.entries == [number]
    assert sorted(answers) == list(range(12))


async def test_who_waits_for_an_instance_goes_along(hub: str) -> None:
    ids = [f"waits{number}" for number in range(8)]
    results: dict[str, list[int]] = {}
    async with Runtime(app, store=hub) as first:

        async def wait(instance_id: str) -> None:
            results[instance_id] = await first.client.instance(instance_id, list[int]).result(30)

        async with anyio.create_task_group() as group:
            for instance_id in ids:
                await first.client.start_new(listen, 1, instance_id=instance_id)
                group.start_soon(wait, instance_id)
            async with Runtime(app, store=hub) as second:
                await has(second, 16)
                for instance_id in ids:
                    await second.client.raise_event(instance_id, "word", 3)
                for instance_id in ids:
                    await second.client.wait_for_completion(instance_id, timeout=30)
    assert results == {instance_id: [3] for instance_id in ids}


async def test_activities_begin_anew_where_they_went(
    hub: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # They would not end for any grace.
    monkeypatch.setattr("perdure.runtime.sharing.shares.GRACE", 100_000)
    gates["activity"] = anyio.Event()
    ids = [f"slow{number}" for number in range(8)]
    async with Runtime(app, store=hub) as first:
        for instance_id in ids:
            await first.client.start_new(slow, 1, instance_id=instance_id)
        async with Runtime(app, store=hub) as second:
            await has(second, 16)
            gates["activity"].set()
            for instance_id in ids:
                assert await first.client.instance(instance_id, int).result(30) == 1
            here = [name for name in ids if holdings_of(second).has(name)]
            statuses = await second.client.get_many(here)
            assert here
            assert {status.runtime_status for status in statuses.values()} == {Status.COMPLETED}


async def test_who_was_robbed_notices_and_takes_part_anew(hub: str) -> None:
    async with Runtime(app, store=hub) as runtime:
        instance = await runtime.client.start_new(listen, 2, instance_id="a")
        rob(hub)
        await instance.raise_event("word", 1)
        await instance.raise_event("word", 2)
        assert await instance.result(30) == [1, 2]
        await has(runtime, 32)
        assert min(holdings_of(runtime).epochs.values()) > 1_000


def rob(url: str) -> None:
    """Let somebody have taken all partitions, who is dead by now."""
    address = read_address(url)
    with psycopg.connect(**connecting(address, relaxed=False)) as link:
        link.execute("UPDATE partition SET worker = 'robber', epoch = epoch + 1000")


@pytest.mark.parametrize("step", ["recover", "arrived"])
async def test_a_take_over_that_fails_is_tried_again(hub: str, step: str) -> None:
    ids = [f"waits{number}" for number in range(8)]
    failed: list[str] = []

    def fail(method: str, call: int) -> None:
        # The first call is that of the entering, before anything is owned.
        if method == step and holdings_of(first).epochs.keys() != set(range(32)) and not failed:
            failed.append(f"{method} {call}")
            raise OSError("the network was gone for a moment")

    with closing(PostgresStore.at(hub)) as store:
        disturbed = DisturbedStore(store)
        async with Runtime(app, store=hub) as first:
            for instance_id in ids:
                await first.client.start_new(listen, 1, instance_id=instance_id)
            async with Runtime(app, store=disturbed.store) as second:
                disturbed.before = fail
                await has(second, 16)
                for instance_id in ids:
                    await first.client.raise_event(instance_id, "word", 4)
                    assert await second.client.instance(instance_id).result(30) == [4]
    assert failed


async def test_workers_are_listed_with_their_partitions(hub: str) -> None:
    async with crew(hub, 2) as runtimes, Client(hub) as outside:
        found = {worker.id: worker for worker in await outside.workers()}
        assert found.keys() == {holdings_of(runtime).worker for runtime in runtimes}
        for runtime in runtimes:
            worker = found[holdings_of(runtime).worker]
            assert worker.partitions == sorted(holdings_of(runtime).open)
            assert timedelta() < worker.lease_left <= timedelta(seconds=30)
            assert worker.silent_for < worker.lease_left
            assert worker.lag == 0
            assert f"pid {os.getpid()}" in worker.name


async def test_a_store_with_one_owner_has_no_workers() -> None:
    async with Runtime(app) as runtime:
        assert await runtime.client.workers() == []
