"""Actors of different workers talk to each other as if there were one."""

import threading
from contextlib import closing

import anyio
import pytest

from crew_app import (
    Account,
    Log,
    broken,
    crew,
    family,
    fragile,
    guardian,
    has,
    id_at,
    key_at,
    listen,
    steps,
    talk,
    transfer,
)
from crew_app import app as crew_app
from perdure import InstanceAlreadyExistsError, Reuse, Runtime, Status
from perdure.persistence.postgres import PostgresStore
from perdure.testing.disturbed import DisturbedStore


async def test_children_run_elsewhere_and_answer(hub: str) -> None:
    async with crew(hub, 2) as (one, two):
        children = [id_at(one, "child"), id_at(two, "child")]
        for client in (one.client, two.client):
            parent = await client.start_new(family, children)
            assert await parent.result(30) == 2


async def test_a_child_whose_id_is_taken_fails_its_parent(hub: str) -> None:
    async with crew(hub, 2) as (one, two):
        taken = id_at(two, "taken")
        await two.client.start_new(listen, 1, instance_id=taken)
        parent = await one.client.start_new(family, [taken], instance_id=id_at(one))
        status = await one.client.wait_for_completion(parent.instance_id, timeout=30)
        assert status.runtime_status is Status.FAILED
        assert "already" in str(status.failure_details)


async def test_terminations_reach_children_elsewhere(hub: str) -> None:
    async with crew(hub, 2) as (one, two):
        children = [id_at(one, "child"), id_at(two, "child")]
        parent = await one.client.start_new(guardian, children, instance_id=id_at(one))
        for child in children:
            with anyio.fail_after(30):
                while await one.client.get_status(child) is None:
                    await anyio.lowlevel.checkpoint()
        await two.client.terminate(parent.instance_id, "enough", recursive=True)
        for name in (parent.instance_id, *children):
            status = await one.client.wait_for_completion(name, timeout=30)
            assert status.runtime_status is Status.TERMINATED


async def test_locks_are_exclusive_across_workers(hub: str) -> None:
    async with crew(hub, 2) as (one, two):
        keys = [key_at(one, "account"), key_at(two, "account"), key_at(two, "account", "x")]
        moved: list[int] = []

        async def move(number: int) -> None:
            runtime = (one, two)[number % 2]
            source, target = keys[number % 3], keys[(number + 1) % 3]
            instance = await runtime.client.start_new(transfer, source, target, number)
            moved.append(await instance.result(60))

        async with anyio.create_task_group() as group:
            for number in range(30):
                group.start_soon(move, number)
        assert sorted(moved) == list(range(30))
        accounts = [await one.client.entity(Account, key).read() for key in keys]
        assert sum(account.balance for account in accounts if account) == 300


async def test_what_one_sends_arrives_in_order(hub: str) -> None:
    """While the sender and the receivers move between workers that come and go."""
    words = 60
    async with Runtime(crew_app, store=hub) as one:
        logs = [f"log{number}" for number in range(6)]
        for log in logs:
            await one.client.start_new(listen, words, instance_id=f"listener-{log}")
            await one.client.start_new(talk, f"listener-{log}", log, words)
        for _ in range(2):
            async with Runtime(crew_app, store=hub) as two:
                await has(two, 16)
            await has(one, 32)
        for log in logs:
            listener = one.client.instance(f"listener-{log}", list[int])
            assert await listener.result(60) == list(range(words))
            state = await one.client.entity(Log, log).read()
            assert state is not None
            assert state.entries == list(range(words))


async def test_clients_events_keep_their_order(hub: str) -> None:
    words = 40
    async with Runtime(crew_app, store=hub) as one:
        ids = [f"listener{number}" for number in range(4)]
        for instance_id in ids:
            await one.client.start_new(listen, words, instance_id=instance_id)

        async def tell(instance_id: str) -> None:
            for word in range(words):
                await one.client.raise_event(instance_id, "word", word)

        async with anyio.create_task_group() as group:
            for instance_id in ids:
                group.start_soon(tell, instance_id)
            async with Runtime(crew_app, store=hub) as two:
                await has(two, 16)
        for instance_id in ids:
            listener = one.client.instance(instance_id, list[int])
            assert await listener.result(60) == list(range(words))


async def test_one_of_two_starters_wins(hub: str) -> None:
    async with crew(hub, 2) as (one, two):
        outcomes: list[str] = []

        async def start(runtime: Runtime, instance_id: str) -> None:
            try:
                await runtime.client.start_new(steps, 1, instance_id=instance_id, reuse=Reuse.NEVER)
            except InstanceAlreadyExistsError:
                outcomes.append("refused")
            else:
                outcomes.append("started")

        for number in range(6):
            outcomes.clear()
            async with anyio.create_task_group() as group:
                for runtime in (one, two):
                    group.start_soon(start, runtime, f"same{number}")
            assert sorted(outcomes) == ["refused", "started"]
            assert await two.client.instance(f"same{number}", int).result(30) == 0


async def test_what_elsewhere_has_ended_is_refused(hub: str) -> None:
    async with crew(hub, 2) as (one, two):
        there = id_at(two)
        instance = await one.client.start_new(steps, 1, instance_id=there)
        await instance.result(30)
        with pytest.raises(InstanceAlreadyExistsError):
            await one.client.start_new(steps, 1, instance_id=there, reuse=Reuse.NEVER)
        assert (await one.client.purge(there)).deleted_instance_count == 1
        assert await two.client.get_status(there) is None


async def test_a_rewind_elsewhere_hides_the_failure(hub: str) -> None:
    """Nobody beside one worker sees an end before the other has read of the rewind."""
    door = threading.Event()
    with closing(PostgresStore.at(hub)) as near, closing(PostgresStore.at(hub)) as far:
        asks, acts = DisturbedStore(near), DisturbedStore(far)
        async with (
            Runtime(crew_app, store=asks.store) as one,
            Runtime(crew_app, store=acts.store) as two,
        ):
            await has(two, 16)
            broken.add(7)
            fixed = await one.client.start_new(fragile, 7, instance_id=id_at(two))
            status = await one.client.wait_for_completion(fixed.instance_id, timeout=30)
            assert status.runtime_status is Status.FAILED
            broken.clear()
            acts.before = lambda method, _: method == "arrived" and door.wait(30)
            await one.client.rewind(fixed.instance_id)
            looks = asks.calls["posted"]

            def seen(_: str, __: int) -> None:
                if asks.calls["posted"] > looks + 2:
                    door.set()

            asks.after = seen
            assert await fixed.result(30) == 7
