"""Shared activities while the database, or a worker, fails: none is lost, none ends twice."""

from contextlib import closing
from typing import Any

import anyio
import psycopg
import pytest

from crew_app import id_at
from errand_app import Works, errands, program, workers
from perdure import Runtime, StoreError
from perdure.persistence.postgres import PostgresStore
from perdure.persistence.postgres_address import connecting, read_address
from perdure.persistence.postgres_membership import Membership
from perdure.persistence.records import Errand
from perdure.testing.disturbed import DisturbedStore
from private_postgres import PrivatePostgres


@pytest.fixture
def hub(hub_url: str) -> str:
    """Give a hub whose workers are not held to be dead on a busy machine."""
    return hub_url.replace("lease=1&", "lease=30&")


@pytest.fixture
def works() -> Works:
    """Give a place where slow activities are done."""
    return Works()


async def test_what_was_taken_unknowingly_is_run(
    hub: str, works: Works, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer to a take is lost on its way."""
    failed: list[int] = []
    take = Membership.take

    def lose(self: Membership, *args: Any, **options: Any) -> list[Errand]:
        found = take(self, *args, **options)
        if not failed:
            failed.append(len(found))
            raise StoreError("the connection was lost")
        return found

    works.door.set()
    monkeypatch.setattr(Membership, "take", lose)
    async with workers(hub, program(works, "a")) as (only,):
        fan = await only.client.start_new("fan", 4)
        assert await fan.result(30) == 6
        assert failed == [4]
        assert works.all_that_came == [0, 1, 2, 3]


async def test_a_take_that_comes_late_is_found(hub: str, works: Works) -> None:
    """It was given up, but still on its way to the database."""
    async with workers(hub, program(works, "a"), activities_max=1) as (only,):
        fan = await only.client.start_new("fan", 3)
        await works.until_came(1)
        address = read_address(hub)
        with psycopg.connect(**connecting(address, relaxed=False)) as link:
            link.execute("UPDATE errand SET worker = (SELECT id FROM worker)")
        works.door.set()
        assert await fan.result(30) == 3
        assert works.all_that_came == [0, 1, 2]


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_an_outcome_outlives_a_failed_commit(hub: str, works: Works, moment: str) -> None:
    failed: list[str] = []

    def fail(method: str, call: int) -> None:
        if method == "commit" and works.door.is_set() and not failed:
            failed.append(f"{method} {call}")
            raise OSError("the network was gone for a moment")

    with closing(PostgresStore.at(hub)) as store:
        disturbed = DisturbedStore(store)
        async with Runtime(program(works, "a"), store=disturbed.store) as runtime:
            fan = await runtime.client.start_new("fan", 6)
            await works.until_came(6)
            setattr(disturbed, moment, fail)
            works.door.set()
            assert await fan.result(30) == 15
    assert failed
    assert works.all_that_came == list(range(6))
    assert errands(hub) == 0


async def test_restarts_of_the_server_run_nothing_twice(
    hub: str, works: Works, postgres: PrivatePostgres
) -> None:
    async with workers(hub, program(works, "a"), program(works, "b")) as (first, _):
        fan = await first.client.start_new("fan", 10, instance_id=id_at(first))
        await works.until_came(10)
        await anyio.to_thread.run_sync(postgres.restart)
        works.door.set()
        assert await fan.result(60) == 45
    assert works.all_that_came == list(range(10))
    assert errands(hub) == 0


async def test_who_was_held_to_be_dead_says_nothing(hub: str, works: Works) -> None:
    """Others have what it had taken; it calls that off when its heartbeat tells."""
    async with workers(hub, program(works, "a"), program(works, "b")) as (first, _):
        fan = await first.client.start_new("fan", 6, instance_id=id_at(first))
        await works.until_came(6)
        address = read_address(hub)
        with psycopg.connect(**connecting(address, relaxed=False)) as link:
            # Not free at once: who had them could take them again, and go on.
            link.execute("UPDATE errand SET worker = 'dead'")
        await works.until_cut_short(6)
        await works.until_came(12)
        works.door.set()
        assert await fan.result(30) == 15
    assert errands(hub) == 0
