"""The host as a process of its own: signals end it in good order, a kill loses nothing."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import anyio
import httpx
import pytest

from perdure import Client
from perdure.functions import FunctionsError, host

Example = Callable[[str], Path]

COMMAND = [sys.executable, "-W", "error", "-m", "perdure", "host", "--port", "0"]
API = "/runtime/webhooks/durabletask"


@contextmanager
def process(folder: Path, *options: str) -> Generator[tuple["subprocess.Popen[str]", httpx.Client]]:
    """The host of an app, and a client for it."""
    environ = {name: value for name, value in os.environ.items() if "AzureWebJobs" not in name}
    started = subprocess.Popen(
        [*COMMAND, "--log-level", "warning", *options, str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environ,
    )
    assert started.stdout is not None
    first = started.stdout.readline()
    try:
        assert " at http" in first, started.communicate()
        with httpx.Client(base_url=first.rpartition(" at ")[2].strip(), timeout=30) as http:
            yield started, http
    finally:
        started.kill()
        started.communicate()


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_in_good_order(example: Example, ending: signal.Signals) -> None:
    with process(example("hello")) as (running, http):
        answer = http.get("/api/orchestrators/hello_orchestrator")
        assert answer.status_code == 202
        running.send_signal(ending)
        _, errors = running.communicate(timeout=20)
    assert (running.returncode, errors) == (0, "")


RUNNING = """
import asyncio, sys
import azure.functions as func
import azure.durable_functions as df

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)

@app.route(route="start")
@app.durable_client_input(client_name="client")
async def start(req, client):
    return func.HttpResponse(await client.start_new("work", "one"))

@app.orchestration_trigger(context_name="context")
def work(context):
    return (yield context.call_activity("slow", ""))

@app.activity_trigger(input_name="nothing")
async def slow(nothing):
    print("running", flush=True)
    await asyncio.sleep(0.5)
    return "done"
"""


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_a_running_activity_ends_before_the_host(tmp_path: Path, ending: signal.Signals) -> None:
    (tmp_path / "host.json").write_text('{"version": "2.0"}')
    (tmp_path / "function_app.py").write_text(RUNNING)
    with process(tmp_path) as (running, http):
        assert http.get("/api/start").text == "one"
        assert running.stdout is not None
        assert "running\n" in iter(running.stdout.readline, "")
        running.send_signal(ending)
        _, errors = running.communicate(timeout=20)
    assert (running.returncode, errors) == (0, "")
    (database,) = (tmp_path / ".perdure").glob("*.db")

    async def left() -> object:
        async with Client(f"sqlite:///{database}") as client:
            with anyio.fail_after(5):
                return await client.instance("one", str).result()

    assert anyio.run(left) == "done"


def test_the_host_waits_as_long_as_told(tmp_path: Path) -> None:
    (tmp_path / "host.json").write_text('{"version": "2.0"}')
    (tmp_path / "function_app.py").write_text(RUNNING.replace("0.5", "600"))
    with process(tmp_path, "--drain-timeout", "0.01") as (running, http):
        assert http.get("/api/start").text == "one"
        assert running.stdout is not None
        assert "running\n" in iter(running.stdout.readline, "")
        running.send_signal(signal.SIGTERM)
        running.communicate(timeout=8)
    assert running.returncode == 0


@pytest.mark.parametrize("said", ['\ufeff{"version": "2.0"}', '{"version": "2.0",} // new'])
def test_a_lenient_host_file_is_read(example: Example, said: str) -> None:
    folder = example("hello")
    (folder / "host.json").write_text(said, "utf-8")
    with process(folder) as (_, http):
        assert http.get("/api/orchestrators/hello_orchestrator").status_code == 202


def test_a_broken_host_file_is_blamed_itself(tmp_path: Path) -> None:
    (tmp_path / "host.json").write_text('{"version": }')
    (tmp_path / "function_app.py").write_text("import azure.durable_functions")
    ended = subprocess.run(
        [*COMMAND, str(tmp_path)], capture_output=True, text=True, timeout=30, check=False
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"perdure: {tmp_path / 'host.json'} is not JSON: ")


def test_a_killed_host_goes_on_where_it_was(example: Example) -> None:
    folder = example("human_interaction")
    with process(folder) as (running, http):
        assert http.post("/api/leave", json={"name": "eve", "days": 2}).status_code == 202
        while http.get(f"{API}/instances/leave-eve").json()["customStatus"] is None:
            pass
        running.kill()
        running.wait(timeout=20)
    with process(folder) as (_, http):
        assert http.post("/api/leave/eve/no").status_code == 202
        while (answer := http.get(f"{API}/instances/leave-eve")).status_code == 202:
            pass
    assert answer.json()["output"] == "refused"


def test_trio_is_refused_with_the_fix(tmp_path: Path) -> None:
    with pytest.raises(FunctionsError, match="backend='asyncio'"):
        anyio.run(host, tmp_path, backend="trio")
