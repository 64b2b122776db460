"""Who may call: keys, addresses, pages from elsewhere; sizes; and what outsiders do not see."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import anyio
import httpx
import pytest
from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from perdure import App, Client, Runtime, StoreError
from perdure.http import Keys, management_app, management_site
from perdure.persistence.memory import MemoryStore
from perdure.testing.disturbed import DisturbedStore

Serving = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]
Put = Callable[[str], Awaitable[str]]

KEYS = Keys(full="all +1", read_only="look")


@pytest.fixture
async def guarded(runtime: Runtime, serving: Serving) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(management_site(runtime, keys=KEYS)) as http:
        yield http


@pytest.mark.parametrize("key", ["", "wrong", "all", "all +1 ", "ALL +1", "look2", "\u00fc"])
async def test_without_a_right_key_nothing_is_told(guarded: httpx.AsyncClient, key: str) -> None:
    for path in ("/instances", "/instances/one", "/nowhere", "/makeprimary"):
        for method in ("GET", "POST", "DELETE"):
            answer = await guarded.request(method, path, params={"code": key})
            assert answer.status_code == 401
            assert list(answer.json()) == ["Message"]


@pytest.mark.parametrize(
    "shown",
    [
        {"params": {"code": "all +1"}},
        {"headers": {"x-functions-key": "all +1"}},
        {"params": {"code": "look"}, "headers": {"x-functions-key": "all +1"}},
    ],
    ids=["query", "header", "both"],
)
async def test_full_key_opens_everything(guarded: httpx.AsyncClient, shown: dict[str, Any]) -> None:
    answer = await guarded.post("/orchestrators/waits/one", **shown)
    assert answer.status_code == 202
    location = answer.headers["Location"]
    assert location.endswith("/instances/one?code=all+%2B1")
    assert (await guarded.get(location)).status_code == 202


async def test_read_only_key_only_looks(guarded: httpx.AsyncClient, put: Put) -> None:
    instance_id = await put("Running")
    look = {"code": "look"}
    for path in ("/instances", f"/instances/{instance_id}", "/entities", "/entities/counter"):
        assert (await guarded.get(path, params=look)).status_code in (200, 202)
    for method, path in (
        ("POST", "/orchestrators/waits"),
        ("POST", f"/instances/{instance_id}/terminate"),
        ("DELETE", f"/instances/{instance_id}"),
        ("DELETE", "/instances"),
        ("POST", "/entities/counter/a"),
        ("DELETE", "/entities/counter/a"),
        ("GET", "/makeprimary"),
    ):
        answer = await guarded.request(method, path, params=look)
        assert (answer.status_code, answer.json()) == (
            403,
            {"Message": "this key only allows to look"},
        )


@pytest.mark.parametrize("wrong", ["", "ü", "a\nb"])
def test_keys_fit_into_headers_and_links(wrong: str) -> None:
    for keys in ({"full": wrong}, {"full": "a", "read_only": wrong}):
        with pytest.raises(ValueError, match="key is a text of printable ASCII"):
            Keys(**keys)
    with pytest.raises(ValueError, match="is another than the full key"):
        Keys(full="a", read_only="a")
    assert "all" not in repr(KEYS)


def arriving_at(app: ASGIApp, address: str) -> ASGIApp:
    """The app as a server on that address would call it."""

    async def moved(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope["server"] = (address, 80)
        await app(scope, receive, send)

    return moved


@pytest.mark.parametrize(
    ("address", "options", "code"),
    [
        ("192.168.0.7", {}, 403),
        ("::", {}, 403),
        ("fe80::1%eth0", {}, 403),
        ("::1", {}, 200),
        ("127.0.0.2", {}, 200),
        ("/run/app.sock", {}, 200),
        ("192.168.0.7", {"unguarded": True}, 200),
    ],
)
async def test_other_machines_need_a_key(
    runtime: Runtime, serving: Serving, address: str, options: dict[str, Any], code: int
) -> None:
    app = arriving_at(management_site(runtime, **options), address)
    async with serving(app) as http:
        answer = await http.get("/instances")
    assert answer.status_code == code


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Host": "rebound.example.com:7071"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 202),
        ({"Host": "app.localhost"}, 202),
        ({"Host": "127.0.0.1"}, 202),
    ],
)
async def test_strange_pages_need_a_key(
    runtime: Runtime, serving: Serving, headers: dict[str, str], code: int
) -> None:
    async with serving(management_site(runtime)) as http:
        answer = await http.post("/orchestrators/waits", headers=headers)
        assert answer.status_code == code
    async with serving(management_site(runtime, keys=Keys(full="k"))) as http:
        answer = await http.post("/orchestrators/waits?code=k", headers=headers)
        assert answer.status_code == 202


async def said(http: httpx.AsyncClient, head: str, body: bytes) -> bytes:
    """The answer to a request as it is on the wire."""
    path = f"{http.base_url.path}orchestrators/echoes"
    request = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{head}\r\n\r\n"
    answer = b""
    async with await anyio.connect_tcp(http.base_url.host, http.base_url.port or 80) as stream:
        await stream.send(request.encode() + body)
        async for received in stream:
            answer += received
    return answer


@pytest.mark.parametrize(
    ("head", "body"),
    [
        ("Content-Length: 1000000", b""),
        ("Content-Length: 1001", b"1" * 1_001),
        ("Transfer-Encoding: chunked", b"1f4\r\n" + b"1" * 500 + b"\r\n1f5\r\n" + b"1" * 501),
    ],
    ids=["announced", "sent", "in pieces"],
)
async def test_large_bodies_are_refused(
    runtime: Runtime, serving: Serving, head: str, body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The rest of what comes in pieces never comes.
    monkeypatch.setattr("perdure.http.intake.PATIENCE_SECONDS", 0.2)
    async with serving(management_site(runtime, body_bytes_max=1_000)) as http:
        answer = await said(http, head, body)
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert b"at most 1000 bytes" in answer
        enough = await said(http, "Content-Length: 1000", b'"' + b"x" * 998 + b'"')
        assert enough.startswith(b"HTTP/1.1 202 ")


async def test_payload_beyond_the_cap_is_too_large(http: httpx.AsyncClient) -> None:
    # As JSON text it is twice as long.
    answer = await http.post("/entities/label/a?op=write", content=b'"' * 3_000_000)
    assert answer.status_code == 413
    assert "more than the cap" in answer.json()["Message"]


@pytest.mark.parametrize("show_stacks", [False, True])
async def test_stacks_are_shown_only_when_asked_for(
    runtime: Runtime, serving: Serving, caplog: pytest.LogCaptureFixture, show_stacks: bool
) -> None:
    def broken() -> Client:
        raise LookupError("a secret of the service")

    app = management_app(broken, show_stacks=show_stacks)
    with caplog.at_level(logging.CRITICAL, "perdure.http"):
        async with serving(app, "") as http:
            answer = await http.get("/instances")
    assert answer.status_code == 500
    assert ("a secret" in answer.text) is ("StackTrace" in answer.json()) is show_stacks


@pytest.mark.parametrize("call", [("GET", "/instances/a"), ("POST", "/orchestrators/echoes/a")])
async def test_a_store_that_is_away_is_no_failure(
    serving: Serving, caplog: pytest.LogCaptureFixture, call: tuple[str, str]
) -> None:
    store = DisturbedStore(MemoryStore())

    def away(method: str, _: int) -> None:
        raise StoreError(f"store.internal: the server is stopping, in {method}")

    store.before = away
    with caplog.at_level(logging.ERROR, "perdure.http"):
        async with Client(store.store) as client, serving(management_site(client)) as http:
            answer = await http.request(*call)
    assert answer.status_code == 503
    assert "just now" in answer.json()["Message"]
    assert "store.internal" not in answer.text
    (said,) = [record for record in caplog.records if record.name == "perdure.http"]
    assert "store.internal" in said.getMessage()
    assert said.exc_info is None


async def test_failures_show_stacks_when_asked_for(
    runtime: Runtime, serving: Serving, put: Put
) -> None:
    instance_id = await put("Failed")
    app = management_site(runtime, show_stacks=True)
    query = {"show": "failureDetails", "showHistory": "true"}
    async with serving(app) as http:
        document = (await http.get(f"/instances/{instance_id}", params=query)).json()
    assert "no luck" in document["failureDetails"]["stackTrace"]
    assert "no luck" in document["historyEvents"][-1]["Details"]


async def test_runtime_may_be_entered_later(app: App, serving: Serving) -> None:
    runtime = Runtime(app)
    async with serving(Starlette(routes=management_site(runtime).routes)) as http:
        assert (await http.get("/instances")).status_code == 503
        async with runtime:
            assert (await http.get("/instances")).status_code == 200
        assert (await http.get("/instances")).status_code == 503
