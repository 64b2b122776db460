"""The same commands with `--url`: over the HTTP management API instead of the file."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import httpx
import pytest

from perdure import Status
from perdure.http import management_site


@pytest.fixture
def url(hub: Any, listening: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The API of the hub, which is what commands speak to when none else is named."""
    site = listening(management_site(hub.runtime))
    with hub.portal.wrap_async_context_manager(site) as address:
        monkeypatch.setenv("PERDURE_URL", address)
        monkeypatch.delenv("PERDURE_STORE")
        yield address


def test_starts_waits_and_statuses_work(perdure: Any, url: str) -> None:
    options = ["--id", "x", "--tag", "k=v", "--version", "2"]
    assert perdure("start", "hello", '["a"]', "--wait", *options) == '["Hello, a!"]\n'
    (found,) = perdure.json("status", "x", "--history")
    assert (found["tags"], found["version"]) == ({"k": "v"}, "2")
    assert (found["runtimeStatus"], found["output"]) == ("Completed", ["Hello, a!"])
    assert found["executionId"] is None
    assert "TaskCompleted" in [event["type"] for event in found["historyEvents"]]


def test_scheduled_and_conflicting_starts(perdure: Any, url: str) -> None:
    perdure("start", "waits", "--id", "x", "--at", "1h")
    assert perdure.json("status", "x")[0]["runtimeStatus"] == "Pending"
    assert "already exists" in perdure.refused(4, "start", "waits", "--id", "x")
    assert "no orchestration 'nope' is registered" in perdure.refused(2, "start", "nope")
    assert perdure.refused(1, "start", "fails", "--wait")


@pytest.mark.parametrize("data", [[], ["null"]])
def test_an_event_without_data_arrives_too(
    perdure: Any, hub: Any, url: str, data: list[str]
) -> None:
    perdure("start", "waits", "--id", "x")
    hub.until("x", Status.RUNNING)
    assert perdure("raise", "x", "go", *data) == "raised x\n"
    # It waits for a text, and got null.
    hub.until("x", Status.COMPLETED, Status.FAILED)


def test_instances_are_steered_to_their_end(perdure: Any, hub: Any, url: str) -> None:
    perdure("start", "waits", '"a"', "--id", "x")
    hub.until("x", Status.RUNNING)
    perdure("suspend", "x", "--reason", "lunch")
    hub.until("x", Status.SUSPENDED)
    perdure("resume", "x")
    perdure("raise", "x", "go", '"b"')
    assert perdure.json("status", "x", "--watch")[-1]["output"] == "a b"
    assert "it is Completed" in perdure.refused(4, "raise", "x", "go")
    assert perdure.refused(4, "rewind", "x")
    again = perdure("restart", "x").strip()
    hub.until(again, Status.RUNNING)
    perdure("terminate", again, "--reason", "enough")
    hub.until(again, Status.TERMINATED)
    assert perdure("purge", "x", "--yes") == "1 instances deleted\n"
    assert "there is no instance 'x'" in perdure.refused(3, "status", "x")


def test_what_is_waited_for_is_explained(perdure: Any, hub: Any, url: str) -> None:
    perdure("start", "parent", '"c"', "--id", "x")
    hub.until("x", Status.RUNNING)
    (answer,) = perdure.json("why", "x")
    behind = answer["waitingFor"][0]["because"]
    assert (behind["instanceId"], behind["waitingFor"][0]["name"]) == ("c", "go")
    assert "sub-orchestration waits" in perdure("gantt", "x")


