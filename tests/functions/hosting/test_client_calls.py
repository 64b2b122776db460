"""Each call of the real `DurableOrchestrationClient`, made by a function inside the host."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import anyio.lowlevel
import httpx
import pytest
from attrs import frozen

Hosting = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]
Written = Callable[..., Path]

APP = """\
import json
from datetime import datetime
import azure.durable_functions as df
import azure.functions as func

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)

@app.route(route="client/{call}", methods=["POST"])
@app.durable_client_input(client_name="client")
async def call_client(req: func.HttpRequest, client):
    said = req.get_json()
    args = [df.EntityId(*a["entity"]) if isinstance(a, dict) and "entity" in a else a for a in said]
    if req.route_params["call"].endswith("_by"):
        args = [datetime.fromisoformat(said[0]), None, [df.OrchestrationRuntimeStatus(said[1])]]
    if "response" in req.route_params["call"]:
        args.insert(0, req)
    try:
        result = getattr(client, req.route_params["call"])(*args)
        result = await result if hasattr(result, "__await__") else result
    except Exception as error:
        return func.HttpResponse(str(error), status_code=418)
    if isinstance(result, func.HttpResponse):
        return result
    return json.dumps(result, default=plain)

def plain(value):
    if hasattr(value, "runtime_status"):
        return {"truth": True, **value.to_json()} if value else {"truth": False}
    return {k.lstrip("_"): v for k, v in vars(value).items()}

@app.orchestration_trigger(context_name="context")
def waits(context):
    context.set_custom_status("waiting")
    answer = yield context.wait_for_external_event("go")
    return {"input": context.get_input(), "answer": answer}

@app.orchestration_trigger(context_name="context")
def tries(context):
    return (yield context.call_activity("fail_once", None))

tried = []

@app.activity_trigger(input_name="nothing")
def fail_once(nothing):
    tried.append(1)
    if len(tried) == 1:
        raise ValueError("not yet")
    return len(tried)

@app.entity_trigger(context_name="context")
def sums(context):
    context.set_state(context.get_state(lambda: 0) + context.get_input())
