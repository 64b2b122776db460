"""The server: its address, its refusals, and how it ends."""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import anyio
import anyio.to_thread
import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from perdure import Runtime
from perdure.http import Keys, management_app, management_site, serve


def mounted(api: ASGIApp) -> Starlette:
    return Starlette(routes=[Mount("/x", app=Starlette(routes=[Mount("/y", app=api)]))])


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])  # noqa: S104
async def test_open_address_needs_keys(runtime: Runtime, host: str) -> None:
    for app in (management_site(runtime), mounted(management_app(runtime))):
        with pytest.raises(ValueError, match="the management API has no keys"):
            await serve(app, host=host, port=0)


@pytest.mark.parametrize("options", [{"keys": Keys(full="k")}, {"unguarded": True}])
async def test_open_address_is_served_when_guarded(
    runtime: Runtime, options: dict[str, Any]
) -> None:
    app = mounted(management_app(runtime, **options))
    async with anyio.create_task_group() as group:
        url = await group.start(partial(serve, app, host="0.0.0.0", port=0))  # noqa: S104
        port = url.rpartition(":")[2]
        async with httpx.AsyncClient() as http:
            answer = await http.get(f"http://127.0.0.1:{port}/x/y/instances?code=k")
        assert answer.status_code == 200
        group.cancel_scope.cancel()


async def test_sixth_version_of_the_protocol_is_served(runtime: Runtime) -> None:
    async with anyio.create_task_group() as group:
        url = await group.start(partial(serve, management_app(runtime), host="::1", port=0))
        assert url.startswith("http://[::1]:")
        async with httpx.AsyncClient() as http:
            assert (await http.get(f"{url}/instances")).status_code == 200
        group.cancel_scope.cancel()


async def test_port_in_use_is_an_error(runtime: Runtime) -> None:
    app = management_app(runtime)
    async with anyio.create_task_group() as group:
        url = await group.start(partial(serve, app, port=0))
        port = int(url.rpartition(":")[2])
        with pytest.raises(OSError, match=f"cannot listen at 127.0.0.1, port {port}: .* in use"):
            await serve(app, port=port)
        group.cancel_scope.cancel()


@pytest.mark.parametrize("port", [-1, 65536, 99999])
async def test_port_that_cannot_be_is_refused(port: int) -> None:
    with pytest.raises(ValueError, match=f"there is no port {port}; the last one is 65535"):
        await serve(Starlette(), port=port)


async def test_unknown_address_is_named_in_the_error() -> None:
    with pytest.raises(OSError, match=r"cannot listen at 192\.0\.2\.1, port 0"):
        await serve(Starlette(), host="192.0.2.1", port=0)


async def test_running_calls_are_answered_before_the_end() -> None:
    called, end = anyio.Event(), anyio.Event()

    async def slow(request: Request) -> PlainTextResponse:
        called.set()
        await end.wait()
        return PlainTextResponse("done")

    answers: list[str] = []

    async def call(url: str) -> None:
        async with httpx.AsyncClient() as http:
            answers.append((await http.get(f"{url}/slow")).text)

    app = Starlette(routes=[Route("/slow", slow)])
    async with anyio.create_task_group() as callers, anyio.create_task_group() as servers:
        url = await servers.start(partial(serve, app, port=0))
        callers.start_soon(call, url)
        await called.wait()
        servers.cancel_scope.cancel()
        end.set()
    assert answers == ["done"]


async def test_lifespan_of_the_app_is_run() -> None:
    seen: list[str] = []

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        seen.append("begun")
        yield
        seen.append("ended")

    async with anyio.create_task_group() as group:
        await group.start(partial(serve, Starlette(lifespan=lifespan), port=0))
        async with httpx.AsyncClient():
            group.cancel_scope.cancel()
    assert seen == ["begun", "ended"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_signal_ends_serving_cleanly(runtime: Runtime, number: signal.Signals) -> None:
    url = ""
    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            url = await group.start(partial(serve, management_app(runtime), port=0))
            os.kill(os.getpid(), number)
    with pytest.raises(httpx.ConnectError):
        async with httpx.AsyncClient() as http:
            await http.get(url)


ALONE = """
import os, signal, sys
from contextlib import asynccontextmanager
from functools import partial
import anyio
from starlette.applications import Starlette
from perdure.http import serve

@asynccontextmanager
async def lifespan(_):
    os.kill(os.getpid(), getattr(signal, sys.argv[2]))
    yield

anyio.run(partial(serve, Starlette(lifespan=lifespan), port=0), backend=sys.argv[1])
print("ended well")
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_signalled_process_goes_on_after_serving(anyio_backend_name: str, name: str) -> None:
    command = [sys.executable, "-W", "error", "-c", ALONE, anyio_backend_name, name]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "ended well\n", "")


async def test_server_in_a_thread_leaves_signals_alone(anyio_backend_name: str) -> None:
    async def run() -> None:
        async with anyio.create_task_group() as group:
            await group.start(partial(serve, Starlette(), port=0))
            group.cancel_scope.cancel()

    before = signal.getsignal(signal.SIGTERM)
    await anyio.to_thread.run_sync(partial(anyio.run, run, backend=anyio_backend_name))
    assert signal.getsignal(signal.SIGTERM) == before
