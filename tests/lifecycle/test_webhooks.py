"""Webhooks: lifecycle events over real sockets, while time is virtual."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

import anyio
import anyio.to_thread
import pytest
from attrs import define, field

from perdure import (
    App,
    HttpRetryPolicy,
    Lifecycle,
    OrchestrationContext,
    RetryPolicy,
    Runtime,
    Webhook,
)
from perdure.testing import Environment

app = App("shop")


@app.orchestration
async def greets(ctx: OrchestrationContext, name: str) -> str:
    if not name:
        raise ValueError("nobody there")
    return f"hello {name}"


@app.orchestration
async def counts_down(ctx: OrchestrationContext, number: int) -> None:
    if number:
        ctx.continue_as_new(number - 1)


@define
class Receiver:
    """A server that takes events; the statuses that it answers with, the last one for ever."""

    port: int = 0
    statuses: list[int] = field(factory=lambda: [200])
    received: list[tuple[dict[str, str], Any]] = field(factory=list[tuple[dict[str, str], Any]])
    held: Event | None = None
    """Answers wait until it is set."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/events"

    @property
    def events(self) -> list[Any]:
        return [event for _, body in self.received for event in body]


def handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            receiver.received.append((headers, json.loads(body)))
            if receiver.held is not None:
                receiver.held.wait(30)
            statuses = receiver.statuses
            self.send_response(statuses.pop(0) if len(statuses) > 1 else statuses[0])
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    return Handler


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    # The machine's proxy, if it has one, is kept out of this.
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    receiver = Receiver()
    with ThreadingHTTPServer(("127.0.0.1", 0), handler(receiver)) as server:
        receiver.port = server.server_port
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield receiver
        server.shutdown()
        thread.join()


async def test_event_grid_gets_its_own_shape(receiver: Receiver) -> None:
    headers = {"aeg-sas-key": "secret"}
    hook = Webhook(receiver.url, headers=headers, shape="event_grid", topic="/topics/t")
    async with Environment(app, hooks=[hook]) as env:
        await env.client.start_new(greets, "", instance_id="a")
        status = await env.client.wait_for_completion("a")
        await env.settle()
    assert receiver.received[0][0]["aeg-sas-key"] == "secret"
    assert receiver.received[0][0]["content-type"].startswith("application/json")
    running, failed = receiver.events
    assert running["data"]["runtimeStatus"] == "Running"
    assert status.failure_details is not None
    assert failed == {
        "id": failed["id"],
        "topic": "/topics/t",
        "subject": "durable/orchestrator/Failed",
        "data": {
            "hubName": "shop",
            "functionName": "greets",
            "instanceId": "a",
            "reason": str(status.failure_details),
            "runtimeStatus": "Failed",
        },
        "eventType": "orchestratorEvent",
        "eventTime": failed["eventTime"],
        "dataVersion": "1.0",
    }
    assert running["id"] != failed["id"]


async def test_event_grid_hears_nothing_that_it_has_no_name_for(receiver: Receiver) -> None:
    hook = Webhook(receiver.url, shape="event_grid", hub="production")
    async with Environment(app, hooks=[hook]) as env:
        await (await env.client.start_new(counts_down, 1)).result()
        await env.settle()
    told = [event["subject"].rpartition("/")[2] for event in receiver.events]
    assert told == ["Running", "Running", "Completed"]
    assert {event["data"]["hubName"] for event in receiver.events} == {"production"}


async def test_the_plain_shape_says_everything(receiver: Receiver) -> None:
    hook = Webhook(receiver.url, kinds={Lifecycle.COMPLETED})
    async with Environment(app, hooks=[hook]) as env:
        await (await env.client.start_new(greets, "Ann", instance_id="a", tags={"k": "v"})).result()
        await env.settle()
        status = await env.client.get_status("a")
    (event,) = receiver.events
    assert status is not None
    assert status.completed_time is not None
    assert event.pop("id")
    assert event == {
        "kind": "completed",
        "time": status.completed_time.isoformat(),
        "instanceId": "a",
        "executionId": status.execution_id,
        "parentInstanceId": None,
        "name": "greets",
        "version": None,
        "tags": {"k": "v"},
        "reason": None,
    }


