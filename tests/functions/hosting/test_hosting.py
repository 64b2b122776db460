"""The host as a whole: its report, its hubs, versions, and what it leaves out or refuses."""

import logging
import socket
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest

from perdure import Client, Runtime, StoreInUseError
from perdure.functions import FunctionsError, host
from perdure.functions.host_settings import VersionMatch
from perdure.functions.versions import runs_here

Hosting = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]
Written = Callable[..., Path]
Example = Callable[[str], Path]
Report = list[str]

API = "/runtime/webhooks/durabletask"
HEAD = """\
import json, os
import azure.functions as func
import azure.durable_functions as df
app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)

@app.orchestration_trigger(context_name="context")
def waits(context):
    answer = yield context.wait_for_external_event("go")
    return [answer, context.version]
"""


async def shown(http: httpx.AsyncClient, instance_id: str, wanted: str, **query: str) -> Any:
    """The status of an instance once it is in the wanted one."""
    while True:
        answer = await http.get(f"{API}/instances/{instance_id}", params=query)
        if answer.status_code != 404 and answer.json()["runtimeStatus"] == wanted:
            return answer.json()
        await anyio.lowlevel.checkpoint()


STRANGE = """
@app.queue_trigger(arg_name="msg", queue_name="q", connection="AzureWebJobsStorage")
def from_queue(msg: func.QueueMessage):
    pass

@app.route(route="upload")
@app.blob_output(arg_name="blob", path="x/y", connection="AzureWebJobsStorage")
def upload(req, blob: func.Out[str]):
    return "ok"

@app.route(route="off")
def off(req):
    return "ok"

@app.timer_trigger(arg_name="timer", schedule="0 0 3 * * *")
def nightly(timer: func.TimerRequest):
    pass
"""


async def test_the_report_tells_everything(
    hosting: Hosting, written: Written, report: Report
) -> None:
    values = {"AzureWebJobs.off.Disabled": "true", "PATH": "/nowhere"}
    folder = written(HEAD + STRANGE, {"hubNmae": "x"}, values, logging={})
    async with hosting(folder) as http:
        assert (await http.get("/api/upload")).status_code == 404
        assert (await http.get("/api/off")).status_code == 404
    assert report == [
        f"{folder} at {str(http.base_url).rstrip('/')}",
        "",
        "Functions:",
        "    nightly: timerTrigger 0 0 3 * * *",
        "    waits: orchestrationTrigger",
        "",
        "Task hubs:",
        f"    TestHubName  sqlite:///{folder}/.perdure/testhubname.db",
        "",
        "Not run:",
        "    from_queue: its trigger 'queueTrigger' is not supported",
        "    upload: bindings of this kind are not supported: 'blob' ('blob')",
        "    off: it is disabled",
        "",
        "Settings ignored in host.json:",
        "    logging: the logs are Python's: set up `logging`",
        "",
        "Settings unknown in host.json:",
        "    extensions.durableTask.hubNmae",
        "",
        "Set in the environment, not by local.settings.json:",
        "    PATH",
        "",
    ]


async def test_host_json_says_which_functions_run(
    hosting: Hosting, written: Written, report: Report
) -> None:
    async with hosting(written(HEAD + STRANGE, functions=["Waits"])):
        assert "    waits: orchestrationTrigger" in report
        assert "    off: host.json does not list it in functions" in report


async def test_calls_of_what_is_not_listed_say_why(hosting: Hosting, written: Written) -> None:
    async with hosting(written(HEAD + BUSY, functions=["busy"])) as http:
        await http.post(f"{API}/orchestrators/busy/one")
        status = await shown(http, "one", "Failed")
    assert "'work' is not run: host.json does not list it in functions" in status["output"]


