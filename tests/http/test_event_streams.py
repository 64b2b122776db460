"""Server-sent events: the progress of an instance, told over a socket while it happens."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Self

import anyio
import anyio.lowlevel
import httpx
import orjson
import pytest
from attrs import define, field, frozen

from perdure import App, Client, OrchestrationContext, Runtime
from perdure.http import Keys, management_site

Put = Callable[[str], Awaitable[str]]
Serving = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]
LAST = "Last-Event-ID"


@frozen
class Told:
    """One event of a stream; a comment has no name."""

    name: str
    data: Any = None
    id: str | None = None

    @classmethod
    def read(cls, block: bytes) -> Self:
        if block.startswith(b":"):
            return cls("", block.decode())
        fields = dict(line.split(": ", 1) for line in block.decode().split("\n"))
        return cls(fields["event"], orjson.loads(fields["data"]), fields.get("id"))


async def told_by(response: httpx.Response) -> AsyncIterator[Told]:
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["cache-control"] == "no-store"
    received = b""
    async for chunk in response.aiter_bytes():
        *blocks, received = (received + chunk).split(b"\n\n")
        for block in blocks:
            yield Told.read(block)
    assert received == b""


async def all_of(http: httpx.AsyncClient, path: str, **headers: str) -> list[Told]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with anyio.fail_after(20):
        async with http.stream("GET", path, headers=named) as response:
            return [told async for told in told_by(response)]


def history_of(told: list[Told]) -> list[Any]:
    return [event.data for event in told if event.name == "history"]


@pytest.fixture
def app() -> App:
    """One orchestration, which shows what comes in."""
    app = App("streams")

    @app.orchestration
    async def shows(ctx: OrchestrationContext, text: str = "first") -> str:
        while text != "last":
            ctx.set_custom_status(text)
            text = await ctx.wait_for_external_event("next", str)
        return text

    @app.orchestration
    async def fails(ctx: OrchestrationContext) -> None:
        raise ValueError("no luck")

    return app


@define
class Reader:
    """Answers each status that is told with the next event."""

    client: Client
    texts: list[str]
    told: list[Told] = field(factory=list[Told])

    async def read(self, http: httpx.AsyncClient, path: str) -> list[Told]:
        with anyio.fail_after(20):
            async with http.stream("GET", path) as response:
                async for told in told_by(response):
                    self.told.append(told)
                    if told.name == "status" and self.texts:
                        await self.client.raise_event("x", "next", self.texts.pop(0))
        return self.told


@pytest.mark.parametrize("place", ["inside", "outside"])
async def test_a_stream_tells_all_to_the_end(
    place: str, app: App, tmp_path: Path, serving: Serving
) -> None:
    url = f"sqlite:///{tmp_path}/hub.db"
    async with Runtime(app, store=url, poll_interval=0.005) as runtime, Client(url) as client:
        target = runtime if place == "inside" else client
        async with serving(management_site(target)) as http:
            await client.start_new("shows", instance_id="x")
            await client.wait_for_start("x", timeout=10)
            told = await Reader(client, ["a\nb", "ü\u2028", "last"]).read(
                http, "/instances/x/events"
            )
            history = (await http.get("/instances/x/history")).json()
    statuses = [event.data for event in told if event.name == "status"]
    assert [status["customStatus"] for status in statuses] == [
        "first",
        "a\nb",
        "ü\u2028",
        "ü\u2028",
    ]
    assert history_of(told) == [{k: v for k, v in e.items() if k != "instance_id"} for e in history]
    assert (told[-1].name, told[-1].data) == ("end", statuses[-1])
    assert (statuses[-1]["runtimeStatus"], statuses[-1]["output"]) == ("Completed", "last")


async def test_a_stream_goes_on_where_it_broke(http: httpx.AsyncClient, runtime: Runtime) -> None:
    await runtime.client.start_new("shows", instance_id="x")
    told = await Reader(runtime.client, ["a", "last"]).read(http, "/instances/x/events")
    for place, event in enumerate(told):
        if event.name == "history" and event.id is not None:
            later = await all_of(http, "/instances/x/events", Last_Event_ID=event.id)
            assert history_of(later) == history_of(told[place + 1 :])
            assert [e.name for e in later if e.name != "history"] == ["status", "end"]


async def test_a_reader_of_all_is_sent_away(http: httpx.AsyncClient, runtime: Runtime) -> None:
    instance = await runtime.client.start_new("shows", "last", instance_id="x")
    await instance.result(timeout=10)
    end = (await all_of(http, "/instances/x/events"))[-1]
    assert end.id is not None
    answer = await http.get("/instances/x/events", headers={LAST: end.id})
    assert (answer.status_code, answer.content) == (204, b"")
    again = await runtime.client.restart("x", restart_with_new_instance_id=False)
    await again.result(timeout=10)
    anew = await all_of(http, "/instances/x/events", Last_Event_ID=end.id)
    assert anew[-1].id not in (None, end.id)
    assert history_of(anew)[1]["type"] == "ExecutionStarted"


@pytest.mark.parametrize("last", ["x", "1-2-3", f"{'0' * 32}-1", f"{'0' * 32}-1-1-1", "\u00fc"])
async def test_what_is_no_event_id_is_refused(http: httpx.AsyncClient, put: Put, last: str) -> None:
    path = f"/instances/{await put('Failed')}/events"
    answer = await http.get(path, headers={LAST.encode(): last.encode()})
    assert answer.status_code == 400
    assert "the header Last-Event-ID is the id of an event" in answer.json()["Message"]


async def test_nobody_has_no_stream(http: httpx.AsyncClient) -> None:
    answer = await http.get("/instances/nobody/events")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/json")


async def test_a_quiet_stream_has_a_heartbeat(runtime: Runtime, serving: Serving) -> None:
    await runtime.client.start_new("shows", instance_id="x")
    site = management_site(runtime, heartbeat_seconds=0.01)
    names: list[str] = []
    with anyio.fail_after(20):
        async with (
            serving(site) as http,
            http.stream("GET", "/instances/x/events") as response,
        ):
            async for told in told_by(response):
                assert told.name or told == Told("", ": heartbeat")
                names.append(told.name)
                if names[-1] == "" and names.count("") == 3:
                    await runtime.client.raise_event("x", "next", "last")
    assert names.count("") >= 3
    assert names[-1] == "end"


async def test_a_reader_that_leaves_is_forgotten(http: httpx.AsyncClient, runtime: Runtime) -> None:
    await runtime.client.start_new("shows", instance_id="x")
    watchers, url = runtime.partition.watchers, http.base_url.join("instances/x/events")
    assert url.port is not None
    with anyio.fail_after(20):
        async with await anyio.connect_tcp(url.host, url.port) as connection:
            await connection.send(f"GET {url.path} HTTP/1.1\r\nHost: {url.host}\r\n\r\n".encode())
            received = b""
            while b"event: status" not in received:
                received += await connection.receive()
            while watchers.ids != ["x"]:
                await anyio.lowlevel.checkpoint()
        while watchers.ids:
            await anyio.lowlevel.checkpoint()


async def test_leaving_the_runtime_closes_the_stream(app: App, serving: Serving) -> None:
    runtime = Runtime(app)
    site = management_site(runtime)
    names: list[str] = []

    async def read(http: httpx.AsyncClient) -> None:
        names.extend(told.name for told in await all_of(http, "/instances/x/events"))

    async with serving(site) as http, anyio.create_task_group() as group, runtime:
        await runtime.client.start_new("shows", instance_id="x")
        group.start_soon(read, http)
        with anyio.fail_after(20):
            while not runtime.partition.watchers.ids:
                await anyio.lowlevel.checkpoint()
    assert names[-1] == "status"


async def test_a_reader_chooses_what_is_told(http: httpx.AsyncClient, runtime: Runtime) -> None:
    await runtime.client.start_new("shows", "last", instance_id="x", tags={"k": "v"})
    await runtime.client.wait_for_completion("x")
    path = "/instances/x/events?showHistory=false"
    plain = await all_of(http, path)
    full = await all_of(http, f"{path}&showInput=true&show=tags,version")
    assert [told.name for told in plain] == [told.name for told in full] == ["status", "end"]
    assert (plain[0].data["input"], full[0].data["input"]) == (None, "last")
    assert full[0].data == plain[0].data | {"input": "last", "tags": {"k": "v"}, "version": None}


async def test_stacks_stay_inside(http: httpx.AsyncClient, put: Put) -> None:
    told = await all_of(http, f"/instances/{await put('Failed')}/events?show=failureDetails")
    assert "no luck" in str(told)
    assert "Traceback" not in str(told)


async def test_a_key_for_looking_is_enough(runtime: Runtime, put: Put, serving: Serving) -> None:
    path = f"/instances/{await put('Failed')}/events"
    async with serving(management_site(runtime, keys=Keys(full="a", read_only="b"))) as http:
        assert (await http.get(path)).status_code == 401
        assert (await all_of(http, f"{path}?code=b"))[-1].name == "end"
        assert (await all_of(http, path, x_functions_key="b"))[-1].name == "end"


async def test_a_slow_reader_misses_nothing(runtime: Runtime) -> None:
    """A reader that takes one chunk, then nothing while much happens, then the rest."""
    await runtime.client.start_new("shows", instance_id="x")
    taken: list[bytes] = []
    first, go_on, never = anyio.Event(), anyio.Event(), anyio.Event()

    async def send(message: Any) -> None:
        taken.append(message.get("body", b""))
        if len(taken) == 2:
            first.set()
            await go_on.wait()

    requests: list[Any] = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Any:
        if not requests:
            await never.wait()
        return requests.pop()

    path = "/runtime/webhooks/durabletask/instances/x/events"
    scope: Any = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": []}
    async with anyio.create_task_group() as group:
        group.start_soon(management_site(runtime), scope, receive, send)
        await first.wait()
        for text in [*map(str, range(100)), "last"]:
            await runtime.client.raise_event("x", "next", text)
        await runtime.client.wait_for_completion("x")
        assert len(taken) == 2
        go_on.set()
    told = [Told.read(block) for block in b"".join(taken).split(b"\n\n") if block]
    raised = [event for event in history_of(told) if event["type"] == "EventRaised"]
    assert len(raised) == 101
    assert len([event for event in told if event.name == "status"]) == 2