def test_lists_and_counts_are_filtered(perdure: Any, url: str) -> None:
    for number in range(3):
        perdure("start", "hello", "[]", "--id", f"h{number}", "--wait")
    perdure("start", "waits", "--id", "w")
    assert perdure.json("count", "--prefix", "h") == [
        {"total": 3, "runtimeStatus": {"Completed": 3}}
    ]
    listed = ["list", "--prefix", "h", "--status", "Completed", "--created-from", "1h"]
    code, out, hint = perdure.run(*listed, "--limit", "2", "--json")
    assert (code, out.count("\n")) == (0, 2)
    token = hint.strip().rpartition("--after ")[2]
    assert [i["instanceId"] for i in perdure.json(*listed, "--after", token)] == ["h2"]
    assert perdure.json("purge", "--status", "Completed", "--yes") == [{"instancesDeleted": 3}]
    assert perdure.json("purge", "--all", "--yes") == [{"instancesDeleted": 0}]


def test_entities_are_signaled_and_read(perdure: Any, url: str) -> None:
    perdure("signal", "@counter@k", "add", "3")
    assert perdure("start", "adds", '"k"', "--wait") == "4\n"
    (found,) = perdure.json("entity", "read", "@counter@k")
    assert (found["state"], found["lastOperationTime"]) == ({"value": 4}, None)
    (listed,) = perdure.json("entity", "list", "--name", "counter")
    assert listed["state"] == {"value": 4}
    assert listed["lastOperationTime"] is not None
    assert perdure.refused(3, "entity", "read", "@counter@zz")


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (["--name", "hello"], ["h,0", "h1"]),
        (["--name", "hello", "--name", "waits"], ["c", "h,0", "h1"]),
        (["--tag", "team=x,y", "--tag", "n=a=b"], ["h1"]),
        (["--parent", "p"], ["c"]),
        (["--version", "7"], ["h1"]),
        (["--completed-from", "1h"], ["h,0", "h1"]),
        (["--completed-to", "1h"], []),
    ],
)
def test_every_filter_narrows_over_http(
    perdure: Any, hub: Any, url: str, options: list[str], found: list[str]
) -> None:
    perdure("start", "hello", "[]", "--id", "h,0", "--tag", "team=x,y", "--wait")
    perdure(
        "start",
        "hello",
        "[]",
        "--id",
        "h1",
        "--tag",
        "team=x,y",
        "--tag",
        "n=a=b",
        "--version",
        "7",
        "--wait",
    )
    perdure("start", "parent", '"c"', "--id", "p")
    hub.until("p", Status.RUNNING)
    assert sorted(i["instanceId"] for i in perdure.json("list", *options)) == found
    assert perdure.json("count", *options)[0]["total"] == len(found)
    ended = len([key for key in found if key != "c"])
    assert perdure.json("purge", "--yes", *options) == [{"instancesDeleted": ended}]


def test_versions_are_drained_over_http(perdure: Any, hub: Any, url: str) -> None:
    perdure("start", "waits", "--id", "x", "--version", "7")
    hub.until("x", Status.RUNNING)
    assert ": 1 left" in perdure.refused(5, "drain", "waits", "--version", "7", "--timeout", "0")
    assert perdure("drain", "waits", "--version", "8").endswith("is unfinished\n")
    said = perdure.refused(1, "list", "--version", "")
    assert "cannot tell which have no version: give --store" in said


def test_entities_are_listed_by_prefix(perdure: Any, url: str) -> None:
    for key in ("ka", "kb", "l"):
        perdure("start", "adds", f'"{key}"', "--wait")
    listed = perdure.json("entity", "list", "--name", "counter", "--prefix", "k")
    assert [found["entityId"]["key"] for found in listed] == ["ka", "kb"]
    assert "give --name of the entity too" in perdure.refused(2, "entity", "list", "--prefix", "k")


