"""HTTP triggers: what a function is given, what becomes of its answer, and who may call it."""

import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest

from perdure.functions import FunctionsError, HostKeys

Hosting = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]
Written = Callable[..., Path]

HEAD = """\
import json
import azure.functions as func
import azure.durable_functions as df
app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)
"""

ECHO = """
@app.route(route="echo/{part}/{n:int?}")
def echo(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    said = {
        "method": req.method,
        "url": req.url,
        "params": dict(req.params),
        "route": dict(req.route_params),
        "header": req.headers.get("X-Thing"),
        "body": req.get_body().decode(),
        "form": dict(req.form),
        "context": [context.function_name, context.function_directory, len(context.invocation_id)],
        "trace": context.trace_context.trace_parent,
    }
    return func.HttpResponse(json.dumps(said), mimetype="application/json")
"""

ANSWERS = """
@app.route(route="text")
def text(req) -> str:
    return "gr\\u00fc\\u00df"

@app.route(route="nothing")
async def nothing(req):
    return None

@app.route(route="rich")
async def rich(req):
    answer = func.HttpResponse(b"raw", status_code=201, mimetype="text/csv", charset="latin-1")
    answer.headers.add("Set-Cookie", "a=1")
    answer.headers.add("Set-Cookie", "b=2")
    return answer

@app.route(route="wrong")
def wrong(req):
    return {"no": "response"}

@app.route(route="raises")
def raises(req):
    raise ValueError("the secret of the house")

@app.route(route="out", binding_arg_name="answer")
def out(req, answer: func.Out[func.HttpResponse]) -> None:
    answer.set(func.HttpResponse("set " + str(answer.get()), status_code=203))

@app.route(route="only", methods=["GET", "PUT"])
def only(req):
    return req.method
"""


async def test_a_function_sees_the_whole_request(hosting: Hosting, written: Written) -> None:
    folder = written(HEAD + ECHO)
    async with hosting(folder) as http:
        answer = await http.post(
            "/api/Echo/a%2Fb/7?x=1&x=2&y=%20",
            data={"field": "v"},
            headers={"x-thing": "t", "traceparent": "00-1-2-01"},
        )
        bare = await http.get("/api/echo/p")
    said: dict[str, Any] = answer.json()
    assert answer.headers["content-type"] == "application/json"
    assert said["url"].startswith(str(http.base_url).rstrip("/") + "/api/Echo/a%2Fb/7?x=1")
    assert said["method"] == "POST"
    assert said["params"] == {"x": "1,2", "y": " "}
    assert said["route"] == {"part": "a%2Fb", "n": "7"}
    assert (said["header"], said["trace"]) == ("t", "00-1-2-01")
    assert (said["body"], said["form"]) == ("field=v", {"field": "v"})
    assert said["context"] == ["echo", str(folder), 32]
    assert bare.json()["route"] == {"part": "p"}


async def test_every_kind_of_answer_is_sent(hosting: Hosting, written: Written) -> None:
    async with hosting(written(HEAD + ANSWERS)) as http:
        text = await http.get("/api/text")
        assert (text.status_code, text.text) == (200, "gr\u00fc\u00df")
        assert text.headers["content-type"] == "text/plain; charset=utf-8"
        nothing = await http.get("/api/nothing")
        assert (nothing.status_code, nothing.content) == (204, b"")
        rich = await http.get("/api/rich")
        assert (rich.status_code, rich.content) == (201, b"raw")
        assert rich.headers["content-type"] == "text/csv; charset=latin-1"
        assert rich.headers.get_list("set-cookie") == ["a=1", "b=2"]
        out = await http.get("/api/out")
        assert (out.status_code, out.text) == (203, "set None")


async def test_what_goes_wrong_is_not_told_to_outsiders(
    hosting: Hosting, written: Written, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR, "perdure.functions")
    async with hosting(written(HEAD + ANSWERS)) as http:
        for path in ("raises", "wrong"):
            answer = await http.get(f"/api/{path}")
            assert (answer.status_code, answer.content) == (500, b"")
    assert "the secret of the house" in caplog.text
    assert "wrong gave dict as its response" in caplog.text


async def test_only_its_methods_and_routes_lead_to_it(hosting: Hosting, written: Written) -> None:
    async with hosting(written(HEAD + ANSWERS)) as http:
        assert (await http.put("/api/only")).text == "PUT"
        for method, path in (("POST", "/api/only"), ("GET", "/only"), ("GET", "/api/nowhere")):
            assert (await http.request(method, path)).status_code == 404


async def test_refused_bodies_leave_the_connection_usable(
    hosting: Hosting, written: Written
) -> None:
    async with hosting(written(HEAD + ANSWERS)) as http:
        for path in ("/api/nowhere", "/api/only") * 4:
            answer = await http.post(path, content=b"x" * 3_000_000)
            assert answer.status_code == 404
            assert "connection" not in answer.headers


async def test_the_prefix_of_routes_can_be_set(hosting: Hosting, written: Written) -> None:
    extensions = {"http": {"routePrefix": ""}}
    async with hosting(written(HEAD + ANSWERS, extensions=extensions)) as http:
        assert (await http.get("/only")).text == "GET"


