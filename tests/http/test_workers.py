"""The workers of a hub by HTTP."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from perdure import App, Client, Runtime
from perdure.http import Keys, management_site

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
