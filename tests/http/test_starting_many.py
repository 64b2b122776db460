"""Starting many instances by one call: an outcome for each item, whatever the others are."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx
import pytest

from perdure import Runtime, Status
from perdure.http import Keys, management_site

Serving = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]


async def started(http: httpx.AsyncClient, *items: Any) -> tuple[int, list[dict[str, Any]]]:
    answer = await http.post("/orchestrators", json=items)
    return answer.status_code, answer.json()


async def test_all_items_are_started(http: httpx.AsyncClient, runtime: Runtime) -> None:
    items = [{"name": "doubles", "instanceId": f"i-{n}", "input": n} for n in range(50)]
    code, outcomes = await started(http, *items)
    assert code == 202
    assert [outcome["instanceId"] for outcome in outcomes] == [f"i-{n}" for n in range(50)]
    assert {outcome["statusCode"] for outcome in outcomes} == {202}
    for n in range(50):
        assert await runtime.client.instance(f"i-{n}", int).result(timeout=10) == 2 * n
    assert (await http.get(outcomes[7]["links"]["statusQueryGetUri"])).json()["output"] == 14


async def test_an_item_may_say_more(http: httpx.AsyncClient, runtime: Runtime) -> None:
    item = {"name": "waits", "tags": {"k": "v"}, "scheduledStartTime": "2999-01-01T00:00:00Z"}
    code, (outcome,) = await started(http, item)
    status = await runtime.client.get_status(outcome["instanceId"])
    assert code == 202
    assert status is not None
    assert (status.runtime_status, status.tags) == (Status.PENDING, {"k": "v"})
    assert status.scheduled_start_time is not None
    assert status.scheduled_start_time.year == 2999


async def test_a_bad_item_stops_no_other(http: httpx.AsyncClient, runtime: Runtime) -> None:
    await runtime.client.start_new("waits", instance_id="taken")
    code, outcomes = await started(
        http,
        {"name": "echoes", "instanceId": "good", "input": 1},
        {"name": "nothing"},
        {"name": "waits", "instanceId": "taken"},
        {"name": "doubles", "instanceId": "bad", "input": "x"},
        {"name": "echoes", "input": None},
    )
    assert code == 207
    assert [outcome["statusCode"] for outcome in outcomes] == [202, 400, 409, 400, 202]
    assert [outcome["instanceId"] for outcome in outcomes[:4]] == ["good", None, "taken", "bad"]
    assert "'nothing'" in outcomes[1]["error"]["Message"]
    assert "input of doubles" in outcomes[3]["error"]["Message"]
    assert await runtime.client.instance("good").result(timeout=10) == 1
    assert await runtime.client.get_status("bad") is None


@pytest.mark.parametrize(
    ("item", "says"),
    [
        (1, "an item is an object"),
        (None, "an item is an object"),
        ({}, "has the name of an orchestration"),
        ({"name": ""}, "has the name of an orchestration"),
        ({"name": 3}, "name is a text, not 3"),
        ({"name": "waits", "id": "x"}, "has no 'id'; it has name, instanceId"),
        ({"name": "waits", "instanceId": 4}, "instanceId is a text, not 4"),
        ({"name": "waits", "instanceId": "@a@b"}, "belong to entities"),
        ({"name": "waits", "instanceId": "x" * 257}, "longer than 256"),
        ({"name": "waits", "version": 1.0}, "version is a text, not 1.0"),
        ({"name": "waits", "tags": {"a": 1}}, "tags are an object of texts"),
        ({"name": "waits", "tags": ["a"]}, "tags are an object of texts"),
        ({"name": "waits", "scheduledStartTime": "soon"}, "scheduledStartTime is a time"),
        ({"name": "adds"}, "first"),
    ],
)
async def test_what_is_wrong_is_said(http: httpx.AsyncClient, item: Any, says: str) -> None:
    code, (outcome,) = await started(http, item)
    assert (code, outcome["statusCode"]) == (207, 400)
    assert says in outcome["error"]["Message"]
    assert (await http.get("/counts")).json()["total"] == 0


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "the body is an array"),
        (b"{}", "the body is an array"),
        (b"[", "is not JSON"),
        (b"[" + b"1," * 1_000 + b"1]", "at most 1000, not 1001"),
    ],
)
async def test_a_body_without_items_is_refused(
    http: httpx.AsyncClient, body: bytes, says: str
) -> None:
    answer = await http.post("/orchestrators", content=body)
    assert answer.status_code == 400
    assert says in answer.json()["Message"]


async def test_an_unwritable_id_spoils_no_answer(http: httpx.AsyncClient) -> None:
    # A number beyond 64 bits has the whole body read by a reader that lets half characters pass.
    good, bad = b'{"name":"echoes","input":12345678901234567890123}', b'{"instanceId":"\\ud800"}'
    answer = await http.post("/orchestrators", content=b"[%s,%s]" % (good, bad))
    started, refused = answer.json()
    assert (answer.status_code, started["statusCode"], refused["statusCode"]) == (207, 202, 400)
    assert refused["instanceId"] is None


async def test_the_first_of_two_equal_ids_starts(http: httpx.AsyncClient, runtime: Runtime) -> None:
    code, outcomes = await started(
        http, *({"name": "echoes", "instanceId": "x", "input": n} for n in range(3))
    )
    assert (code, [outcome["statusCode"] for outcome in outcomes]) == (207, [202, 409, 409])
    assert await runtime.client.instance("x").result(timeout=10) == 0


async def test_nothing_asked_is_nothing_started(http: httpx.AsyncClient) -> None:
    assert await started(http) == (202, [])


async def test_a_key_for_looking_starts_nothing(runtime: Runtime, serving: Serving) -> None:
    site = management_site(runtime, keys=Keys(full="all", read_only="look"))
    async with serving(site) as http:
        item = {"name": "waits"}
        for key, code in (("look", 403), ("wrong", 401), ("all", 202)):
            answer = await http.post("/orchestrators", params={"code": key}, json=[item])
            assert answer.status_code == code
        (outcome,) = answer.json()
        assert "code=all" in outcome["links"]["terminatePostUri"]
        assert (await http.get("/counts", params={"code": "look"})).json()["total"] == 1
