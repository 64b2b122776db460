"""The client's own answers to HTTP requests, for Starlette and for Functions apps."""

import json
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx
import pytest
from azure.functions import HttpRequest, HttpResponse
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from perdure import App, Client, InstanceNotFoundError, ManagementUrl, Runtime
from perdure.http import management_app

Serving = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]
Put = Callable[[str], Awaitable[str]]

PUBLIC = ManagementUrl(
    url="https://public.example/durable/", task_hub="My Hub", connection="Storage", code="k&y"
)
FORWARDED = {"X-Forwarded-Host": "outer.example", "X-Forwarded-Proto": "https"}


def starlette_request(headers: dict[str, str] | None = None) -> Request:
    given = {"host": "localhost:7071", **(headers or {})}
    return Request(
        {
            "type": "http",
            "method": "POST",
            "scheme": "http",
            "path": "/shop/orders",
            "root_path": "/shop",
            "app_root_path": "",
            "query_string": b"a=b",
            "headers": [(name.lower().encode(), text.encode()) for name, text in given.items()],
        }
    )


def functions_request(headers: dict[str, str] | None = None) -> HttpRequest:
    url = "http://localhost:7071/api/orchestrators/waits?a=b"
    return HttpRequest("POST", url, headers=headers or {}, body=b"")


REQUESTS = [starlette_request, functions_request]
MakeRequest = Callable[..., Any]


def content(response: Any) -> Any:
    body = response.get_body() if isinstance(response, HttpResponse) else response.body
    return json.loads(body)


@pytest.mark.parametrize("request_of", REQUESTS)
async def test_check_status_response_is_that_of_durable_functions(
    runtime: Runtime, request_of: MakeRequest
) -> None:
    response = runtime.client.create_check_status_response(request_of(), "ö/1")
    base = "http://localhost:7071/runtime/webhooks/durabletask/instances/%C3%B6%2F1"
    assert isinstance(response, Response | HttpResponse)
    assert response.status_code == 202
    assert response.headers["Location"] == base
    assert response.headers["Retry-After"] == "10"
    assert response.headers["Content-Type"] == "application/json"
    assert content(response) == {
        "id": "ö/1",
        "statusQueryGetUri": base,
        "sendEventPostUri": f"{base}/raiseEvent/{{eventName}}",
        "terminatePostUri": f"{base}/terminate?reason={{text}}",
        "purgeHistoryDeleteUri": base,
        "restartPostUri": f"{base}/restart",
        "suspendPostUri": f"{base}/suspend?reason={{text}}",
        "resumePostUri": f"{base}/resume?reason={{text}}",
    }


async def test_payload_has_hub_connection_and_key(app: App) -> None:
    async with Runtime(app, management=PUBLIC) as runtime:
        links = runtime.client.create_http_management_payload("one")
        same = runtime.client.create_http_management_payload(starlette_request(), "one")
    base = "https://public.example/durable/instances/one"
    query = "taskHub=My+Hub&connection=Storage&code=k%26y"
    assert same == links
    assert links["statusQueryGetUri"] == f"{base}?{query}"
    assert links["rewindPostUri"] == f"{base}/rewind?reason={{text}}&{query}"
    assert links["restartPostUri"] == f"{base}/restart?{query}"


def test_creation_links_have_their_placeholders() -> None:
    start = "https://public.example/durable/orchestrators/{functionName}[/{instanceId}]"
    query = "taskHub=My+Hub&connection=Storage&code=k%26y"
    waiting = "timeout={timeoutInSeconds}&pollingInterval={intervalInSeconds}"
    assert PUBLIC.creation_links() == {
        "createNewInstancePostUri": f"{start}?{query}",
        "createAndWaitOnNewInstancePostUri": f"{start}?{waiting}&{query}",
    }
    assert ManagementUrl(url="").creation_links("http://x")["createNewInstancePostUri"] == (
        "http://x/orchestrators/{functionName}[/{instanceId}]"
    )


