"""Event Grid notifications of Functions apps, over a real socket."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import anyio.lowlevel
import httpx
import pytest
from attrs import define, field

from perdure import HttpRetryPolicy, Lifecycle
from perdure.functions import FunctionsError
from perdure.functions.host_file import read_host_file

Hosting = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]
Written = Callable[..., Path]
Report = list[str]

API = "/runtime/webhooks/durabletask"
APP = """\
import azure.functions as func
import azure.durable_functions as df
app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)

@app.orchestration_trigger(context_name="context")
def greets(context):
    return "hello"
    yield
"""
TOPIC = {"topicEndpoint": "https://topic.example/api/events", "keySettingName": "TOPIC_KEY"}


@define
class Topic:
    """A server that takes events."""

    url: str
    keys: set[str] = field(factory=set[str])
    events: list[Any] = field(factory=list[Any])


@pytest.fixture
def topic(monkeypatch: pytest.MonkeyPatch) -> Iterator[Topic]:
    # The machine's proxy, if it has one, is kept out of this.
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    heard = Topic("")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.keys.add(self.headers["aeg-sas-key"])
            heard.events += json.loads(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        heard.url = f"http://127.0.0.1:{server.server_port}/api/events"
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield heard
        server.shutdown()
        thread.join()


def said(**grid: Any) -> dict[str, Any]:
    return {"hubName": "MyHub", "notifications": {"eventGrid": grid}}


async def test_a_topic_hears_of_each_instance(
    hosting: Hosting, written: Written, topic: Topic, report: Report
) -> None:
    settings = said(topicEndpoint=topic.url, keySettingName="TOPIC_KEY")
    async with hosting(written(APP, settings, {"TOPIC_KEY": "secret"})) as http:
        await http.post(f"{API}/orchestrators/greets/one")
        while len(topic.events) < 2:
            await anyio.lowlevel.checkpoint()
    assert topic.keys == {"secret"}
    assert [event["subject"] for event in topic.events] == [
        "durable/orchestrator/Running",
        "durable/orchestrator/Completed",
    ]
    assert topic.events[0]["data"] == {
        "hubName": "MyHub",
        "functionName": "greets",
        "instanceId": "one",
        "reason": "",
        "runtimeStatus": "Running",
    }
    assert not [line for line in report if "notifications" in line]


def read(folder: Path, durable: dict[str, Any], version: str = "2.0") -> Any:
    content = {"version": version, "extensions": {"durableTask": durable}}
    (folder / "host.json").write_text(json.dumps(content))
    return read_host_file(folder, {"PREFIX": "x"})


def test_all_settings_of_notifications_count(tmp_path: Path) -> None:
    more = {
        "publishRetryCount": 3,
        "publishRetryInterval": "00:00:30",
        "publishRetryHttpStatus": [400, 503],
        "publishEventTypes": ["Started", "failed"],
    }
    file = read(tmp_path, said(**TOPIC, **more))
    (webhook,) = file.settings.notifications.webhooks("MyHub", {"TOPIC_KEY": "k"})
    assert (webhook.url, webhook.hub) == (TOPIC["topicEndpoint"], "MyHub")
    assert webhook.headers == {"aeg-sas-key": "k"}
    assert webhook.kinds == {Lifecycle.STARTED, Lifecycle.FAILED}
    assert webhook.retry == HttpRetryPolicy(
        max_attempts=4, first_interval=timedelta(seconds=30), status_codes=(400, 503)
    )
    assert (file.ignored, file.unknown) == ((), ())
    flat = {f"eventGrid{name[0].upper()}{name[1:]}": value for name, value in TOPIC.items()}
    old = read(tmp_path, flat).settings.notifications
    assert old.topic_endpoint == TOPIC["topicEndpoint"]
    assert read(tmp_path, {}).settings.notifications.webhooks("MyHub", {}) == []


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"publishRetryCount": -1}, "publishRetryCount in host.json is a whole number"),
        ({"publishRetryInterval": "5 min"}, "is a duration like '00:05:00'"),
        ({"publishRetryInterval": "00:00:00"}, "is a duration longer than zero"),
        ({"publishRetryHttpStatus": [200]}, "is a list of statuses from 400 to 599"),
        ({"publishEventTypes": ["Paused"]}, "is a list of Started, Completed"),
        ({"publishEventTypes": 5}, "is a list"),
        ({"topicEndpoint": " "}, "topicEndpoint in host.json is a text that is not empty"),
        ({"topicEndpoint": "topic"}, "topicEndpoint in host.json: an HTTP call goes to"),
        ({"keySettingName": "OTHER"}, "there is none: 'OTHER'"),
    ],
)
def test_wrong_notifications_end_the_start(
    tmp_path: Path, wrong: dict[str, Any], problem: str
) -> None:
    with pytest.raises(FunctionsError, match=problem):
        read(tmp_path, said(**{**TOPIC, **wrong})).settings.notifications.webhooks(
            "MyHub", {"TOPIC_KEY": "k"}
        )
