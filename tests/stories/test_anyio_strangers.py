"""What belongs to somebody else: other orchestrations, the host's loop, and Python itself."""

import asyncio
import importlib
import logging
import logging.handlers
import sys
import traceback
import zoneinfo
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from types import FunctionType
from typing import Any

import anyio
import pytest
import sniffio
import trio

from perdure import App, NotDurableError, OrchestrationContext, OrchestrationFailedError
from perdure.testing import Environment, replay

HELD: dict[str, Any] = {}
"""What one orchestration, or the test, leaves lying about for another."""


def app_of(*orchestrations: Callable[[OrchestrationContext], Any]) -> App:
    app = App("strangers")
    for orchestration in orchestrations:
        app.orchestration(orchestration)
    return app


async def holder(ctx: OrchestrationContext) -> str:
    HELD["context"], HELD["event"], HELD["lock"] = ctx, anyio.Event(), anyio.Lock()
    HELD["done"] = ctx.wait_for_external_event("early", str)
    HELD["task"] = ctx.wait_for_external_event("go", str)
    await HELD["done"]
    async with HELD["lock"]:
        return await ctx.wait_for_external_event("go", str)


async def task_thief(ctx: OrchestrationContext) -> None:
    await HELD["task"]


async def result_thief(ctx: OrchestrationContext) -> None:
    await HELD["done"]


async def context_thief(ctx: OrchestrationContext) -> None:
    HELD["context"].set_custom_status("stolen")
    await HELD["context"].call_activity("anything")


async def event_thief(ctx: OrchestrationContext) -> None:
    HELD["event"].set()


async def event_waiter(ctx: OrchestrationContext) -> None:
    await HELD["event"].wait()


async def lock_thief(ctx: OrchestrationContext) -> None:
    async with HELD["lock"]:
        pass


THIEVES = [task_thief, result_thief, context_thief, event_thief, event_waiter, lock_thief]


@pytest.mark.not_verified
@pytest.mark.parametrize("thief", THIEVES)
async def test_what_belongs_to_another_orchestration_is_refused(
    thief: Callable[[OrchestrationContext], Awaitable[None]],
) -> None:
    async with Environment(app_of(holder, thief)) as env:
        held = await env.client.start_new("holder")
        await held.raise_event("early", "bird")
        await env.settle()
        stolen = await env.client.start_new(thief.__name__)
        with pytest.raises(OrchestrationFailedError) as failed:
            await stolen.result()
        assert failed.value.details.is_caused_by(NotDurableError)
        assert "orchestration" in failed.value.details.message
        await held.raise_event("go", "unharmed")
        await held.raise_event("go", "unharmed")
        assert await held.result() == "unharmed"


async def test_the_hosts_objects_are_refused_and_unharmed() -> None:
    async def waiter(ctx: OrchestrationContext) -> None:
        await HELD["host"]()

    async with Environment(app_of(waiter)) as env:
        if sniffio.current_async_library() == "asyncio":
            future = asyncio.get_running_loop().create_future()
            HELD["host"], HELD["release"] = (lambda: future), partial(future.set_result, None)
        else:
            event = trio.Event()
            HELD["host"], HELD["release"] = event.wait, event.set
        instance = await env.client.start_new(waiter)
        with pytest.raises(OrchestrationFailedError) as failed:
            await instance.result()
        assert failed.value.details.is_caused_by(NotDurableError)
        HELD["release"]()
        await HELD["host"]()


async def test_the_host_sees_its_own_loop_again() -> None:
    async def quiet(ctx: OrchestrationContext) -> str:
        return sniffio.current_async_library()

    library = sniffio.current_async_library()
    async with Environment(app_of(quiet)) as env:
        instance = await env.client.start_new(quiet)
        assert await instance.result() == "perdure"
        assert sniffio.current_async_library() == library
        if library == "asyncio":
            assert asyncio.current_task() is not None
        else:
            assert trio.lowlevel.current_task() is not None


async def test_an_import_may_read_and_look_around(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "late_module.py").write_text("with open(__file__) as me: TEXT = me.read(4)\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])

    async def importing(ctx: OrchestrationContext) -> str:
        text: str = importlib.import_module("late_module").TEXT
        return text

    async with Environment(app_of(importing)) as env:
        instance = await env.client.start_new(importing)
        assert await instance.result() == "with"
    sys.modules.pop("late_module")


async def test_a_log_handler_may_open_and_rotate(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    handler = logging.handlers.RotatingFileHandler(log, maxBytes=1, backupCount=2, delay=True)

    async def talking(ctx: OrchestrationContext) -> None:
        for word in ("one", "two", "three"):
            ctx.logger.warning(word)

    async with Environment(app_of(talking)) as env:
        logging.getLogger("perdure.orchestration.talking").addHandler(handler)
        try:
            await (await env.client.start_new(talking)).result()
        finally:
            logging.getLogger("perdure.orchestration.talking").removeHandler(handler)
            handler.close()
    names = ["log.txt", "log.txt.1", "log.txt.2"]
    assert [(tmp_path / name).read_text() for name in names] == ["three\n", "two\n", "one\n"]


async def test_tracebacks_show_their_source_lines() -> None:
    async def failing(ctx: OrchestrationContext) -> str:
        try:
            return {"a": "b"}["c"]
        except KeyError:
            return traceback.format_exc()

    async with Environment(app_of(failing)) as env:
        shown = await (await env.client.start_new("failing")).result()
        assert 'return {"a": "b"}["c"]' in shown


async def test_time_zones_can_be_looked_up() -> None:
    async def abroad(ctx: OrchestrationContext) -> str:
        zoneinfo.ZoneInfo.clear_cache()
        try:
            return str(zoneinfo.ZoneInfo("Europe/Berlin"))
        except zoneinfo.ZoneInfoNotFoundError:  # A machine without the rules may say so.
            return "Europe/Berlin"

    async with Environment(app_of(abroad)) as env:
        assert await (await env.client.start_new("abroad")).result() == "Europe/Berlin"


def offline(app: App, history: str) -> None:
    """Replay; the code object of this is run under another module's name."""
    replay(app, history)


async def test_whoever_starts_the_loop_does_not_matter(tmp_path: Path) -> None:
    """A host that was itself started by an import, say, lends its orchestrators no rights."""

    async def writer(ctx: OrchestrationContext) -> None:
        (tmp_path / "unwanted").touch()

    async with Environment(app_of(writer)) as env:
        instance = await env.client.start_new(writer)
        await env.client.wait_for_completion(instance.instance_id)
        history = await env.client.export_history(instance.instance_id)
    started_by_import = FunctionType(offline.__code__, {"__name__": "importlib", "replay": replay})
    started_by_import(app_of(writer), history)
    assert not (tmp_path / "unwanted").exists()


def test_offline_replay_refuses_the_same(tmp_path: Path) -> None:
    async def writer(ctx: OrchestrationContext) -> None:
        (tmp_path / "unwanted").touch()

    started = '{"at":1,"name":"writer","execution_id":"1","type":"ExecutionStarted"}'
    frame = '{"type":"OrchestratorStarted","at":1,"event":null}'
    history = f'[{frame},{{"type":"ExecutionStarted","at":1,"event":{started}}}]'
    assert "NotDurableError" in repr(replay(app_of(writer), history).outcome)
    assert not (tmp_path / "unwanted").exists()