@pytest.mark.parametrize("request_of", REQUESTS)
@pytest.mark.parametrize("trusts", [False, True])
async def test_proxy_is_believed_only_when_told_so(
    app: App, request_of: MakeRequest, trusts: bool
) -> None:
    place = ManagementUrl(url="/durable", use_forwarded_host=trusts)
    async with Runtime(app, management=place) as runtime:
        links = runtime.client.create_http_management_payload(request_of(FORWARDED), "one")
    host = "https://outer.example" if trusts else "http://localhost:7071"
    assert links["statusQueryGetUri"] == f"{host}/durable/instances/one"


async def test_links_need_a_host(runtime: Runtime) -> None:
    with pytest.raises(ValueError, match="links need a host: give the request"):
        runtime.client.create_http_management_payload("one")


@pytest.mark.parametrize("url", ["durable", "ftp://host/x", "https://host/x?y=z", "/x#y"])
def test_place_of_the_api_is_a_url_or_a_path(url: str) -> None:
    with pytest.raises(ValueError, match="http"):
        ManagementUrl(url=url)


async def test_other_requests_are_refused_by_name(runtime: Runtime) -> None:
    strange = httpx.Request("GET", "http://localhost")
    with pytest.raises(TypeError, match=r"not httpx\.Request"):
        runtime.client.create_check_status_response(strange, "one")
    with pytest.raises(TypeError, match=r"not httpx\.Request"):
        runtime.client.create_http_management_payload(strange, "one")


@pytest.mark.parametrize("request_of", REQUESTS)
async def test_wait_answers_with_the_output(runtime: Runtime, request_of: MakeRequest) -> None:
    client = runtime.client
    await client.start_new("echoes", {"a": [1]}, instance_id="one")
    response = await client.wait_for_completion_or_create_check_status_response(
        request_of(), "one", timeout=9, retry_interval=1
    )
    assert response.status_code == 200
    assert content(response) == {"a": [1]}


@pytest.mark.parametrize(
    ("status", "flag", "code"),
    [
        ("Failed", False, 200),
        ("Failed", True, 500),
        ("Terminated", True, 200),
    ],
)
async def test_wait_answers_with_the_status_of_failures(
    runtime: Runtime, put: Put, status: str, flag: bool, code: int
) -> None:
    response = await runtime.client.wait_for_completion_or_create_check_status_response(
        starlette_request(), await put(status), return_internal_server_error_on_failure=flag
    )
    assert response.status_code == code
    assert content(response)["runtimeStatus"] == status


async def test_wait_answers_with_links_when_it_takes_longer(runtime: Runtime, put: Put) -> None:
    instance_id = await put("Running")
    response = await runtime.client.wait_for_completion_or_create_check_status_response(
        functions_request(), instance_id, 0.001, 0.001
    )
    assert response.status_code == 202
    assert content(response)["id"] == instance_id


async def test_wait_checks_what_it_is_given(runtime: Runtime) -> None:
    wait = runtime.client.wait_for_completion_or_create_check_status_response
    with pytest.raises(ValueError, match="retry_interval"):
        await wait(starlette_request(), "one", timeout=1, retry_interval=2)
    with pytest.raises(InstanceNotFoundError):
        await wait(starlette_request(), "one")


async def test_links_lead_to_the_mounted_api(app: App, serving: Serving) -> None:
    runtime = Runtime(app, management=ManagementUrl(url="/manage"))

    async def order(request: Request) -> Any:
        instance = await runtime.client.start_new("waits")
        return runtime.client.create_check_status_response(request, instance.instance_id)

    site = Starlette(
        routes=[
            Mount("/manage", app=management_app(runtime)),
            Mount("/shop", routes=[Route("/order", order, methods=["POST"])]),
        ]
    )
    async with runtime, serving(site, "") as http:
        ordered = await http.post("/shop/order")
        assert (await http.get(ordered.headers["Location"])).status_code == 202


async def test_client_elsewhere_knows_its_place_too(tmp_path: Any, app: App) -> None:
    store = f"sqlite:///{tmp_path}/hub.db"
    async with Runtime(app, store), Client(store, management=PUBLIC) as client:
        links = client.create_http_management_payload("one")
    assert links["id"] == "one"


def test_core_needs_no_web_framework() -> None:
    code = (
        "import sys, perdure;"
        "found = {'starlette', 'hypercorn', 'azure', 'httpx', 'typer'} & set(sys.modules);"
        "assert not found, found"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
