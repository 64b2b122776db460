"""Counting instances by HTTP: by status, in total, and with filters."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import httpx
import pytest

from perdure import Status

Put = Callable[[str], Awaitable[str]]


def all_but(**some: int) -> dict[str, object]:
    numbers = {status.label: some.get(status.label, 0) for status in Status}
    return {"total": sum(some.values()), "runtimeStatus": numbers}


async def test_an_empty_hub_counts_nothing(http: httpx.AsyncClient) -> None:
    answer = await http.get("/counts")
    assert (answer.status_code, answer.json()) == (200, all_but())


async def test_instances_are_counted_by_status(http: httpx.AsyncClient, put: Put) -> None:
    for status in ("Running", "Failed", "Pending", "Failed"):
        await put(status)
    assert (await http.get("/counts")).json() == all_but(Running=1, Failed=2, Pending=1)


async def test_filters_narrow_the_counts(http: httpx.AsyncClient, put: Put) -> None:
    running, _ = await put("Running"), await put("Failed")
    for query, counted in (
        ({"runtimeStatus": "Failed,Completed"}, all_but(Failed=1)),
        ({"instanceIdPrefix": running}, all_but(Running=1)),
        ({"createdTimeFrom": datetime.now(UTC).replace(year=2999).isoformat()}, all_but()),
        ({"createdTimeTo": "2001-01-01T00:00:00Z"}, all_but()),
        ({"createdTimeFrom": "2001-01-01T00:00:00Z"}, all_but(Running=1, Failed=1)),
    ):
        assert (await http.get("/counts", params=query)).json() == counted


@pytest.mark.parametrize("name", ["createdTimeFrom", "createdTimeTo"])
async def test_what_is_no_time_is_refused(http: httpx.AsyncClient, name: str) -> None:
    answer = await http.get("/counts", params={name: "soon"})
    assert answer.status_code == 400
    assert name in answer.json()["Message"]


async def test_an_instance_may_be_called_counts(http: httpx.AsyncClient) -> None:
    assert (await http.post("/orchestrators/waits/counts")).status_code == 202
    assert (await http.get("/instances/counts")).json()["instanceId"] == "counts"
