"""A runtime, its management API on a real socket, and instances in every status."""

import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import anyio
import httpx
import pytest
from attrs import define
from starlette.types import ASGIApp

from perdure import App, OrchestrationContext, Runtime
from perdure.http import management_site, serve

BASE = "/runtime/webhooks/durabletask"
FAR = datetime(2999, 1, 1, tzinfo=UTC)

# Nothing here is encrypted; but each client would load all certificates anew.
TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

Serving = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]
Put = Callable[[str], Awaitable[str]]


def make_app() -> App:
    """Everything that the tests start by name."""
    app = App("http")

    @app.activity
    async def double(number: int) -> int:
        return number * 2

    @app.orchestration
    async def waits(ctx: OrchestrationContext, label: str = "") -> str:
        return await ctx.wait_for_external_event("go", str)

    @app.orchestration
    async def echoes(ctx: OrchestrationContext, value: object) -> object:
        return value

    @app.orchestration
    async def adds(ctx: OrchestrationContext, first: int, second: int = 10) -> int:
        return first + second

    @app.orchestration
    async def fails(ctx: OrchestrationContext) -> None:
        raise ValueError("no luck")

    @app.orchestration
    async def doubles(ctx: OrchestrationContext, number: int) -> int:
        ctx.set_custom_status({"at": number})
        return await ctx.call_activity(double, number)

    add_versions(app)
    add_entities(app)
    add_entity_users(app)
    return app


def add_versions(app: App) -> None:
    @app.orchestration(name="versioned", version="1")
    async def first(ctx: OrchestrationContext) -> str | None:
        return ctx.version

    @app.orchestration(name="versioned", version="2")
    async def second(ctx: OrchestrationContext) -> str | None:
        return ctx.version


def add_entity_users(app: App) -> None:
    @app.orchestration
    async def counts(ctx: OrchestrationContext, key: str) -> int:
        counter = ctx.entity("counter", key)
        async with ctx.lock_entities(counter):
            value: int = await counter.call("add", 2)
        counter.signal("add", 1)
        await ctx.call_sub_orchestrator("echoes", value)
        await ctx.create_timer(timedelta(milliseconds=1))
        return value

    @app.orchestration
    async def locks(ctx: OrchestrationContext, key: str) -> None:
        async with ctx.lock_entities(ctx.entity("counter", key)):
            ctx.set_custom_status("locked")
            await ctx.wait_for_external_event("go")


def add_entities(app: App) -> None:
    @app.entity
    @define
    class Counter:
        value: int = 0

        def add(self, amount: int) -> int:
            self.value += amount
            return self.value

        def move(self, amount: int, sign: int) -> None:
            self.value += amount * sign

    @app.entity
    @define
    class Label:
        text: str = ""

        def write(self, text: str) -> None:
            self.text = text

        def read(self) -> str:
            return self.text

    @app.entity
    @define
    class Stubborn:
        deletions: int = 0

        def touch(self) -> None:
            self.deletions = 0

        def delete(self) -> None:
            raise RuntimeError("never")

    @app.entity
    @define
    class Forgetful:
        deletions: int = 0

        def delete(self) -> None:
            self.deletions += 1


@pytest.fixture
def app() -> App:
    return make_app()


@pytest.fixture
async def runtime(app: App) -> AsyncIterator[Runtime]:
    async with Runtime(app, drain_timeout=0) as runtime:
        yield runtime


@asynccontextmanager
async def served(
    app: ASGIApp, base: str = BASE, **options: Any
) -> AsyncGenerator[httpx.AsyncClient]:
    async with anyio.create_task_group() as group:
        url = await group.start(partial(serve, app, port=0, **options))
        async with httpx.AsyncClient(base_url=url + base, timeout=10, verify=TLS) as http:
            yield http
        group.cancel_scope.cancel()


@pytest.fixture
def serving() -> Serving:
    """Serve an ASGI app on a free port; gives an HTTP client that knows where."""
    return served


@pytest.fixture
async def http(runtime: Runtime) -> AsyncIterator[httpx.AsyncClient]:
    async with served(management_site(runtime)) as http:
        yield http


@pytest.fixture
def put(runtime: Runtime) -> Put:
    """Make an instance of that status, and give its id; `None` is an id that nobody has."""
    client = runtime.client

    async def put(status: str) -> str:
        match status:
            case "Pending":
                return (await client.start_new("waits", start_at=FAR)).instance_id
            case "Completed":
                instance = await client.start_new("echoes", "done")
                await client.wait_for_completion(instance.instance_id)
                return instance.instance_id
            case "Failed":
                instance = await client.start_new("fails")
                await client.wait_for_completion(instance.instance_id)
                return instance.instance_id
            case "None":
                return "nobody"
            case _:
                return await put_waiting(status)

    async def put_waiting(status: str) -> str:
        instance_id = (await client.start_new("waits", status)).instance_id
        await client.wait_for_start(instance_id)
        if status == "Suspended":
            await client.suspend(instance_id)
            await client.gateway.watch(instance_id, lambda row: row.status.label == status)
        if status == "Terminated":
            await client.terminate(instance_id, "enough")
            await client.wait_for_completion(instance_id)
        return instance_id

    return put
