"""Every row of the API that names an instance, in every status that one can be in."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager

import httpx
import pytest

from perdure import Client, Status
from perdure.http import management_site
from perdure.persistence.memory import MemoryStore
from perdure.persistence.records import InstanceRow, Start

Put = Callable[[str], Awaitable[str]]

RUNNING = ("Pending", "Running", "Suspended")
ENDED = ("Completed", "Failed", "Terminated")
EVERY = (*RUNNING, *ENDED)


def codes(running: int, ended: int, unknown: int, **others: int) -> dict[str, int]:
    by_status = dict.fromkeys(RUNNING, running) | dict.fromkeys(ENDED, ended)
    return by_status | {"None": unknown} | others


ROWS = [
    ("GET", "/instances/{}", codes(202, 200, 404)),
    (
        "GET",
        "/instances/{}?returnInternalServerErrorOnFailure=true",
        codes(202, 200, 404, Failed=500),
    ),
    ("DELETE", "/instances/{}", codes(412, 200, 404)),
    ("POST", "/instances/{}/raiseEvent/other", codes(202, 410, 404)),
    ("POST", "/instances/{}/terminate?reason=enough", codes(202, 410, 404)),
    ("POST", "/instances/{}/suspend?reason=later", codes(202, 410, 404)),
    ("POST", "/instances/{}/resume?reason=now", codes(202, 410, 404)),
    ("POST", "/instances/{}/rewind?reason=again", codes(412, 412, 404, Failed=202)),
    ("POST", "/instances/{}/restart", codes(202, 202, 400)),
    ("POST", "/instances/{}/restart?restartWithNewInstanceId=false", codes(409, 202, 400)),
    ("POST", "/orchestrators/echoes/{}", codes(409, 202, 202)),
]


@pytest.mark.parametrize(("method", "path", "expected"), ROWS, ids=lambda part: str(part)[:60])
async def test_each_status_has_its_status_code(
    http: httpx.AsyncClient, put: Put, method: str, path: str, expected: dict[str, int]
) -> None:
    found: dict[str, int] = {}
    for status in expected:
        place = path.format(await put(status))
        answer = await http.request(method, place, json=None if method == "DELETE" else {})
        found[status] = answer.status_code
        if answer.status_code >= 400 and "Internal" not in path:
            assert answer.json()["Message"]
    assert found == expected


@pytest.mark.parametrize("status", EVERY)
async def test_status_has_the_fields_of_the_host(
    http: httpx.AsyncClient, put: Put, status: str
) -> None:
    instance_id = await put(status)
    answer = await http.get(f"/instances/{instance_id}")
    document = answer.json()
    assert list(document) == [
        "name",
        "instanceId",
        "runtimeStatus",
        "input",
        "customStatus",
        "output",
        "createdTime",
        "lastUpdatedTime",
    ]
    assert (document["instanceId"], document["runtimeStatus"]) == (instance_id, status)
    assert document["output"] == {
        "Completed": "done",
        "Failed": "Orchestrator function 'fails' failed: no luck",
        "Terminated": "enough",
    }.get(status)
    if status in RUNNING:
        assert answer.headers["Retry-After"] == "5"
        assert answer.headers["Location"] == str(answer.url)
    else:
        assert not {"Retry-After", "Location"} & {name.title() for name in answer.headers}


@pytest.mark.parametrize(
    ("status", "code"), [(Status.CONTINUED_AS_NEW, 202), (Status.CANCELED, 200)]
)
async def test_statuses_that_nobody_sets_are_shown(
    serving: Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]],
    status: Status,
    code: int,
) -> None:
    store = MemoryStore()
    row = InstanceRow("rare", "0", "waits", None, status, 0, 0)
    store.post([], [Start(row, frozenset())])
    async with Client(store) as client, serving(management_site(client)) as http:
        answer = await http.get("/instances/rare")
    assert (answer.status_code, answer.json()["runtimeStatus"]) == (code, status.label)
