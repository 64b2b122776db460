"""Lists of instances: filters, pages, what is shown, and purging by filter."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest

from perdure import Runtime

Put = Callable[[str], Awaitable[str]]

TOKEN = "x-ms-continuation-token"  # noqa: S105 - a header's name


async def statuses(http: httpx.AsyncClient, query: str) -> list[str]:
    answer = await http.get(f"/instances{query}")
    assert answer.status_code == 200
    return sorted(document["runtimeStatus"] for document in answer.json())


async def test_status_filter_takes_lists_and_ignores_the_unknown(
    http: httpx.AsyncClient, put: Put
) -> None:
    every = [await put(status) and status for status in ("Completed", "Failed", "Running")]
    assert await statuses(http, "") == every
    assert await statuses(http, "/?runtimeStatus=failed,Running,Nonsense") == every[1:]
    assert await statuses(http, "?runtimeStatus=Failed&RUNTIMESTATUS=Completed") == every[:2]
    assert await statuses(http, "?runtimeStatus=Nonsense") == every
    assert await statuses(http, "?runtimeStatus=Suspended") == []


async def test_list_is_cut_by_creation_and_prefix(
    http: httpx.AsyncClient, runtime: Runtime
) -> None:
    for instance_id in ("a-1", "a-2", "b-1"):
        await runtime.client.start_new("waits", instance_id=instance_id)
    known = await runtime.client.get_status("a-2")
    assert known is not None
    created = known.created_time
    later = (created + timedelta(days=1)).isoformat()
    assert len(await statuses(http, "?instanceIdPrefix=a-")) == 2
    assert len(await statuses(http, f"?createdTimeFrom={later}")) == 0
    assert len(await statuses(http, f"?createdTimeTo={later}&createdTimeFrom=2001-01-01")) == 3
    dotnet = created.strftime("%Y-%m-%dT%H:%M:%S.%f0Z")
    assert len(await statuses(http, f"?createdTimeFrom={dotnet}")) == 2
    assert len(await statuses(http, f"?createdTimeTo={dotnet}&createdTimeFrom=")) == 2


async def test_token_leads_from_page_to_page(http: httpx.AsyncClient, runtime: Runtime) -> None:
    ids = [f"one-{number}" for number in range(5)]
    for instance_id in ids:
        await runtime.client.start_new("waits", instance_id=instance_id)
    found: list[list[str]] = []
    headers: dict[str, str] = {}
    while True:
        page = await http.get("/instances", params={"top": "2"}, headers=headers)
        found.append([document["instanceId"] for document in page.json()])
        if TOKEN not in page.headers:
            break
        headers[TOKEN] = page.headers[TOKEN]
    assert found == [ids[:2], ids[2:4], ids[4:]]
    unlimited = await http.get("/instances", params={"top": "1000000"})
    assert len(unlimited.json()) == 5


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("?createdTimeFrom=yesterday", "createdTimeFrom is a time"),
        ("?createdTimeTo=2030-13-01", "createdTimeTo is a time"),
        ("?top=0", "top is a whole number of at least 1"),
        ("?top=many", "top is a whole number"),
        ("?showInput=perhaps", "showInput is true or false"),
        ("?tag=alone", "tag is key=value, not 'alone'"),
        ("?tag==1", "tag is key=value, not '=1'"),
        ("?completedTimeTo=soon", "completedTimeTo is a time"),
        ("?show=everything", "show is some of tags, version, failureDetails, waitingFor"),
    ],
)
async def test_bad_filter_is_named(http: httpx.AsyncClient, query: str, says: str) -> None:
    answer = await http.get(f"/instances{query}")
    assert answer.status_code == 400
    assert says in answer.json()["Message"]


async def test_token_of_nobody_is_refused(http: httpx.AsyncClient) -> None:
    for path in ("/instances", "/entities"):
        answer = await http.get(path, headers={TOKEN: "bread"})
        assert answer.status_code == 400
        assert "'bread' is not a continuation token" in answer.json()["Message"]


async def test_inputs_are_hidden_on_demand(http: httpx.AsyncClient, put: Put) -> None:
    instance_id = await put("Running")
    for path in ("/instances", f"/instances/{instance_id}"):
        shown: Any = (await http.get(path)).json()
        hidden: Any = (await http.get(path, params={"showInput": "False"})).json()
        pair = (shown[0], hidden[0]) if path == "/instances" else (shown, hidden)
        assert [document["input"] for document in pair] == ["Running", None]


async def test_more_is_shown_when_asked_for(http: httpx.AsyncClient, runtime: Runtime) -> None:
    client = runtime.client
    await client.start_new("waits", "x", instance_id="a", tags={"team": "blue"}, version="7")
    await client.wait_for_start("a")
    failing = await client.start_new("fails", instance_id="b")
    await client.wait_for_completion(failing.instance_id)
    query = {"show": "tags,version,failureDetails,waitingFor"}
    listed = (await http.get("/instances", params=query)).json()
    assert [(await http.get(f"/instances/{key}", params=query)).json() for key in "ab"] == listed
    waiting, failed = listed
    assert (waiting["tags"], waiting["version"]) == ({"team": "blue"}, "7")
    assert waiting["waitingFor"] == [{"kind": "event", "name": "go"}]
    assert waiting["failureDetails"] is None
    assert failed["waitingFor"] == []
    assert failed["failureDetails"] == {
        "errorType": "ValueError",
        "errorMessage": "no luck",
        "stackTrace": None,
        "innerFailure": None,
        "isNonRetriable": False,
        "properties": {},
    }


async def test_purging_deletes_what_has_ended_and_matches(
    http: httpx.AsyncClient, put: Put
) -> None:
    for status in ("Running", "Completed", "Failed", "Terminated", "Completed"):
        await put(status)
    query = {"createdTimeFrom": "2001-01-01T00:00:00Z", "runtimeStatus": "Completed"}
    for path, amount in (("/instances/", 2), ("/instances", None)):
        answer = await http.delete(path, params=query)
        assert answer.status_code == (200 if amount else 404)
        assert answer.json() == ({"instancesDeleted": amount} if amount else answer.json())
    del query["runtimeStatus"]
    assert (await http.delete("/instances", params=query)).json() == {"instancesDeleted": 2}
    assert await statuses(http, "") == ["Running"]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("", "createdTimeFrom is required"),
        ("?createdTimeTo=2030-01-01", "createdTimeFrom is required"),
        ("?createdTimeFrom=2001-01-01&runtimeStatus=Nonsense", "runtimeStatus is some of"),
        ("?createdTimeFrom=2001-01-01&runtimeStatus=Running", "Running"),
    ],
)
async def test_purging_needs_clear_conditions(
    http: httpx.AsyncClient, put: Put, query: str, says: str
) -> None:
    await put("Completed")
    answer = await http.delete(f"/instances/{query}")
    assert answer.status_code == 400
    assert says in answer.json()["Message"]
    assert await statuses(http, "") == ["Completed"]


@pytest.mark.parametrize("name", ["version", "parentInstanceId"])
async def test_what_narrows_once_is_given_once(
    http: httpx.AsyncClient, put: Put, name: str
) -> None:
    await put("Completed")
    for method, path in (
        ("GET", "/instances?"),
        ("DELETE", "/instances?createdTimeFrom=2001-01-01&"),
    ):
        answer = await http.request(method, f"{path}{name}=1&{name}=2")
        assert answer.status_code == 400
    answer = await http.get(f"/counts?{name}=1&{name}=2")
    assert f"{name} is given once at most, not 2 times" in answer.json()["Message"]


async def test_purged_instance_is_gone(http: httpx.AsyncClient, put: Put) -> None:
    instance_id = await put("Completed")
    answer = await http.delete(f"/instances/{instance_id}")
    assert (answer.status_code, answer.json()) == (200, {"instancesDeleted": 1})
    assert (await http.get(f"/instances/{instance_id}")).status_code == 404


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("name=fails", ["b,1"]),
        ("name=fails&Name=waits", ["a", "b,1"]),
        ("tag=team=blue&tag=n=1,2", ["b,1"]),
        ("tag=team=blue", ["a", "b,1"]),
        ("tag=team=", []),
        ("parentInstanceId=a", []),
        ("version=7", ["b,1"]),
        ("version=8", []),
        ("completedTimeFrom=2001-01-01", ["b,1"]),
        ("completedTimeTo=2001-01-01", []),
        ("name=&tag=&parentInstanceId=&version=", ["a", "b,1"]),
    ],
)
async def test_own_filters_narrow_lists_counts_and_purges(
    http: httpx.AsyncClient, runtime: Runtime, query: str, found: list[str]
) -> None:
    client = runtime.client
    await client.start_new("waits", instance_id="a", tags={"team": "blue"})
    failing = await client.start_new(
        "fails", instance_id="b,1", tags={"team": "blue", "n": "1,2"}, version="7"
    )
    await client.wait_for_completion(failing.instance_id)
    listed = await http.get(f"/instances?{query}")
    assert [document["instanceId"] for document in listed.json()] == found
    assert (await http.get(f"/counts?{query}")).json()["total"] == len(found)
    purged = await http.delete(f"/instances?createdTimeFrom=2001-01-01&{query}")
    assert purged.status_code == (200 if "b,1" in found else 404)
