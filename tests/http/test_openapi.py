"""The OpenAPI document: it leaves nothing out, and what it says is what happens."""

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import anyio
import httpx
import orjson
import pytest
import schemathesis
from starlette.applications import Starlette
from starlette.routing import Mount

from perdure import App, OrchestrationContext, Runtime
from perdure.http import Keys, management_app, management_site
from perdure.http.endpoint import ANY_METHOD, Endpoint
from perdure.http.openapi import openapi_document
from perdure.http.table import ENDPOINTS

Serving = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]
World = tuple[str, dict[str, Any]]

ASYNCIO: World = ("asyncio", {})
TRIO: World = ("trio", {})
SETTINGS = Path(__file__).with_name("schemathesis.toml")
DOCUMENT = openapi_document(ENDPOINTS, "http://localhost", guarded=True)


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def test_every_row_of_the_table_is_there() -> None:
    there = {(method, path) for method, path, _ in operations()}
    missing = [
        (endpoint.method, endpoint.path)
        for endpoint in ENDPOINTS
        if (endpoint.method.replace(ANY_METHOD, "GET"), endpoint.path) not in there
    ]
    assert not missing


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda e: f"{e.method} {e.path}")
def test_every_answer_has_a_shape(endpoint: Endpoint) -> None:
    good = {code for code in endpoint.answers if code < 400}
    assert good == {code for code in endpoint.shows if code < 400}
    assert endpoint.shows.keys() <= set(endpoint.answers)
    assert endpoint.answer.__doc__


def test_every_operation_has_its_own_name() -> None:
    names = [operation["operationId"] for _, _, operation in operations()]
    assert sorted(set(names)) == sorted(names)
    assert {"getInstance", "start", "startWithInstanceId", "makePrimaryGet"} <= set(names)


def test_the_document_is_valid() -> None:
    schemathesis.openapi.from_dict(DOCUMENT).validate()


def test_no_reference_leads_nowhere() -> None:
    known = {f"#/components/schemas/{name}" for name in DOCUMENT["components"]["schemas"]}
    text = orjson.dumps(DOCUMENT).decode()
    assert set(re.findall(r'"\$ref":"([^"]+)"', text)) == known


async def test_the_document_says_where_it_is_served(runtime: Runtime, serving: Serving) -> None:
    app = Starlette(routes=[Mount("/deep/inside", app=management_app(runtime))])
    async with serving(app, base="/deep/inside") as http:
        document = (await http.get("/openapi.json")).json()
        assert document["servers"] == [{"url": str(http.base_url).rstrip("/")}]
        assert "security" not in document
        assert document["paths"] == DOCUMENT["paths"]


async def test_the_document_names_both_places_of_keys(runtime: Runtime, serving: Serving) -> None:
    async with serving(management_site(runtime, keys=Keys(full="a", read_only="b"))) as http:
        assert (await http.get("/openapi.json")).status_code == 401
        document = (await http.get("/openapi.json?code=b")).json()
    schemes = document["components"]["securitySchemes"].values()
    assert {(s["in"], s["name"]) for s in schemes} == {
        ("query", "code"),
        ("header", "x-functions-key"),
    }
    assert document["security"] == [{"code": []}, {"header": []}]


@pytest.fixture
def app() -> App:
    """What starts ends at once, so that no stream goes on for ever."""
    app = App("fuzzed")

    @app.orchestration
    async def echoes(ctx: OrchestrationContext, value: object = None) -> object:
        return value

    return app


@pytest.mark.parametrize(
    ("anyio_backend", "phase"),
    [pytest.param(ASYNCIO, "coverage", id="coverage"), pytest.param(TRIO, "fuzzing", id="fuzzing")],
)
async def test_the_api_keeps_what_the_document_says(
    phase: str, http: httpx.AsyncClient, runtime: Runtime, tmp_path: Path
) -> None:
    await (await runtime.client.start_new("echoes", instance_id="ended")).result()
    program = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(SETTINGS)]
    url = str(http.base_url.join("openapi.json"))
    options = [f"--phases={phase}", "--no-color", "--warnings=off", "--request-timeout=10"]
    ran = await anyio.run_process([*program, "run", url, *options], check=False, cwd=tmp_path)
    assert ran.returncode == 0, ran.stdout.decode() + ran.stderr.decode()
