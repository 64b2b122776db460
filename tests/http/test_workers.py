"""The workers of a hub by HTTP."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, closing
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from perdure import App, Client, Runtime
from perdure.http import Keys, management_site
from perdure.persistence.postgres import PostgresStore
from perdure.persistence.records import Commit, Errand, Shared

Serving = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]


@pytest.fixture
async def outside(hub_url: str, app: App, serving: Serving) -> AsyncIterator[httpx.AsyncClient]:
    """The API beside a client, of a hub that a worker runs in its turn."""
    keys = Keys(full="all", read_only="look")
    async with (
        Runtime(app, hub_url),
        Client(hub_url) as client,
        serving(management_site(client, keys=keys)) as http,
    ):
        yield http


async def test_workers_are_listed_with_their_partitions(outside: httpx.AsyncClient) -> None:
    answer = await outside.get("/workers", params={"code": "look"})
    (worker,) = answer.json()
    assert worker["partitions"] == [*range(32)]
    assert worker["name"].endswith(f"pid {os.getpid()}")
    assert (worker["alive"], worker["lag"]) == (True, 0)
    assert 0 < worker["leaseSeconds"] <= 1
    assert 0 <= worker["silentSeconds"] < 1
    age = datetime.now(UTC) - datetime.fromisoformat(worker["since"])
    assert timedelta(0) <= age < timedelta(minutes=1)


async def test_who_may_not_look_sees_no_workers(outside: httpx.AsyncClient) -> None:
    assert (await outside.get("/workers")).status_code == 401
    assert (await outside.post("/workers", params={"code": "all"})).status_code == 404


async def test_a_hub_with_one_owner_has_no_workers(http: httpx.AsyncClient) -> None:
    answer = await http.get("/workers")
    assert (answer.status_code, answer.json()) == (200, [])


async def test_shared_activities_are_listed_with_who_has_them(
    outside: httpx.AsyncClient, hub_url: str
) -> None:
    assert (await outside.get("/queues", params={"code": "look"})).json() == []
    with closing(PostgresStore.at(hub_url)) as store:
        for number, name in enumerate(("double", "render")):
            asked = Errand(store.partition_of("i"), 9 + number, "i", "e", 1, 2, name, 2**60)
            store.commit(Commit(0, shared=Shared({}, errands=[asked])))
    queues = (await outside.get("/queues", params={"code": "look"})).json()
    assert [queue["activity"] for queue in queues] == ["double", "render"]
    assert [len(queue["workers"]) for queue in queues] == [1, 0]
    for queue in queues:
        assert (queue["waiting"], queue["taken"], queue["waitedSeconds"]) == (1, 0, None)