@pytest.mark.parametrize(
    "retry",
    [
        RetryPolicy(max_attempts=3, first_interval=timedelta(minutes=5)),
        HttpRetryPolicy(
            max_attempts=3, first_interval=timedelta(minutes=5), status_codes=(429, 503)
        ),
        HttpRetryPolicy(max_attempts=3, first_interval=timedelta(minutes=5)),
    ],
)
async def test_a_busy_receiver_is_tried_again(receiver: Receiver, retry: RetryPolicy) -> None:
    receiver.statuses = [503, 429, 200]
    hook = Webhook(receiver.url, retry=retry, kinds={Lifecycle.STARTED})
    async with Environment(app, hooks=[hook], auto_advance=False) as env:
        await (await env.client.start_new(greets, "Ann")).result()
        for attempts in (1, 2, 3):
            await env.settle()
            assert len(receiver.received) == attempts
            await env.advance(timedelta(minutes=5, seconds=1))
        (line,) = env.runtime.hooks.lines
    assert (line.told, line.failed) == (1, 0)
    assert len({event["id"] for event in receiver.events}) == 1


@pytest.mark.parametrize(("statuses", "attempts"), [([400], 1), ([302], 1), ([500], 2)])
async def test_a_refusal_is_logged_and_counted(
    receiver: Receiver, statuses: list[int], attempts: int, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.statuses = statuses
    retry = RetryPolicy(max_attempts=2, first_interval=1)
    hook = Webhook(receiver.url, kinds={Lifecycle.STARTED}, retry=retry)
    async with Environment(app, hooks=[hook]) as env:
        await (await env.client.start_new(greets, "Ann", instance_id="a")).result()
        await env.settle()
        await env.advance(timedelta(seconds=5))
        (line,) = env.runtime.hooks.lines
    assert (len(receiver.received), line.told, line.failed) == (attempts, 0, 1)
    (record,) = [record for record in caplog.records if record.name == "perdure.hooks"]
    assert record.exc_info is None
    problem = f"POST {receiver.url}: status {statuses[0]}"
    assert record.getMessage() == (
        f"hook {receiver.url} failed for a started: {problem}; 1 events failed so far"
    )


async def test_nobody_listening_harms_no_instance(receiver: Receiver) -> None:
    nowhere = Webhook(receiver.url.replace("/events", ""), retry=RetryPolicy(max_attempts=1))
    closed = Webhook("http://127.0.0.1:9/", retry=RetryPolicy(max_attempts=2, first_interval=1))
    async with Environment(app, hooks=[nowhere, closed]) as env:
        for _ in range(3):
            await (await env.client.start_new(greets, "Ann")).result()
        await env.settle()
        await env.advance(timedelta(minutes=1))
        _, line = env.runtime.hooks.lines
    assert (line.told, line.failed) == (0, 6)


async def test_what_waits_is_sent_together(receiver: Receiver) -> None:
    receiver.held = Event()
    async with Runtime(app, hooks=[Webhook(receiver.url)]) as runtime:
        await (await runtime.client.start_new(greets, "Ann")).result()
        await eventually(lambda: bool(receiver.received))
        for _ in range(5):
            await (await runtime.client.start_new(greets, "Ann")).result()
        receiver.held.set()
    assert len(receiver.events) == 12
    assert len(receiver.received) <= 3
    kinds = [event["kind"] for event in receiver.events]
    assert kinds == ["started", "completed"] * 6


async def eventually(true: Callable[[], bool]) -> None:
    with anyio.fail_after(10):
        while not true():
            await anyio.to_thread.run_sync(Event().wait, 0.001)


def test_bad_webhooks_are_refused_with_a_reason() -> None:
    bad: list[tuple[Callable[[], object], str]] = [
        (lambda: Webhook("ftp://somewhere"), "http"),
        (lambda: Webhook("https://user:word@somewhere"), "headers"),
        (lambda: Webhook("https://x.org", shape="xml"), "shape is"),  # type: ignore[arg-type]
        (lambda: Webhook("https://x.org", kinds=["failed"]), "kinds takes"),  # type: ignore[list-item]
        (lambda: Webhook("https://x.org", retry=3), "retry"),  # type: ignore[arg-type]
        (lambda: Webhook("https://x.org", timeout=0), "timeout"),
    ]
    for make, said in bad:
        with pytest.raises((TypeError, ValueError), match=said):
            make()
