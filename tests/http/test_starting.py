"""Starting by HTTP: inputs, ids, versions, conflicts, and waiting for the end."""

from typing import Any

import anyio
import httpx
import pytest

from perdure import OrchestrationContext, Runtime

Links = dict[str, str]

KEYS = [
    "id",
    "statusQueryGetUri",
    "sendEventPostUri",
    "terminatePostUri",
    "purgeHistoryDeleteUri",
    "restartPostUri",
    "suspendPostUri",
    "resumePostUri",
]
WAITING = {"timeout": "9", "pollingInterval": "1"}


async def test_start_answers_with_links_that_work(http: httpx.AsyncClient) -> None:
    answer = await http.post("/orchestrators/waits/one", json="label")
    links: Links = answer.json()
    base = f"{http.base_url}instances/one"
    assert answer.status_code == 202
    assert list(links) == KEYS
    assert links["statusQueryGetUri"] == answer.headers["Location"] == base
    assert answer.headers["Retry-After"] == "10"
    assert answer.headers["Content-Type"] == "application/json"
    assert links["terminatePostUri"] == f"{base}/terminate?reason={{text}}"
    event = links["sendEventPostUri"].replace("{eventName}", "other")
    for link in (event, links["suspendPostUri"], links["resumePostUri"]):
        assert (await http.post(link, json=1)).status_code == 202
    again = (await http.post(links["restartPostUri"])).json()
    assert again["id"] != "one"
    assert (await http.post(links["terminatePostUri"])).status_code == 202
    await http.get(links["statusQueryGetUri"])


async def test_start_makes_an_id_when_given_none(http: httpx.AsyncClient) -> None:
    for path in ("/orchestrators/waits", "/orchestrators/waits/"):
        instance_id = (await http.post(path)).json()["id"]
        assert len(instance_id) == 32
        assert (await http.get(f"/instances/{instance_id}")).json()["input"] is None


@pytest.mark.parametrize(
    ("name", "body", "output"),
    [
        ("echoes", "null", None),
        ("echoes", "", None),
        ("echoes", '{"a": [1, "ü"]}', {"a": [1, "ü"]}),
        ("echoes", "[1, 2]", [1, 2]),
        ("echoes", "1180591620717411303424", 2**70),
        ("adds", "[1, 2]", 3),
        ("adds", "[1]", 11),
        ("adds", "1", 11),
        ("echoes", "\ufeff5", 5),
        ("versioned?version=1", "", "1"),
        ("versioned", "", "2"),
    ],
)
async def test_input_arrives_as_it_was_sent(
    http: httpx.AsyncClient, name: str, body: str, output: Any
) -> None:
    path = httpx.URL(f"/orchestrators/{name}").copy_merge_params(WAITING)
    answer = await http.post(path, content=body.encode())
    assert (answer.status_code, answer.json()) == (200, output)


@pytest.mark.parametrize(
    ("path", "body", "says"),
    [
        ("/orchestrators/echoes", b"{", "is not JSON"),
        ("/orchestrators/echoes", b"NaN", "is not JSON"),
        ("/orchestrators/echoes", b"1e999", "JSON"),
        ("/orchestrators/echoes", b"[" * 100_000, "is not JSON"),
        ("/orchestrators/echoes", b'"\\ud800"', "JSON"),
        ("/orchestrators/echoes", b"\xff", "not UTF-8"),
        ("/orchestrators/nothing", b"1", "no orchestration 'nothing'"),
        ("/orchestrators/versioned?version=3", b"", "version 3"),
        ("/orchestrators/doubles?version=9", b'"x"', "int"),
        ("/orchestrators/doubles", b"", "int"),
        ("/orchestrators/adds", b"[1, 2, 3]", "it takes 2"),
        ("/orchestrators/echoes/@a@b", b"1", "belong to entities"),
        ("/orchestrators/echoes/a%2Fb", b"1", "'/' is not allowed"),
        ("/orchestrators/echoes/" + "x" * 300, b"1", "longer than 256"),
        ("/orchestrators/echoes?timeout=x&pollingInterval=1", b"1", "timeout is a number"),
        ("/orchestrators/echoes?timeout=1&pollingInterval=nan", b"1", "pollingInterval is a"),
        ("/orchestrators/echoes?timeout=1&pollingInterval=2", b"1", "must not exceed"),
    ],
)
async def test_what_cannot_start_is_told_why(
    http: httpx.AsyncClient, path: str, body: bytes, says: str
) -> None:
    answer = await http.post(path, content=body)
    assert answer.status_code == 400
    document = answer.json()
    assert says in document["Message"]
    assert document["ExceptionMessage"] == document["Message"]
    assert "StackTrace" not in document
    assert (await http.get("/instances")).json() == []


async def test_running_instance_is_not_replaced(http: httpx.AsyncClient) -> None:
    assert (await http.post("/orchestrators/waits/one")).status_code == 202
    answer = await http.post("/orchestrators/echoes/one")
    assert answer.status_code == 409
    assert "already exists and is" in answer.json()["Message"]


async def test_other_methods_find_nothing(http: httpx.AsyncClient) -> None:
    for method in ("GET", "PUT", "DELETE"):
        answer = await http.request(method, "/orchestrators/echoes")
        assert answer.status_code == 404


async def test_waiting_ends_as_soon_as_the_instance_does(
    http: httpx.AsyncClient, runtime: Runtime
) -> None:
    answers: list[httpx.Response] = []
    begun = anyio.Event()

    @runtime.app.activity
    async def announce() -> None:
        begun.set()

    @runtime.app.orchestration
    async def announces(ctx: OrchestrationContext) -> str:
        await ctx.call_activity(announce)
        return await ctx.wait_for_external_event("go", str)

    async def wait() -> None:
        answers.append(await http.post("/orchestrators/announces/one", params=WAITING))

    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            await begun.wait()
            await http.post("/instances/one/raiseEvent/go", json="went")
    assert [(answer.status_code, answer.json()) for answer in answers] == [(200, "went")]


@pytest.mark.parametrize("flag", ["", "true"])
async def test_waiting_shows_the_status_of_a_failure(http: httpx.AsyncClient, flag: str) -> None:
    query = WAITING | {"returnInternalServerErrorOnFailure": flag}
    answer = await http.post("/orchestrators/fails", params=query)
    assert answer.status_code == (500 if flag else 200)
    assert answer.json()["runtimeStatus"] == "Failed"


@pytest.mark.parametrize(
    "query", [{"timeout": "0", "pollingInterval": "0"}, {"timeout": "9"}, {"pollingInterval": "1"}]
)
async def test_links_come_when_nobody_waits_longer(
    http: httpx.AsyncClient, query: dict[str, str]
) -> None:
    answer = await http.post("/orchestrators/waits/one", params=query)
    assert answer.status_code == 202
    assert answer.json()["id"] == "one"


async def test_restart_waits_as_a_start_does(http: httpx.AsyncClient) -> None:
    await http.post("/orchestrators/doubles/one", params=WAITING, json=21)
    again = await http.post("/instances/one/restart", params=WAITING)
    assert (again.status_code, again.json()) == (200, 42)
    same = WAITING | {"restartWithNewInstanceId": "FALSE"}
    assert (await http.post("/instances/one/restart", params=same)).json() == 42
    assert len((await http.get("/instances")).json()) == 2
