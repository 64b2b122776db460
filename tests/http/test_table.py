"""The table is complete, and what lies outside of it is refused."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import httpx
import pytest
from starlette.types import Message, Scope

from perdure import Client, Runtime
from perdure.http import management_app, management_site
from perdure.http.table import ENDPOINTS
from perdure.persistence.memory import MemoryStore

Serving = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]

DURABLE_FUNCTIONS = {
    ("POST", "/orchestrators/{functionName}"),
    ("POST", "/orchestrators/{functionName}/{instanceId}"),
    ("GET", "/instances"),
    ("DELETE", "/instances"),
    ("GET", "/instances/{instanceId}"),
    ("DELETE", "/instances/{instanceId}"),
    ("POST", "/instances/{instanceId}/raiseEvent/{eventName}"),
    ("POST", "/instances/{instanceId}/terminate"),
    ("POST", "/instances/{instanceId}/suspend"),
    ("POST", "/instances/{instanceId}/resume"),
    ("POST", "/instances/{instanceId}/rewind"),
    ("POST", "/instances/{instanceId}/restart"),
    ("GET", "/entities"),
    ("GET", "/entities/{entityName}"),
    ("GET", "/entities/{entityName}/{entityKey}"),
    ("POST", "/entities/{entityName}/{entityKey}"),
    ("DELETE", "/entities/{entityName}/{entityKey}"),
    ("*", "/makeprimary"),
}


def test_table_has_every_row_of_durable_functions() -> None:
    rows = [(endpoint.method, endpoint.path) for endpoint in ENDPOINTS]
    assert set(rows) >= DURABLE_FUNCTIONS
    assert len(rows) == len(set(rows))


def test_every_row_explains_itself() -> None:
    silent = [
        endpoint.path
        for endpoint in ENDPOINTS
        if not endpoint.answer.__doc__ or not all(known.about for known in endpoint.query)
    ]
    assert not silent


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
async def test_this_app_is_always_the_primary(http: httpx.AsyncClient, method: str) -> None:
    answer = await http.request(method, "/makeprimary")
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("GET", "/nowhere"),
        ("PATCH", "/instances/one"),
        ("POST", "/instances"),
        ("GET", "/instances/one/terminate"),
        ("POST", "/instances/one/explode"),
        ("POST", "/instances/one/raiseEvent/"),
        ("GET", "/instances/one/two/three/four"),
        ("PUT", "/entities/counter/a"),
    ],
)
async def test_everything_else_is_not_found(
    http: httpx.AsyncClient, method: str, path: str
) -> None:
    answer = await http.request(method, path)
    assert answer.status_code == 404
    assert "there is nothing at" in answer.json()["Message"]


async def test_sockets_that_stay_open_are_refused(runtime: Runtime) -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope: Scope = {"type": "websocket", "path": "/", "headers": [], "query_string": b""}
    await management_app(runtime)(scope, receive, send)
    assert [message["type"] for message in sent] == ["websocket.close"]


async def test_client_elsewhere_starts_by_name(serving: Serving) -> None:
    async with Client(MemoryStore()) as client, serving(management_site(client)) as http:
        assert (await http.post("/orchestrators/unheard/one", json=[1])).status_code == 202
        assert (await http.post("/orchestrators/unheard/two")).status_code == 202
        assert (await http.post("/entities/unheard/a?op=x", json=1)).status_code == 202
        shown = (await http.get("/instances")).json()
    assert [(found["runtimeStatus"], found["input"]) for found in shown] == [
        ("Pending", [1]),
        ("Pending", None),
    ]


async def test_nested_json_is_unpacked_when_told_so(runtime: Runtime, serving: Serving) -> None:
    waiting = {"timeout": "9", "pollingInterval": "1"}
    async with serving(management_app(runtime, nested_json=True), "") as http:
        for sent, got in (('{"a": 1}', {"a": 1}), ('"text"', "text"), ("null", None), ("1", 1)):
            answer = await http.post("/orchestrators/echoes", params=waiting, json=sent)
            assert answer.json() == got
        assert (await http.post("/orchestrators/echoes", json="{")).status_code == 400
        plain = await http.post("/orchestrators/echoes", params=waiting, json=[2])
        assert plain.json() == [2]