async def test_two_functions_never_have_one_route(hosting: Hosting, written: Written) -> None:
    folder = written(
        HEAD + ANSWERS + '\n@app.route(route="Only")\ndef other(req):\n    return ""\n'
    )
    with pytest.RaisesGroup(pytest.RaisesExc(FunctionsError, match="only and other have the same")):
        async with hosting(folder):
            pass


KEYS = HostKeys(master="m")
LEVELS = """
@app.route(route="anybody")
def anybody(req):
    return "in"

@app.route(route="guests", auth_level=func.AuthLevel.FUNCTION)
def guests(req):
    return "in"

@app.route(route="owner", auth_level=func.AuthLevel.ADMIN)
def owner(req):
    return "in"
"""


async def test_keys_open_what_they_are_for(hosting: Hosting, written: Written) -> None:
    paths = ["/api/anybody", "/api/guests", "/api/owner", "/runtime/webhooks/durabletask/instances"]
    wanted = {
        "": [200, 401, 401, 401],
        "x": [200, 401, 401, 401],
        KEYS.function: [200, 200, 401, 401],
        KEYS.system: [200, 401, 401, 200],
        KEYS.master: [200, 200, 200, 200],
    }
    async with hosting(written(HEAD + LEVELS), keys=KEYS) as http:
        for key, codes in wanted.items():
            by_query = [(await http.get(path, params={"code": key})).status_code for path in paths]
            headers = {"x-functions-key": key}
            by_header = [(await http.get(path, headers=headers)).status_code for path in paths]
            assert by_query == by_header == codes


def test_keys_are_derived_and_kept_to_themselves() -> None:
    assert len({KEYS.master, KEYS.function, KEYS.system}) == 3
    assert HostKeys(master="m") == KEYS
    assert HostKeys(master="n").system != KEYS.system
    assert HostKeys(master="m", system="s").system == "s"
    assert KEYS.system not in repr(KEYS)
    with pytest.raises(ValueError, match="the master key is a text"):
        HostKeys(master=" ")


async def test_links_hold_the_key_of_the_api(hosting: Hosting, written: Written) -> None:
    code = """
@app.route(route="start")
@app.durable_client_input(client_name="client")
async def start(req, client):
    return client.create_check_status_response(req, await client.start_new("ends"))

@app.orchestration_trigger(context_name="context")
def ends(context):
    return 1
"""
    async with hosting(written(HEAD + code), keys=KEYS, url="https://shop.example/") as http:
        answer = await http.get("/api/start", headers={"host": "shop.example"})
        link = httpx.URL(answer.json()["statusQueryGetUri"])
        assert link.host == "shop.example"
        assert link.params["code"] == KEYS.system
        assert (await http.get(link.raw_path.decode())).status_code in (200, 202)


async def test_other_machines_need_a_key(hosting: Hosting, written: Written) -> None:
    with pytest.RaisesGroup(pytest.RaisesExc(FunctionsError, match="no keys.*HostKeys")):
        async with hosting(written(HEAD + LEVELS), address="0.0.0.0"):  # noqa: S104
            pass


async def test_pages_of_allowed_origins_may_call(hosting: Hosting, written: Written) -> None:
    folder = written(HEAD + LEVELS)
    (folder / "local.settings.json").write_text('{"Host": {"CORS": "http://shop"}}')
    async with hosting(folder) as http:
        allowed = await http.get("/api/anybody", headers={"origin": "http://shop"})
        other = await http.get("/api/anybody", headers={"origin": "http://elsewhere"})
    assert allowed.headers["access-control-allow-origin"] == "http://shop"
    assert "access-control-allow-origin" not in other.headers


@pytest.mark.parametrize("trusted", [True, False])
async def test_a_proxy_is_believed_when_asked_to(
    hosting: Hosting, written: Written, *, trusted: bool
) -> None:
    settings = {"httpSettings": {"useForwardedHost": trusted}}
    async with hosting(written(HEAD + ECHO, settings)) as http:
        headers = {"x-forwarded-host": "shop.example", "x-forwarded-proto": "https"}
        url = (await http.get("/api/echo/a", headers=headers)).json()["url"]
    assert url.startswith("https://shop.example/api") is trusted


async def test_an_asgi_app_answers_and_ends(
    hosting: Hosting, written: Written, capsys: pytest.CaptureFixture[str]
) -> None:
    code = """
from contextlib import asynccontextmanager

import azure.functions as func
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

async def item(request):
    return JSONResponse([request.path_params["n"], request.query_params["q"]], 201)

@asynccontextmanager
async def lifespan(_):
    yield
    print("the site has ended")

site = Starlette(routes=[Route("/api/items/{n}", item)], lifespan=lifespan)
app = func.AsgiFunctionApp(app=site, http_auth_level=func.AuthLevel.ANONYMOUS)
"""
    async with hosting(written(code, extensions={"http": {"routePrefix": ""}})) as http:
        answer = await http.get("/api/items/7?q=x")
    assert (answer.status_code, answer.json()) == (201, ["7", "x"])
    assert "the site has ended" in capsys.readouterr().out