"""


@frozen
class Caller:
    """Calls the client inside the app."""

    http: httpx.AsyncClient

    async def __call__(self, call: str, *args: Any) -> Any:
        answer = await self.http.post(f"/api/client/{call}", json=args)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def refused(self, call: str, *args: Any) -> str:
        answer = await self.http.post(f"/api/client/{call}", json=args)
        assert answer.status_code == 418, answer.text
        return answer.text

    async def reached(self, instance_id: str, status: str) -> Any:
        while (shown := await self("get_status", instance_id))["runtimeStatus"] != status:
            await anyio.lowlevel.checkpoint()
        return shown


@pytest.fixture
async def client(hosting: Hosting, written: Written) -> AsyncIterator[Caller]:
    async with hosting(written(APP)) as http:
        yield Caller(http)


async def test_what_is_started_can_be_looked_at(client: Caller) -> None:
    assert await client("start_new", "waits", "one", {"n": [1]}) == "one"
    fresh = await client("start_new", "waits")
    await client.reached("one", "Running")
    shown = await client("get_status", "one", True, True, True)
    assert (shown["name"], shown["input"], shown["truth"]) == ("waits", {"n": [1]}, True)
    ids = {status["instanceId"] for status in await client("get_status_all")}
    assert ids == {"one", fresh}
    assert (await client("get_status", "two"))["truth"] is False
    assert await client("get_status_by", "2000-01-01", "Failed") == []


async def test_a_start_that_cannot_be_says_why(client: Caller) -> None:
    assert "nobody" in await client.refused("start_new", "nobody")
    await client("start_new", "waits", "one")
    await client.reached("one", "Running")
    assert "already exists" in await client.refused("start_new", "waits", "one")


async def test_all_instances_are_listed_at_once(client: Caller) -> None:
    for number in range(103):
        await client("start_new", "waits", f"n{number}")
    assert len(await client("get_status_all")) == 103


@pytest.mark.parametrize("data", [None, 7, "text", {"a": [1, None]}])
async def test_an_event_arrives_as_it_was(client: Caller, data: Any) -> None:
    await client("start_new", "waits", "one", data)
    await client("raise_event", "one", "go", data)
    shown = await client.reached("one", "Completed")
    assert shown.get("output") == {"input": data, "answer": data}
    assert "is gone" in await client.refused("raise_event", "one", "go", data)
    assert "No instance" in await client.refused("raise_event", "two", "go", data)


async def test_an_instance_is_suspended_resumed_and_terminated(client: Caller) -> None:
    await client("start_new", "waits", "one")
    await client("suspend", "one", "a pause & more")
    await client.reached("one", "Suspended")
    await client("resume", "one", "go on")
    await client.reached("one", "Running")
    await client("terminate", "one", "enough")
    assert (await client.reached("one", "Terminated"))["output"] == "enough"
    await client("terminate", "one", "again")
    assert "No instance" in await client.refused("terminate", "two", "enough")


async def test_a_failed_instance_is_rewound(client: Caller) -> None:
    await client("start_new", "waits", "other")
    assert "cannot rewind" in await client.refused("rewind", "other", "mended")
    await client("start_new", "tries", "one")
    assert "not yet" in (await client.reached("one", "Failed"))["output"]
    await client("rewind", "one", "mended")
    assert (await client.reached("one", "Completed"))["output"] == 2


async def test_a_restart_gives_the_new_id(client: Caller) -> None:
    await client("start_new", "waits", "one", 5)
    await client("terminate", "one", "enough")
    await client.reached("one", "Terminated")
    fresh = await client("restart", "one")
    assert isinstance(fresh, str)
    assert fresh != "one"
    assert await client("restart", "one", False) == "one"
    assert (await client("get_status", fresh, False, False, True))["input"] == 5


async def test_what_has_ended_is_purged(client: Caller) -> None:
    for name in ("one", "two", "three"):
        await client("start_new", "waits", name)
        await client("terminate", name, "enough")
        await client.reached(name, "Terminated")
    assert await client("purge_instance_history", "one") == {"instances_deleted": 1}
    assert await client("purge_instance_history", "one") == {"instances_deleted": 0}
    purged = await client("purge_instance_history_by", "2000-01-01", "Terminated")
    assert purged == {"instances_deleted": 2}
    assert await client("get_status_all") == []


async def test_an_entity_is_signalled_and_read(client: Caller) -> None:
    entity = {"entity": ["Sums", "k"]}
    state = await client("read_entity_state", entity)
    assert state["entity_exists"] is False
    await client("signal_entity", entity, "add", 3)
    while not (state := await client("read_entity_state", entity))["entity_exists"]:
        await anyio.lowlevel.checkpoint()
    assert state["entity_state"] == 3


async def test_waiting_gives_the_output_or_links(client: Caller) -> None:
    wait = "wait_for_completion_or_create_check_status_response"
    await client("start_new", "waits", "one", 1)
    late = await client.http.post(f"/api/client/{wait}", json=["one", 20, 10])
    assert late.status_code == 202
    assert late.headers["Retry-After"] == "10"
    await client("raise_event", "one", "go", 2)
    await client.reached("one", "Completed")
    done = await client.http.post(f"/api/client/{wait}", json=["one", 2000, 10])
    assert (done.status_code, done.json()) == (200, {"input": 1, "answer": 2})


async def test_links_lead_to_the_instance(client: Caller) -> None:
    await client("start_new", "waits", "one")
    links = await client("create_http_management_payload", "one")
    answer = await client.http.post("/api/client/create_check_status_response", json=["one"])
    assert answer.json() == links
    assert links["id"] == "one"
    assert links.keys() > {"rewindPostUri", "purgeHistoryDeleteUri", "restartPostUri"}
    raised = await client.http.post(links["sendEventPostUri"].format(eventName="go"), json={"b": 1})
    assert raised.status_code == 202
    assert (await client.reached("one", "Completed"))["output"]["answer"] == {"b": 1}
