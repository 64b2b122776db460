"""The whole history of an instance by HTTP, which a replay can read."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx
import pytest

from perdure import App, Client, Runtime, Status
from perdure.http import management_site
from perdure.persistence.memory import MemoryStore
from perdure.persistence.records import InstanceRow, Start, TurnRow
from perdure.testing import replay

Put = Callable[[str], Awaitable[str]]
Serving = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]


async def test_a_history_can_be_replayed(
    http: httpx.AsyncClient, runtime: Runtime, app: App
) -> None:
    await (await runtime.client.start_new("doubles", 4, instance_id="d")).result()
    answer = await http.get("/instances/d/history")
    assert answer.status_code == 200
    assert [event["type"] for event in answer.json()] == [
        event.event_type for event in await runtime.client.get_history("d")
    ]
    assert answer.json()[0]["instance_id"] == "d"
    replayed = replay(app, answer.content)
    assert (replayed.open_calls, replayed.new_calls) == (0, [])


async def test_nobody_has_no_history(http: httpx.AsyncClient) -> None:
    answer = await http.get("/instances/nobody/history")
    assert answer.status_code == 404
    assert "nobody" in answer.json()["Message"]


async def test_a_pending_instance_has_no_events(http: httpx.AsyncClient, put: Put) -> None:
    answer = await http.get(f"/instances/{await put('Pending')}/history")
    assert (answer.status_code, answer.json()) == (200, [])


class NewerStore(MemoryStore):
    """One in which a newer version has written."""

    def history(self, instance_id: str, first: int = 0) -> list[TurnRow]:
        return [TurnRow(instance_id, 0, 0, '[{"type":"FromTheFuture"}]')]


@pytest.mark.parametrize("path", ["history", "events"])
async def test_an_unreadable_history_is_told_as_such(serving: Serving, path: str) -> None:
    store = NewerStore()
    row = InstanceRow("x", "0" * 32, "a", None, Status.RUNNING, 0, 0)
    store.post([], [Start(row, frozenset())])
    async with Client(store) as client, serving(management_site(client)) as http:
        answer = await http.get(f"/instances/x/{path}")
    assert answer.status_code == 500
    assert "FromTheFuture" in answer.json()["Message"]


def failure_in(history: list[dict[str, Any]]) -> dict[str, Any]:
    (ended,) = [event for event in history if event["type"] == "ExecutionCompleted"]
    failure: dict[str, Any] = ended["event"]["failure"]
    return failure


async def test_stacks_are_shown_to_insiders_only(
    runtime: Runtime, put: Put, serving: Serving
) -> None:
    path = f"/instances/{await put('Failed')}/history"
    async with serving(management_site(runtime)) as http:
        outside = await http.get(path)
        assert failure_in(outside.json())["message"] == "no luck"
        assert "Traceback" not in outside.text
    async with serving(management_site(runtime, show_stacks=True)) as http:
        assert "Traceback" in failure_in((await http.get(path)).json())["stack"]
