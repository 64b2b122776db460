"""What could not be replayed is refused at once: without effect, saying what to use instead."""

import asyncio
import concurrent.futures
import inspect
import os
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Generator
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.to_process
import anyio.to_thread
import pytest
import trio

from perdure import App, NotDurableError, OrchestrationContext, OrchestrationFailedError
from perdure.testing import Environment, replay

CALLS = "await what the context's calls return"
LOOP = "use anyio"
ACTIVITY = "do it in an activity"
RAN: list[str] = []
"""What ran although it should not have."""


async def work() -> None:
    RAN.append("a coroutine")


def block() -> None:
    RAN.append("a function")


class Foreign:
    """Awaits like a library with a loop of its own."""

    def __await__(self) -> Generator[object, None, None]:
        yield self


class Bare:
    """Awaits like `asyncio.sleep(0)`."""

    def __await__(self) -> Generator[None, None, None]:
        yield


async def in_asyncio_timeout() -> None:
    async with asyncio.timeout(1):
        await work()


async def in_asyncio_group() -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(work())


async def in_trio_nursery() -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(work)


async def in_trio_deadline() -> None:
    with trio.move_on_after(1):
        await work()


async def awaiting(make: Callable[[], Any]) -> None:
    await make()


async def over_a_memory_channel() -> None:
    _, receiving = trio.open_memory_channel[int](0)
    await receiving.receive()


def sleep_for_real() -> None:
    sleep = time.sleep  # Looked up when it is called, as user code does.
    sleep(1)


THERE = "unwanted"
"""A file, folder or database that nothing may make."""
PYTHON = [sys.executable, "-c", "open('unwanted', 'w').close()"]

FOREIGN: dict[str, tuple[Callable[[], Any], str]] = {
    "an object of its own": (partial(awaiting, Foreign), CALLS),
    "a bare yield": (partial(awaiting, Bare), CALLS),
    "asyncio.sleep": (partial(asyncio.sleep, 1), LOOP),
    "asyncio.sleep(0)": (partial(asyncio.sleep, 0), CALLS),
    "asyncio.create_task": (lambda: asyncio.create_task(work()), LOOP),
    "asyncio.gather": (lambda: asyncio.gather(work()), LOOP),
    "asyncio.wait_for": (lambda: asyncio.wait_for(Foreign(), 1), LOOP),
    "asyncio.timeout": (in_asyncio_timeout, LOOP),
    "asyncio.TaskGroup": (in_asyncio_group, LOOP),
    "asyncio.to_thread": (partial(asyncio.to_thread, block), LOOP),
    "asyncio.Event": (lambda: asyncio.Event().wait(), LOOP),
    "asyncio.Queue": (lambda: asyncio.Queue[int]().get(), LOOP),
    "an asyncio future": (lambda: asyncio.get_running_loop().create_future(), LOOP),
    "asyncio.open_connection": (partial(asyncio.open_connection, "127.0.0.1", 9), LOOP),
    "an asyncio subprocess": (partial(asyncio.create_subprocess_exec, *PYTHON), LOOP),
    "trio.sleep": (partial(trio.sleep, 1), LOOP),
    "trio.lowlevel.checkpoint": (trio.lowlevel.checkpoint, LOOP),
    "trio.open_nursery": (in_trio_nursery, LOOP),
    "trio.move_on_after": (in_trio_deadline, LOOP),
    "trio.Event": (lambda: trio.Event().wait(), LOOP),
    "trio.Lock": (lambda: trio.Lock().acquire(), LOOP),
    "trio.open_memory_channel": (over_a_memory_channel, LOOP),
    "trio.to_thread": (partial(trio.to_thread.run_sync, block), LOOP),
    "trio.open_file": (partial(trio.open_file, THERE, "w"), LOOP),
    "trio.run_process": (partial(trio.run_process, PYTHON), LOOP),
}

