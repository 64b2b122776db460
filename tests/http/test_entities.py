"""Entities by HTTP: states, lists, signals, deletion."""

from collections.abc import Awaitable, Callable

import httpx
import pytest

from perdure import EntityId, Runtime

Put = Callable[[str], Awaitable[str]]

TOKEN = "x-ms-continuation-token"  # noqa: S105 - a header's name
JSON = {"Content-Type": "application/json"}


async def test_signal_changes_the_state(http: httpx.AsyncClient, runtime: Runtime) -> None:
    place = "/entities/Counter/a"
    assert (await http.get(place)).status_code == 404
    answer = await http.post(place, params={"op": "add"}, json=2)
    assert (answer.status_code, answer.content) == (202, b"")
    await http.post(place, params={"op": "move"}, json=[1, -1])
    assert await runtime.client.entity("counter", "a").call("add", 0) == 1
    state = await http.get(place)
    assert (state.status_code, state.json()) == (200, {"value": 1})


async def test_text_arrives_as_a_text(http: httpx.AsyncClient, runtime: Runtime) -> None:
    entity = runtime.client.entity(EntityId("label", "a"))
    for content, headers, text in (
        ("{plain ü", {}, "{plain ü"),
        ('"said"', JSON, "said"),
        ('"said"', {"Content-Type": "text/plain"}, '"said"'),
    ):
        await http.post("/entities/label/a?op=write", content=content, headers=headers)
        assert await entity.call("read") == text


@pytest.mark.parametrize(
    ("path", "content", "says"),
    [
        ("/entities/counter/a?op=add", "{", "is not JSON"),
        ("/entities/counter/a?op=add", '"x"', "int"),
        ("/entities/counter/a?op=add", "", "int"),
        ("/entities/counter/a?op=move", "[1]", "missing 'sign'"),
        ("/entities/counter/a?op=fly", "1", "no operation 'fly'"),
        ("/entities/counter/a", "1", "no operation ''"),
        ("/entities/counter/a%00", "1", "no control characters"),
        ("/entities/co@unter/a?op=add", "1", "entity name"),
    ],
)
async def test_bad_signal_is_told_why(
    http: httpx.AsyncClient, path: str, content: str, says: str
) -> None:
    answer = await http.post(path, content=content, headers=JSON)
    assert answer.status_code == 400
    assert says in answer.json()["Message"]


@pytest.mark.parametrize(
    ("segment", "key"),
    [("$", ""), ("a%2Fb", "a/b"), ("a@b", "a@b"), ("%24", ""), ("A%20%3F", "A ?")],
)
async def test_keys_are_unescaped(
    http: httpx.AsyncClient, runtime: Runtime, segment: str, key: str
) -> None:
    await runtime.client.entity("counter", key).call("add", 3)
    assert (await http.get(f"/entities/counter/{segment}")).json() == {"value": 3}
    listed = (await http.get("/entities/counter")).json()
    assert [found["entityId"] for found in listed] == [{"name": "counter", "key": key}]
    assert (await http.delete(f"/entities/counter/{segment}")).status_code == 202
    assert await runtime.client.entity("counter", key).call("add", 1) == 1


async def test_list_has_states_on_demand(http: httpx.AsyncClient, runtime: Runtime) -> None:
    await runtime.client.entity("counter", "b").call("add", 1)
    await runtime.client.entity("label", "a").call("write", "x")
    listed = (await http.get("/entities")).json()
    assert [list(found) for found in listed] == [["entityId", "lastOperationTime"]] * 2
    fetched = (await http.get("/entities?fetchState=true")).json()
    assert [found["state"] for found in fetched] == [{"value": 1}, {"text": "x"}]
    only = (await http.get("/entities/LABEL?fetchState=true")).json()
    assert only == fetched[1:]
    later = {"lastOperationTimeFrom": "2999-01-01T00:00:00Z"}
    assert (await http.get("/entities", params=later)).json() == []
    assert len((await http.get("/entities?lastOperationTimeTo=2999-01-01")).json()) == 2


async def test_list_of_entities_has_pages(http: httpx.AsyncClient, runtime: Runtime) -> None:
    for key in "abc":
        await runtime.client.entity("counter", key).call("add", 1)
    first = await http.get("/entities/counter?top=2")
    assert [found["entityId"]["key"] for found in first.json()] == ["a", "b"]
    rest = await http.get("/entities/counter?top=2", headers={TOKEN: first.headers[TOKEN]})
    assert [found["entityId"]["key"] for found in rest.json()] == ["c"]
    assert TOKEN not in rest.headers


async def test_entity_is_purged_as_an_instance(http: httpx.AsyncClient, runtime: Runtime) -> None:
    await runtime.client.entity("counter", "a").call("add", 1)
    answer = await http.delete("/instances/@counter@a")
    assert (answer.status_code, answer.json()) == (200, {"instancesDeleted": 1})
    assert (await http.get("/entities/counter/a")).status_code == 404
    assert (await http.delete("/instances/@counter@a")).status_code == 404
    assert (await http.delete("/instances/@counter")).status_code == 400


async def test_entities_are_no_orchestrations(http: httpx.AsyncClient, runtime: Runtime) -> None:
    await runtime.client.entity("counter", "a").call("add", 1)
    assert (await http.get("/instances")).json() == []
    assert (await http.get("/instances/@counter@a")).status_code == 404
    assert (await http.post("/instances/@counter@a/terminate")).status_code == 404


@pytest.mark.parametrize(
    ("name", "operation", "says"),
    [
        ("stubborn", "touch", "was not deleted: RuntimeError: never"),
        ("forgetful", "delete", "'delete' keeps the state"),
    ],
)
async def test_entity_stays_when_its_delete_refuses(
    http: httpx.AsyncClient, runtime: Runtime, name: str, operation: str, says: str
) -> None:
    await runtime.client.entity(name, "a").call(operation)
    answer = await http.delete(f"/instances/@{name}@a")
    assert answer.status_code == 412
    assert says in answer.json()["Message"]
    assert (await http.get(f"/entities/{name}/a")).status_code == 200


async def test_locked_entity_is_deleted_when_it_is_free(
    http: httpx.AsyncClient, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perdure.http.instances.ENTITY_PATIENCE_SECONDS", 0.02)
    await runtime.client.entity("counter", "a").call("add", 1)
    holder = await runtime.client.start_new("locks", "a", instance_id="holder")
    await runtime.client.gateway.watch("holder", lambda row: row.custom_status is not None)
    answer = await http.delete("/instances/@counter@a")
    assert answer.status_code == 503
    assert "is busy or locked" in answer.json()["Message"]
    await holder.raise_event("go")
    assert await runtime.client.entity("counter", "a").call("add", 1) == 1