async def test_only_the_public_site_is_announced(
    hosting: Hosting, written: Written, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with hosting(written(HEAD)) as http:
        told = [text for record in caplog.records if "Running on" in (text := record.getMessage())]
        assert [str(http.base_url.port) in text for text in told] == [True]


async def test_settings_and_folder_are_the_functions(hosting: Hosting, written: Written) -> None:
    code = """
@app.route(route="where")
def where(req):
    return json.dumps([os.getcwd(), os.environ.get("MY_SETTING")])
"""
    folder = written(HEAD + code, values={"MY_SETTING": "mine"})
    before = await anyio.Path.cwd()
    async with hosting(folder) as http:
        assert (await http.get("/api/where")).json() == [str(folder), "mine"]
    assert await anyio.Path.cwd() == before
    async with hosting(folder) as http:
        assert (await http.get("/api/where")).json() == [str(folder), "mine"]


async def test_what_was_running_goes_on_after_a_restart(hosting: Hosting, written: Written) -> None:
    folder = written(HEAD)
    async with hosting(folder) as http:
        await http.post(f"{API}/orchestrators/waits/one")
        await shown(http, "one", "Running")
    async with hosting(folder) as http:
        await http.post(f"{API}/instances/one/raiseEvent/go", json=1)
        assert (await shown(http, "one", "Completed"))["output"] == [1, None]


STARTER = """
import asyncio

@app.orchestration_trigger(context_name="context")
def starts(context):
    return (yield context.call_activity("begin", "two"))

@app.activity_trigger(input_name="name")
@app.durable_client_input(client_name="client")
async def begin(name: str, client):
    if not os.path.exists("again"):
        open("begun", "w").close()
        await asyncio.Event().wait()
    return await client.start_new("waits", name)
"""


async def test_activities_have_their_clients_from_the_start(
    hosting: Hosting, written: Written
) -> None:
    folder = written(HEAD + STARTER)
    async with hosting(folder) as http:
        await http.post(f"{API}/orchestrators/starts/one")
        while not await anyio.Path(folder, "begun").exists():
            await anyio.lowlevel.checkpoint()
    await anyio.Path(folder, "again").touch()
    async with hosting(folder) as http:
        assert (await shown(http, "one", "Completed"))["output"] == "two"
        await shown(http, "two", "Running")


MANY = """
import asyncio
running, peak = [], []

@app.orchestration_trigger(context_name="context")
def many(context):
    yield context.task_all([context.call_activity("counted", n) for n in range(6)])
    return (yield context.call_activity("highest"))

@app.activity_trigger(input_name="n")
async def counted(n: int):
    running.append(n)
    peak.append(len(running))
    await asyncio.sleep(0)
    running.remove(n)

@app.activity_trigger(input_name="nothing")
def highest(nothing):
    return max(peak)
"""


@pytest.mark.parametrize(
    ("settings", "status", "output"),
    [
        ({"maxConcurrentActivityFunctions": 2}, "Completed", "2"),
        ({"maxOrchestrationActions": 3}, "Failed", "asked for 3 things"),
    ],
)
async def test_limits_of_host_json_hold(
    hosting: Hosting, written: Written, settings: dict[str, int], status: str, output: str
) -> None:
    async with hosting(written(HEAD + MANY, settings)) as http:
        await http.post(f"{API}/orchestrators/many/one")
        ended = await shown(http, "one", status)
    assert output in str(ended["output"])


HUBS = """
@app.route(route="start/{hub}")
@app.durable_client_input(client_name="near")
@app.durable_client_input(client_name="far", task_hub="Far", connection_name="FarStore")
async def start(req, near, far):
    client = far if req.route_params["hub"] == "far" else near
    return client.create_check_status_response(req, await client.start_new("waits", "one"))
"""


async def test_one_host_has_several_hubs(
    hosting: Hosting, written: Written, report: Report
) -> None:
    values = {"FarStore": "sqlite:///far/{hub}.db"}
    folder = written(HEAD + HUBS, {"hubName": "Near"}, values)
    (folder / "far").mkdir()
    async with hosting(folder) as http:
        links = (await http.get("/api/start/far")).json()
        assert httpx.URL(links["statusQueryGetUri"]).params["connection"] == "FarStore"
        assert (await http.get(f"{API}/instances/one")).status_code == 404
        await http.post(links["sendEventPostUri"].format(eventName="go"), json=2)
        done = await shown(http, "one", "Completed", taskHub="far", connection="FarStore")
        assert done["output"] == [2, None]
        assert (await http.get("/api/start/near")).json()["id"] == "one"
        await shown(http, "one", "Running", taskHub="Near")
    assert (folder / "far" / "far.db").exists()


async def test_a_hub_of_another_process_is_only_sent_to(
    hosting: Hosting, written: Written, report: Report
) -> None:
    from perdure import App, OrchestrationContext  # noqa: PLC0415

    other = App("other")

    @other.orchestration(name="waits")
    async def elsewhere(ctx: OrchestrationContext) -> str:
        return "elsewhere"

    folder = written(HEAD + HUBS, {"hubName": "Near"}, {"FarStore": "sqlite:///far.db"})
    async with Runtime(other, f"sqlite:///{folder}/far.db") as runtime:
        async with hosting(folder) as http:
            assert (await http.get("/api/start/far")).status_code == 202
            assert any("run by another process" in line for line in report)
        assert (await runtime.client.wait_for_completion("one")).output == "elsewhere"


async def test_its_own_hub_has_one_host(hosting: Hosting, written: Written) -> None:
    folder = written(HEAD)
    async with hosting(folder):
        with pytest.raises(StoreInUseError):
            await host(folder, port=0, show=print)


async def test_a_port_in_use_is_told_as_it_is(hosting: Hosting, written: Written) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            await host(written(HEAD), port=port, show=print)


async def test_tools_reach_the_store_of_a_running_host(hosting: Hosting, written: Written) -> None:
    folder = written(HEAD, {"hubName": "Main"})
    async with hosting(folder) as http, Client(f"sqlite:///{folder}/.perdure/main.db") as client:
        instance = await client.start_new("waits", instance_id="one")
        await shown(http, "one", "Running")
        await client.raise_event("one", "go", 3)
        assert await instance.result() == [3, None]


@pytest.mark.parametrize(
    ("settings", "codes"),
    [({}, (404, 410)), ({"throwStatusExceptionsOnRaiseEvent": False}, (202, 202))],
)
async def test_events_for_nobody_are_errors_or_not(
    hosting: Hosting, written: Written, settings: dict[str, Any], codes: tuple[int, int]
) -> None:
    async with hosting(written(HEAD, settings)) as http:
        await http.post(f"{API}/orchestrators/waits/one")
        await http.post(f"{API}/instances/one/terminate?reason=over")
        await shown(http, "one", "Terminated")
        raised = [
            await http.post(f"{API}/instances/{i}/raiseEvent/go", json=1) for i in ["n", "one"]
        ]
    assert tuple(answer.status_code for answer in raised) == codes


@pytest.mark.parametrize(("states", "code"), [("NonRunningStates", 409), ("AnyState", 202)])
async def test_running_instances_give_way_when_told_to(
    hosting: Hosting, written: Written, states: str, code: int
) -> None:
    async with hosting(written(HEAD, {"overridableExistingInstanceStates": states})) as http:
        await http.post(f"{API}/orchestrators/waits/one")
        await shown(http, "one", "Running")
        assert (await http.post(f"{API}/orchestrators/waits/one")).status_code == code


async def test_new_instances_have_the_default_version(hosting: Hosting, written: Written) -> None:
    async with hosting(written(HEAD, {"defaultVersion": "2.1"})) as http:
        for path in ("one", "two?version=1.0"):
            await http.post(f"{API}/orchestrators/waits/{path}")
            name = path.partition("?")[0]
            await http.post(f"{API}/instances/{name}/raiseEvent/go", json=0)
        assert (await shown(http, "one", "Completed"))["output"] == [0, "2.1"]
        assert (await shown(http, "two", "Completed"))["output"] == [0, "1.0"]


async def test_newer_instances_wait_for_a_newer_host(hosting: Hosting, written: Written) -> None:
    folder = written(HEAD, {"defaultVersion": "3"})
    async with hosting(folder) as http:
        await http.post(f"{API}/orchestrators/waits/one")
        await shown(http, "one", "Running")
    async with hosting(written(HEAD, {"defaultVersion": "2"})) as http:
        await http.post(f"{API}/instances/one/raiseEvent/go", json=0)
        await http.post(f"{API}/orchestrators/waits/two?version=2.5")
        for name in ("one", "two"):
            waiting: object = None
            while "runs version '2' and older" not in str(waiting):
                status = await http.get(f"{API}/instances/{name}?show=waitingFor")
                waiting = status.json()["waitingFor"]
    async with hosting(written(HEAD, {"defaultVersion": "3"})) as http:
        assert (await shown(http, "one", "Completed"))["output"] == [0, "3"]
        await shown(http, "two", "Running")


async def test_newer_instances_fail_when_told_to(hosting: Hosting, written: Written) -> None:
    settings = {"defaultVersion": "2", "versionFailureStrategy": "Fail"}
    async with hosting(written(HEAD, settings)) as http:
        await http.post(f"{API}/orchestrators/waits/one?version=2.5")
        status = await shown(http, "one", "Failed", show="failureDetails")
    assert status["failureDetails"]["errorType"].endswith("VersionMismatch")


BUSY = """
@app.orchestration_trigger(context_name="context")
def busy(context):
    yield context.call_activity("work", 1)
    yield context.wait_for_external_event("go")

@app.activity_trigger(input_name="value")
def work(value: int):
    return value
"""


async def test_what_a_newer_host_began_fails_when_told_to(
    hosting: Hosting, written: Written
) -> None:
    async with hosting(written(HEAD + BUSY, {"defaultVersion": "3"})) as http:
        await http.post(f"{API}/orchestrators/busy/one")
        while "event" not in (await http.get(f"{API}/instances/one?show=waitingFor")).text:
            await anyio.lowlevel.checkpoint()
    settings = {"defaultVersion": "2", "versionFailureStrategy": "Fail"}
    async with hosting(written(HEAD + BUSY, settings)) as http:
        await http.post(f"{API}/instances/one/raiseEvent/go", json=0)
        status = await shown(http, "one", "Failed", show="failureDetails")
    details = status["failureDetails"]
    assert details["errorType"].endswith("VersionMismatch")
    assert "busy has version '3', but this host runs version '2'" in details["errorMessage"]


@pytest.mark.parametrize(
    ("version", "current", "matches"),
    [
        (None, "1", "None CurrentOrOlder"),
        ("", None, "None Strict CurrentOrOlder"),
        ("1.0", None, "None CurrentOrOlder"),
        ("1.9", "1.10", "None CurrentOrOlder"),
        ("1.10", "1.9", "None"),
        ("1.0", "1.0", "None Strict CurrentOrOlder"),
        ("Beta", "beta", "None Strict CurrentOrOlder"),
        ("beta", "alpha", "None"),
    ],
)
def test_versions_are_matched(version: str | None, current: str | None, matches: str) -> None:
    found = [match.value for match in VersionMatch if runs_here(version, current, match)]
    assert found == matches.split()


async def test_a_folder_that_is_no_app_is_refused(tmp_path: Path) -> None:
    for folder, problem in ((tmp_path / "none", "is no folder"), (tmp_path, "no Functions app")):
        with pytest.raises(FunctionsError, match=problem):
            await host(folder)
