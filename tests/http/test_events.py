"""Events and reasons by HTTP, and the history that they leave."""

from collections.abc import Awaitable, Callable

import httpx
import pytest

from perdure import Runtime

Put = Callable[[str], Awaitable[str]]

JSON = {"Content-Type": "application/json; charset=utf-8"}


@pytest.mark.parametrize(
    ("body", "headers", "says"),
    [
        ("1", {}, "content type is application/json, not None"),
        ("1", {"Content-Type": "text/plain"}, "not 'text/plain'"),
        ("{", JSON, "is not JSON"),
    ],
)
async def test_event_is_json_and_says_so(
    http: httpx.AsyncClient, put: Put, body: str, headers: dict[str, str], says: str
) -> None:
    instance_id = await put("Running")
    place = f"/instances/{instance_id}/raiseEvent/go"
    answer = await http.post(place, content=body, headers=headers)
    assert answer.status_code == 400
    assert says in answer.json()["Message"]


@pytest.mark.parametrize(("status", "code"), [("None", 404), ("Completed", 410)])
async def test_status_is_looked_up_before_the_body(
    http: httpx.AsyncClient, put: Put, status: str, code: int
) -> None:
    instance_id = await put(status)
    answer = await http.post(f"/instances/{instance_id}/raiseEvent/go", content="{")
    assert answer.status_code == code


async def test_query_is_read_before_the_status(http: httpx.AsyncClient) -> None:
    answer = await http.get("/instances/nobody", params={"showHistory": "perhaps"})
    assert answer.status_code == 400


async def test_event_without_data_brings_none(http: httpx.AsyncClient, runtime: Runtime) -> None:
    for body, instance_id in ((b"", "empty"), (b"null", "null")):
        await runtime.client.start_new("waits", instance_id=instance_id)
        place = f"/instances/{instance_id}/raiseEvent/other"
        answer = await http.post(place, content=body, headers=JSON)
        assert (answer.status_code, answer.content) == (202, b"")
        history = await runtime.client.get_history(instance_id)
        assert "EventRaised" in [event.event_type for event in history]


async def test_names_of_events_are_unescaped(http: httpx.AsyncClient, runtime: Runtime) -> None:
    instance = await runtime.client.start_new("waits", instance_id="ä b%c")
    await http.post("/instances/%C3%A4%20b%25c/raiseEvent/a%2Fb%3F", json=1)
    await http.post("/instances/%C3%A4%20b%25c/RAISEEVENT/go", json="went")
    assert await instance.result() == "went"
    shown = (await http.get("/instances/%C3%A4 b%25c?showHistory=true")).json()
    raised = [e["Name"] for e in shown["historyEvents"] if e["EventType"] == "EventRaised"]
    assert raised == ["a/b?", "go"]


async def test_reasons_are_kept(http: httpx.AsyncClient, put: Put) -> None:
    instance_id = await put("Running")
    for verb in ("suspend", "resume", "terminate"):
        await http.post(f"/instances/{instance_id}/{verb}", params={"reason": f"{verb} ü&x"})
    shown = await http.get(f"/instances/{instance_id}?showHistory=true")
    history = {entry["EventType"]: entry for entry in shown.json()["historyEvents"]}
    assert history["ExecutionSuspended"]["Reason"] == "suspend ü&x"
    assert history["ExecutionResumed"]["Reason"] == "resume ü&x"
    assert history["ExecutionTerminated"]["Reason"] == "terminate ü&x"
    assert shown.json()["output"] == "terminate ü&x"


async def test_rewound_instance_runs_again(http: httpx.AsyncClient, put: Put) -> None:
    instance_id = await put("Failed")
    await http.post(f"/instances/{instance_id}/rewind", params={"reason": "again"})
    shown = await http.get(f"/instances/{instance_id}?showHistory=true")
    entries = shown.json()["historyEvents"]
    assert [e["Reason"] for e in entries if e["EventType"] == "ExecutionRewound"] == ["again"]


async def test_history_joins_calls_and_outcomes(http: httpx.AsyncClient, runtime: Runtime) -> None:
    instance = await runtime.client.start_new("doubles", 4, instance_id="one")
    assert await instance.result() == 8
    shown = (await http.get("/instances/one?showHistory=true&showHistoryOutput=true")).json()
    started, task, completed = shown["historyEvents"]
    assert shown["customStatus"] == {"at": 4}
    assert (started["EventType"], started["FunctionName"]) == ("ExecutionStarted", "doubles")
    assert started["Input"] == 4
    assert set(task) == {
        *("EventType", "Timestamp", "ScheduledTime", "FunctionName", "Input", "Result")
    }
    assert (task["EventType"], task["FunctionName"]) == ("TaskCompleted", "double")
    assert (task["Input"], task["Result"]) == (4, 8)
    assert completed["OrchestrationStatus"] == "Completed"
    assert completed["Result"] == 8


async def test_history_shows_payloads_on_demand(http: httpx.AsyncClient, runtime: Runtime) -> None:
    instance = await runtime.client.start_new("doubles", 4, instance_id="one")
    await instance.result()
    plain = (await http.get("/instances/one")).json()
    assert "historyEvents" not in plain
    shown = (await http.get("/instances/one?showHistory=true&showInput=false")).json()
    assert not [e for e in shown["historyEvents"] if {"Input", "Result"} & set(e)]


async def test_history_of_the_pending_is_empty(http: httpx.AsyncClient, put: Put) -> None:
    instance_id = await put("Pending")
    shown = (await http.get(f"/instances/{instance_id}?showHistory=true")).json()
    assert shown["historyEvents"] == []


async def test_history_tells_of_entities_children_timers(
    http: httpx.AsyncClient, runtime: Runtime
) -> None:
    instance = await runtime.client.start_new("counts", "k", instance_id="one")
    assert await instance.result() == 2
    shown = (await http.get("/instances/one?showHistory=true&showHistoryOutput=true")).json()
    history = {entry["EventType"]: entry for entry in shown["historyEvents"]}
    assert history["EntityLockGranted"]["LockSet"] == ["@counter@k"]
    assert history["EntityUnlockSent"]["EntityId"] == "@counter@k"
    called = history["EntityOperationCompleted"]
    assert (called["EntityId"], called["Operation"]) == ("@counter@k", "add")
    assert (called["Input"], called["Result"]) == (2, 2)
    assert history["EntityOperationSignaled"]["Operation"] == "add"
    assert history["SubOrchestrationInstanceCompleted"]["FunctionName"] == "echoes"
    assert history["TimerFired"]["FireAt"] >= history["TimerFired"]["ScheduledTime"]


async def test_failures_in_the_history_have_no_stack(http: httpx.AsyncClient, put: Put) -> None:
    instance_id = await put("Failed")
    answer = await http.get(f"/instances/{instance_id}?showHistory=true&show=failureDetails")
    entry = answer.json()["historyEvents"][-1]
    assert entry["Reason"] == "ValueError: no luck"
    assert "Traceback" not in answer.text