@pytest.fixture
def stranger(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Another service with the reference's API; notes what it is asked to do."""
    asked: list[str] = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(f"{self.command} {self.path}")
            lacking = self.path.endswith(("/openapi.json", "/workers"))
            self.send_response(404 if lacking else 200)
            self.end_headers()
            self.wfile.write(b'{"Message": "there is no such thing"}' if lacking else b"[]")

        do_DELETE = do_GET  # noqa: N815 - the server looks for this name

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its parent's
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("PERDURE_URL", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.delenv("PERDURE_STORE")
        yield asked
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("command", "lacking"),
    [
        (["list", "--name", "hello"], "name"),
        (["purge", "--yes", "--prefix", "a", "--tag", "k=v"], "instanceIdPrefix, tag"),
        (["entity", "list", "--name", "c", "--prefix", "k"], "keyPrefix"),
    ],
)
def test_a_filter_that_a_service_would_pass_over_is_refused(
    perdure: Any, stranger: list[str], command: list[str], lacking: str
) -> None:
    said = perdure.refused(1, *command)
    assert f"the management API cannot filter by {lacking} there" in said
    assert {line.split("/")[-1] for line in stranger} <= {"openapi.json"}
    assert perdure("list", "--prefix", "a") == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ["terminate", "x", "--recursive"],
        ["purge", "x", "--recursive", "--yes"],
        ["signal", "@c@k", "add", "--at", "1h"],
        ["entity", "clean"],
    ],
)
def test_what_the_api_lacks_is_told(perdure: Any, url: str, arguments: list[str]) -> None:
    said = perdure.refused(1, *arguments)
    assert "the management API cannot " in said
    assert "give --store instead of --url" in said


def test_a_service_that_owns_its_store_has_no_workers(perdure: Any, url: str) -> None:
    code, out, errors = perdure.run("workers")
    assert (code, out) == (0, "")
    assert errors.startswith(f"perdure: {url}/")
    assert "tells of no workers" in errors
    assert perdure.json("workers") == []


def test_a_service_that_knows_no_workers_is_told(perdure: Any, stranger: list[str]) -> None:
    assert "the management API cannot list workers there" in perdure.refused(1, "workers")
    said = perdure.refused(1, "workers", "--url", "http://127.0.0.1:1")
    assert "cannot reach http://127.0.0.1:1" in said


@pytest.mark.parametrize("command", ["doctor", "export", "backup"])
def test_files_are_not_reached_over_http(perdure: Any, url: str, command: str) -> None:
    arguments = [command, "copy.db"] if command == "backup" else [command]
    assert "works on the store itself, not over HTTP" in perdure.refused(2, *arguments)


def test_the_whole_path_is_a_url_too(perdure: Any, url: str) -> None:
    whole = f"{url}/runtime/webhooks/durabletask/"
    assert perdure.json("count", "--url", whole)[0]["total"] == 0
    said = perdure.refused(1, "count", "--url", f"{url}/elsewhere")
    assert "is no management API (it answers 404): give --url with its whole path" in said


@pytest.mark.parametrize("key", ["é", "a\nb"])
def test_a_key_that_cannot_be_sent_is_told(perdure: Any, url: str, key: str) -> None:
    for command in (["list"], ["status", "x"]):
        said = perdure.refused(2, *command, "--key", key)
        assert "--key (or PERDURE_KEY) has to be a text of printable ASCII characters" in said
        assert key not in said


@pytest.mark.parametrize("place", ["nowhere", "http://a:b", "http://[", "http://", "ftp://a"])
def test_an_address_that_is_none_is_told(perdure: Any, place: str) -> None:
    said = perdure.refused(2, "count", "--url", place)
    assert f"'{place}' is no URL: write http://host:port" in said


def test_a_service_that_is_gone_is_told(perdure: Any, hub: Any) -> None:
    said = perdure.refused(1, "list", "--url", "http://127.0.0.1:9")
    assert "cannot reach http://127.0.0.1:9/" in said
    assert "is the service running, and --url right?" in said
    assert httpx.__name__ not in said


@pytest.mark.parametrize("instance_id", ["..", "@counter@k", "a/b"])
def test_odd_ids_reach_nothing_else(perdure: Any, url: str, instance_id: str) -> None:
    assert "there is no instance" in perdure.refused(3, "terminate", instance_id)
