"""Where the API is: below any path, behind proxies, for one hub or several."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, cast
from urllib.parse import parse_qs

import httpx
import pytest
from fastapi import FastAPI
from litestar import Litestar, asgi
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp, Receive, Scope, Send

from perdure import App, Runtime
from perdure.http import management_app, management_site

Serving = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]

FORWARDED = {"X-Forwarded-Host": "api.example.org, inner", "X-Forwarded-Proto": "https"}


def in_starlette(api: ASGIApp) -> ASGIApp:
    return Starlette(routes=[Mount("/a b", app=Starlette(routes=[Mount("/c", app=api)]))])


def in_fastapi(api: ASGIApp) -> ASGIApp:
    app = FastAPI()
    app.mount("/a b/c", api)
    return app


def in_litestar(api: Any) -> ASGIApp:
    @asgi("/a b/c", is_mount=True, copy_scope=True)
    async def mounted(scope: Any, receive: Any, send: Any) -> None:
        await api(scope, receive, send)

    return cast("ASGIApp", Litestar([mounted], openapi_config=None))


def behind_a_stripping_proxy(api: ASGIApp) -> ASGIApp:
    """As servers do it that are told of a path which a proxy has taken away."""

    async def stripped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope["root_path"] = "/a b/c"
            scope["path"] = scope["path"].removeprefix("/a b/c")
            scope["raw_path"] = scope["raw_path"].removeprefix(b"/a%20b/c")
        await api(scope, receive, send)

    return stripped


def without_raw_path(api: ASGIApp) -> ASGIApp:
    async def decoded(scope: Scope, receive: Receive, send: Send) -> None:
        scope.pop("raw_path", None)
        await api(scope, receive, send)

    return Starlette(routes=[Mount("/a b/c", app=decoded)])


@pytest.mark.parametrize(
    "mounted",
    [in_starlette, in_fastapi, in_litestar, behind_a_stripping_proxy, without_raw_path],
)
async def test_api_works_below_any_path(
    runtime: Runtime, serving: Serving, mounted: Callable[[ASGIApp], ASGIApp]
) -> None:
    async with serving(mounted(management_app(runtime)), "/a%20b/c") as http:
        links = (await http.post("/orchestrators/waits/ö 1")).json()
        assert links["statusQueryGetUri"] == f"{http.base_url}instances/%C3%B6%201"
        shown = await http.get(links["statusQueryGetUri"])
        assert (shown.status_code, shown.json()["instanceId"]) == (202, "ö 1")
        assert shown.headers["Location"] == links["statusQueryGetUri"]
        assert (await http.get("")).status_code == 404
        if mounted is not without_raw_path:
            await runtime.client.entity("counter", "x/y").call("add", 1)
            assert (await http.get("/entities/counter/x%2Fy")).json() == {"value": 1}


async def test_paths_of_both_versions_are_served(http: httpx.AsyncClient) -> None:
    base = str(http.base_url).removesuffix("/runtime/webhooks/durabletask/")
    for path in ("/runtime/webhooks/durabletask", "/admin/extensions/DurableTaskExtension"):
        links = (await http.post(f"{base}{path}/orchestrators/waits")).json()
        assert links["statusQueryGetUri"].startswith(f"{base}{path}/instances/")
    assert (await http.get(f"{base}/instances")).status_code == 404


async def test_escaped_slash_is_part_of_a_segment(
    http: httpx.AsyncClient, runtime: Runtime
) -> None:
    await runtime.client.start_new("waits", instance_id="one")
    answer = await http.post("/instances/one%2Fterminate")
    assert answer.status_code == 404
    status = await runtime.client.get_status("one")
    assert status is not None
    assert status.is_running


@pytest.mark.parametrize(
    ("options", "headers", "base"),
    [
        ({}, FORWARDED, None),
        ({"use_forwarded_host": True}, FORWARDED, "https://api.example.org/x"),
        ({"use_forwarded_host": True}, {"X-Forwarded-Proto": "ftp"}, None),
        ({"use_forwarded_host": True}, {}, None),
        ({"url": "https://public/durable/"}, FORWARDED, "https://public/durable"),
    ],
)
async def test_links_name_the_host_that_was_called(
    runtime: Runtime,
    serving: Serving,
    options: dict[str, Any],
    headers: dict[str, str],
    base: str | None,
) -> None:
    app = Starlette(routes=[Mount("/x", app=management_app(runtime, **options))])
    async with serving(app, "/x") as http:
        expected = base if base is not None else str(http.base_url).rstrip("/")
        started = await http.post("/orchestrators/waits/one", headers=headers)
        shown = await http.get("/instances/one?showInput=true", headers=headers)
    assert started.headers["Location"] == f"{expected}/instances/one"
    assert shown.headers["Location"] == f"{expected}/instances/one?showInput=true"


@pytest.fixture
async def second(app: App) -> AsyncIterator[Runtime]:
    async with Runtime(app, drain_timeout=0) as runtime:
        yield runtime


async def test_query_picks_the_task_hub(
    runtime: Runtime, second: Runtime, serving: Serving
) -> None:
    hubs: dict[str, Any] = {"Main": runtime, "Other": lambda: second.client}
    async with serving(management_app(hubs), "") as http:
        first = (await http.post("/orchestrators/waits/one")).json()
        await http.post("/orchestrators/waits/two?taskHub=other")
        query = parse_qs(httpx.URL(first["terminatePostUri"]).query.decode())
        assert query == {"reason": ["{text}"], "taskHub": ["Main"]}
        places = [
            [document["instanceId"] for document in (await http.get(path)).json()]
            for path in ("/instances", "/instances?taskHub=MAIN", "/instances?taskHub=Other")
        ]
        assert places == [["one"], ["one"], ["two"]]
        unknown = await http.get("/instances/one?taskHub=Third")
        assert unknown.status_code == 400
        assert unknown.json()["Message"] == (
            "no task hub 'Third' is served here; there are: main, other"
        )


async def test_query_picks_the_connection(
    runtime: Runtime, second: Runtime, serving: Serving
) -> None:
    hubs = {("Hub", "Storage"): runtime, ("Hub", "Backup"): second}
    await second.client.start_new("waits", instance_id="kept")
    async with serving(management_app(hubs), "") as http:
        for query, code in (
            ("?taskHub=hub&connection=backup", 202),
            ("?connectionName=Backup", 202),
            ("?taskHub=hub", 404),
            ("", 404),
            ("?connection=Nowhere", 400),
        ):
            assert (await http.get(f"/instances/kept{query}")).status_code == code
        links = (await http.post("/orchestrators/waits?connection=Backup")).json()
    assert links["statusQueryGetUri"].endswith("?taskHub=Hub&connection=Backup")


async def test_single_hub_stands_for_every_name(http: httpx.AsyncClient) -> None:
    query = "?taskHub=Any&connection=Storage"
    links = (await http.post(f"/orchestrators/waits/one{query}")).json()
    assert links["statusQueryGetUri"].endswith(f"/instances/one{query}")
    assert (await http.get(links["statusQueryGetUri"])).status_code == 202


def test_hubs_are_named() -> None:
    for hubs in ({}, {"": management_app}, {("", "x"): management_app}):
        with pytest.raises(ValueError, match="task hub"):
            management_site(hubs)  # type: ignore[arg-type]  # what it says of such is tried


@pytest.mark.parametrize("instance_id", ["%FF", "%FE%FD", "a%C3"])
async def test_paths_must_be_utf8(http: httpx.AsyncClient, instance_id: str) -> None:
    answer = await http.get(f"/instances/{instance_id}")
    assert answer.status_code == 400
    assert "not UTF-8" in answer.json()["Message"]
