"""Workers with different code run one hub; what one of them cannot run goes to one that can."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import anyio
import anyio.abc
import pytest
from attrs import define

from crew_app import has, holdings_of
from perdure import App, OrchestrationContext, Runtime
from perdure.runtime.client.views import InstanceStatus
from perdure.runtime.sharing import misfits


def release(*versions: str, entities: bool = False) -> App:
    """A program with these versions of one orchestration."""
    app = App("deploys")
    for version in versions:

        @app.orchestration(name="flow", version=version)
        async def flow(ctx: OrchestrationContext, version: str = version) -> str:
            return f"{version} {await ctx.wait_for_external_event('go', str)}"

        @app.orchestration(name="parent", version=version)
        async def parent(ctx: OrchestrationContext, child: str, version: str = version) -> str:
            return await ctx.call_sub_orchestrator(
                "flow", version=version, instance_id=child, returns=str
            )

    if entities:

        @app.entity(name="tally")
        @define
        class Tally:
            count: int = 0

            def add(self, amount: int) -> int:
                self.count += amount
                return self.count

    return app


@asynccontextmanager
async def sharing(hub: str, *apps: App) -> AsyncGenerator[list[Runtime]]:
    """Run these programs, each with its share."""
    async with AsyncExitStack() as stack:
        runtimes = [await stack.enter_async_context(Runtime(app, store=hub)) for app in apps]
        for rank, runtime in enumerate(sorted(runtimes, key=lambda r: holdings_of(r).worker)):
            await has(runtime, 32 // len(apps) + (rank < 32 % len(apps)))
        yield runtimes


async def until(
    runtime: Runtime, instance_id: str, reached: Callable[[InstanceStatus], bool]
) -> InstanceStatus:
    with anyio.fail_after(30):
        while True:
            status = await runtime.client.get_status(instance_id, show_waiting=True)
            if status is not None and reached(status):
                return status
            await anyio.lowlevel.checkpoint()


def is_parked(status: InstanceStatus) -> bool:
    return any(waiting.kind == "definition" for waiting in status.waiting_for or [])


IDS = [f"i{number}" for number in range(12)]


async def test_a_new_version_runs_beside_the_old(hub: str) -> None:
    async with sharing(hub, release("1"), release("1", "2")) as (old, new):
        for runtime, version in ((old, "1"), (new, "2")):
            for name in IDS:
                await runtime.client.start_new(
                    "flow", version=version, instance_id=f"{version}{name}"
                )
        with anyio.fail_after(30):
            while not all(holdings_of(new).welcomes(f"2{name}") for name in IDS):
                await holdings_of(new).moved()
        for version in ("1", "2"):
            for name in IDS:
                instance = old.client.instance(f"{version}{name}", str)
                await instance.raise_event("go", name)
                assert await instance.result(30) == f"{version} {name}"


async def test_children_of_a_new_version_wait_for_it(hub: str) -> None:
    async with sharing(hub, release("1"), release("1", "2")) as (_, new):
        parents = [
            await new.client.start_new("parent", f"child{name}", version="2", returns=str)
            for name in IDS
        ]
        for name in IDS:
            await until(new, f"child{name}", lambda _: True)
            await new.client.raise_event(f"child{name}", "go", name)
        for name, parent in zip(IDS, parents, strict=True):
            assert await parent.result(30) == f"2 {name}"


async def test_entities_that_are_new_are_served(hub: str) -> None:
    async with sharing(hub, release("1"), release("1", entities=True)) as (old, new):
        for number, name in enumerate(IDS):
            for runtime in (old, new):
                await runtime.client.entity("tally", name).call("add", number)
            assert await old.client.entity("tally", name).call("add", 0) == 2 * number


async def test_what_nobody_has_waits_and_says_so(hub: str) -> None:
    async with sharing(hub, release("1"), release("1")) as (one, _):
        async with Runtime(App("starter"), store=hub) as starter:
            await starter.client.start_new("flow", version="2", instance_id="a")
        status = await until(one, "a", is_parked)
        (waiting, *_rest) = status.waiting_for or []
        assert waiting.detail is not None
        assert "no other worker has it" in waiting.detail
        async with Runtime(release("1", "2"), store=hub) as newest:
            await newest.client.raise_event("a", "go", "on")
            assert await newest.client.instance("a", str).result(30) == "2 on"


async def test_incompatible_programs_take_turns(hub: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(misfits, "STAY", 100_000)
    async with sharing(hub, release("1"), release("2")) as (first, second):
        for runtime, version in ((first, "1"), (second, "2")):
            for name in IDS:
                await runtime.client.start_new(
                    "flow", version=version, instance_id=f"{version}{name}"
                )
                await runtime.client.raise_event(f"{version}{name}", "go", name)
        for version in ("1", "2"):
            for name in IDS:
                there = first.client.instance(f"{version}{name}", str)
                assert await there.result(30) == f"{version} {name}"


async def run_until(
    done: anyio.Event, app: App, hub: str, *, task_status: anyio.abc.TaskStatus[Runtime]
) -> None:
    async with Runtime(app, store=hub) as runtime:
        task_status.started(runtime)
        await done.wait()


async def test_a_whole_deploy_keeps_everything_running(hub: str) -> None:
    """New workers come, then the old ones go."""
    ids = {version: [f"{version}{name}" for name in IDS] for version in ("1", "2")}
    over = anyio.Event()

    async def ends(runtime: Runtime, names: list[str]) -> None:
        for name in names:
            await runtime.client.raise_event(name, "go", "on")
            assert await runtime.client.instance(name, str).result(30) == f"{name[0]} on"

    async with anyio.create_task_group() as group:
        olds = [await group.start(run_until, over, release("1"), hub) for _ in range(2)]
        for name in ids["1"]:
            await olds[0].client.start_new("flow", version="1", instance_id=name)
        async with (
            Runtime(release("1", "2"), store=hub) as one,
            Runtime(release("1", "2"), store=hub) as two,
        ):
            for name in ids["2"]:
                await one.client.start_new("flow", version="2", instance_id=name)
            await ends(two, ids["1"][:6] + ids["2"][:6])
            over.set()
            for runtime in (one, two):
                await has(runtime, 16)
            await ends(one, ids["1"][6:] + ids["2"][6:])