BLOCKING: dict[str, tuple[Callable[[], Any], str]] = {
    "time.sleep": (sleep_for_real, "await ctx.create_timer(...) or anyio.sleep(...)"),
    "input": (input, "await ctx.wait_for_external_event(...)"),
    "open": (partial(open, THERE, "w"), ACTIVITY),
    "os.open": (partial(os.open, THERE, os.O_CREAT), ACTIVITY),
    "Path.write_text": (partial(Path(THERE).write_text, "x"), ACTIVITY),
    "Path.read_text": (partial(Path(__file__).read_text), ACTIVITY),
    "os.mkdir": (partial(os.mkdir, THERE), ACTIVITY),
    "os.listdir": (partial(os.listdir, "."), ACTIVITY),
    "Path.iterdir": (lambda: list(Path().iterdir()), ACTIVITY),
    "os.remove": (partial(os.remove, "kept"), ACTIVITY),
    "os.rename": (partial(os.rename, "kept", THERE), ACTIVITY),
    "os.symlink": (partial(os.symlink, "kept", THERE), ACTIVITY),
    "socket.socket": (socket.socket, ACTIVITY),
    "socket.getaddrinfo": (partial(socket.getaddrinfo, "localhost", 80), ACTIVITY),
    "urlopen": (partial(urllib.request.urlopen, "http://127.0.0.1:9/"), ACTIVITY),
    "subprocess.run": (partial(subprocess.run, PYTHON, check=False), ACTIVITY),
    "os.posix_spawn": (partial(os.posix_spawn, PYTHON[0], PYTHON, {}), ACTIVITY),
    "threading.Thread": (
        lambda: threading.Thread(target=block).start(),
        "use anyio.create_task_group()",
    ),
    "a thread pool": (
        lambda: concurrent.futures.ThreadPoolExecutor().submit(block),
        "use anyio.create_task_group()",
    ),
    "sqlite3.connect": (partial(sqlite3.connect, THERE), ACTIVITY),
}

ANYIO: dict[str, tuple[Callable[[], Any], str]] = {
    "anyio.to_thread": (partial(anyio.to_thread.run_sync, block), ACTIVITY),
    "anyio.to_process": (partial(anyio.to_process.run_sync, block), ACTIVITY),
    "anyio.open_file": (partial(anyio.open_file, THERE, "w"), ACTIVITY),
    "anyio.Path": (anyio.Path(THERE).touch, ACTIVITY),
    "anyio.connect_tcp": (partial(anyio.connect_tcp, "localhost", 9), ACTIVITY),
    "anyio.create_tcp_listener": (partial(anyio.create_tcp_listener, local_port=0), ACTIVITY),
    "anyio.getaddrinfo": (partial(anyio.getaddrinfo, "localhost", 80), ACTIVITY),
    "anyio.run_process": (partial(anyio.run_process, PYTHON), ACTIVITY),
    "anyio.open_process": (partial(anyio.open_process, PYTHON), ACTIVITY),
    "anyio.CapacityLimiter": (partial(anyio.CapacityLimiter, 1), "use anyio.Semaphore"),
    "anyio.wait_socket_readable": (partial(anyio.wait_readable, 0), ACTIVITY),
}

REFUSED = FOREIGN | BLOCKING | ANYIO
every_refusal = pytest.mark.parametrize("name", REFUSED)

app = App("refusals")


async def attempt(name: str) -> None:
    begun = REFUSED[name][0]()
    if inspect.isawaitable(begun):
        await begun


@app.orchestration
async def careless(ctx: OrchestrationContext, name: str) -> None:
    await attempt(name)


@app.orchestration
async def careful(ctx: OrchestrationContext, name: str) -> str:
    await ctx.call_activity(echo, name)
    try:
        await attempt(name)
    except NotDurableError as error:
        return await ctx.call_activity(echo, str(error))
    return "not refused"


@app.activity
async def echo(text: str) -> str:
    return text


@pytest.fixture(autouse=True)
def somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder but for one file, to see that nothing is done to it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kept").touch()
    RAN.clear()
    return tmp_path


def files(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def loop_works() -> None:
    """The host's loop runs tasks, and lends threads, as before."""
    done = anyio.Event()
    async with anyio.create_task_group() as group:
        await anyio.to_thread.run_sync(int)
        group.start_soon(done.wait)
        done.set()


@every_refusal
async def test_the_instance_fails_saying_what_to_use(name: str, somewhere: Path) -> None:
    async with Environment(app) as env:
        instance = await env.client.start_new(careless, name)
        with pytest.raises(OrchestrationFailedError) as failed:
            await instance.result()
        assert failed.value.details.is_caused_by(NotDurableError)
        assert REFUSED[name][1] in failed.value.details.message
        assert files(somewhere) == ["kept"]
        assert RAN == []
        await loop_works()


@every_refusal
async def test_code_that_catches_it_goes_on(name: str) -> None:
    async with Environment(app) as env:
        instance = await env.client.start_new(careful, name)
        message = await instance.result()
        assert REFUSED[name][1] in message
        assert replay(app, await env.client.export_history(instance.instance_id)).new_calls == []
        assert RAN == []
