"""Callers who wait for an instance, and leave, or whose server ends before the instance does."""

from functools import partial

import anyio
import anyio.lowlevel
import httpx
import pytest

from perdure import Runtime
from perdure.http import management_site, serve

BASE = "/runtime/webhooks/durabletask"
WAIT = "/orchestrators/waits/x?timeout=60&pollingInterval=1"


async def until_watched(runtime: Runtime, ids: list[str]) -> None:
    while runtime.partition.watchers.ids != ids:
        await anyio.lowlevel.checkpoint()


@pytest.mark.parametrize(("method", "path"), [("POST", WAIT), ("GET", "/instances/x/events")])
async def test_who_has_left_is_not_waited_for(
    http: httpx.AsyncClient, runtime: Runtime, method: str, path: str
) -> None:
    if method == "GET":
        await runtime.client.start_new("waits", instance_id="x")
    url, port = http.base_url, http.base_url.port
    assert port is not None
    head = f"{method} {BASE}{path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
    with anyio.fail_after(20):
        async with await anyio.connect_tcp(url.host, port) as connection:
            await connection.send(head.encode())
            await until_watched(runtime, ["x"])
        await until_watched(runtime, [])


@pytest.mark.parametrize(("method", "path"), [("POST", WAIT), ("GET", "/instances/x/events")])
async def test_the_end_of_the_server_is_not_delayed(
    runtime: Runtime, method: str, path: str
) -> None:
    answers: list[httpx.Response] = []

    async def call(url: str) -> None:
        async with httpx.AsyncClient(base_url=url + BASE, timeout=60) as http:
            answers.append(await http.request(method, path))

    if method == "GET":
        await runtime.client.start_new("waits", instance_id="x")
    with anyio.fail_after(20):
        async with anyio.create_task_group() as callers, anyio.create_task_group() as servers:
            site = management_site(runtime)
            url = await servers.start(partial(serve, site, port=0, graceful_timeout=60))
            callers.start_soon(call, url)
            await until_watched(runtime, ["x"])
            servers.cancel_scope.cancel()
    (answer,) = answers
    if method == "POST":
        assert (answer.status_code, answer.json()["id"]) == (202, "x")
    else:
        # Told to its end: a torn answer would have been an error.
        assert (answer.status_code, answer.text[-1:]) in ((200, "\n"), (200, ""))
