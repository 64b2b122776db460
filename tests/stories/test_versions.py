"""Versions side by side: an instance stays with the one that it was started with."""

from datetime import timedelta

import pytest

from perdure import App, DefinitionNotFoundError, OrchestrationContext, RetryPolicy, Status
from perdure.persistence.store import Store
from perdure.testing import Environment

HOUR = timedelta(hours=1)


def app_with(*versions: str | None, default_version: str | None = None) -> App:
    """An app with an orchestration in these versions, each of which does something else."""
    app = App("versions", default_version=default_version)

    @app.activity(name="step")
    async def step(name: str) -> str:
        return name

    def register(version: str | None) -> None:
        async def deal(ctx: OrchestrationContext, generations: int = 0) -> list[object]:
            found: list[object] = [ctx.version]
            if version != "2":
                found.append(await ctx.call_activity(step, f"of {version}"))
            await ctx.create_timer(HOUR)
            if generations:
                ctx.continue_as_new(generations - 1)
            return [*found, version]

        app.orchestration(name="deal", version=version)(deal)

    for version in versions:
        register(version)

    @app.orchestration(name="parent")
    async def parent(ctx: OrchestrationContext, version: str | None = None) -> list[object]:
        return await ctx.call_sub_orchestrator("deal", version=version, returns=list[object])

    @app.orchestration(name="insistent")
    async def insistent(ctx: OrchestrationContext) -> list[object]:
        policy = RetryPolicy(max_attempts=2, first_interval=HOUR)
        return await ctx.call_sub_orchestrator("deal", returns=list[object], retry=policy)

    return app


def expected(version: str | None) -> list[object]:
    middle: list[object] = [] if version == "2" else [f"of {version}"]
    return [version, *middle, version]


@pytest.mark.parametrize("old", [None, "1", "2"])
async def test_an_instance_keeps_its_version(store: Store, old: str | None) -> None:
    async with Environment(app_with(old), store=store) as env:
        started = await env.client.start_new("deal", 1)
        await env.settle()
    later = app_with(None, "1", "2", "10", default_version="10")
    async with Environment(later, store=store, start=env.now) as env:
        await env.advance(HOUR)
        await env.crash()
        assert await env.client.instance(started.instance_id).result() == expected(old)
        new = await env.client.start_new("deal")
        assert await new.result() == expected("10")


@pytest.mark.parametrize(
    ("versions", "default", "asked", "gets"),
    [
        ((None,), None, None, None),
        ((None, "1"), None, None, None),
        (("1", "10", "9"), None, None, "10"),
        (("1", "2"), "1", None, "1"),
        ((None, "1"), "1", None, "1"),
        (("1", "2"), "2", "1", "1"),
    ],
)
async def test_a_start_by_name_chooses_the_version(
    store: Store,
    versions: tuple[str | None, ...],
    default: str | None,
    asked: str | None,
    gets: str | None,
) -> None:
    async with Environment(app_with(*versions, default_version=default), store=store) as env:
        started = await env.client.start_new("deal", version=asked)
        assert await started.result() == expected(gets)
        parent = await env.client.start_new("parent", asked)
        assert await parent.result() == expected(gets)
        status = await started.status()
        assert status is not None
        assert status.version == gets


async def test_a_start_by_function_means_that_function(store: Store) -> None:
    app = App("functions", default_version="2")

    @app.orchestration(name="deal")
    async def unversioned(ctx: OrchestrationContext) -> list[object]:
        return ["unversioned", ctx.version]

    @app.orchestration(name="deal", version="2")
    async def second(ctx: OrchestrationContext) -> list[object]:
        return ["second", ctx.version]

    @app.orchestration
    async def parent(ctx: OrchestrationContext) -> list[list[object]]:
        functions = (unversioned, second)
        return [await ctx.call_sub_orchestrator(function) for function in functions]

    async with Environment(app, store=store) as env:
        assert await (await env.client.start_new(unversioned)).result() == ["unversioned", None]
        assert await (await env.client.start_new(second)).result() == ["second", "2"]
        found = await (await env.client.start_new(parent)).result()
        assert found == [["unversioned", None], ["second", "2"]]


async def test_an_unknown_version_is_refused(store: Store) -> None:
    async with Environment(app_with("1", "2"), store=store) as env:
        with pytest.raises(DefinitionNotFoundError, match="version 3"):
            await env.client.start_new("deal", version="3")
        with pytest.raises(DefinitionNotFoundError, match="nobody"):
            await env.client.start_new("nobody")


async def test_a_removed_version_parks_its_instances(store: Store) -> None:
    async with Environment(app_with("1"), store=store) as env:
        started = await env.client.start_new("deal")
        await env.settle()
    async with Environment(app_with("2"), store=store, start=env.now) as env:
        await env.advance(2 * HOUR)
        status = await env.client.get_status(started.instance_id)
        assert status is not None
        assert status.runtime_status is Status.RUNNING
        assert status.parked is not None
        assert "deal version 1" in status.parked.message
    async with Environment(app_with("1", "2"), store=store, start=env.now) as env:
        assert await env.client.instance(started.instance_id).result() == expected("1")


async def test_a_retried_child_keeps_its_version(store: Store) -> None:
    async with Environment(app_with("1"), store=store) as env:
        started = await env.client.start_new("insistent")
        await env.settle()
    async with Environment(app_with("1", "3"), store=store, start=env.now) as env:
        child = (await env.client.query(names=["deal"])).instances[0]
        await env.client.terminate(child.instance_id)
        assert await env.client.instance(started.instance_id).result() == expected("1")


async def test_activities_bear_their_callers_version(store: Store) -> None:
    async with Environment(app_with("1"), store=store) as env:
        started = await env.client.start_new("deal")
        await started.result()
        history = await env.client.get_history(started.instance_id)
        scheduled = [item.event for item in history if item.event_type == "TaskScheduled"]
        assert [getattr(event, "version", None) for event in scheduled] == ["1"]
