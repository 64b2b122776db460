"""The tracebacks of failures: they begin where the user's code does."""

import re
from typing import Any

import anyio
import pytest

from perdure import (
    App,
    EntityContext,
    FailureDetails,
    OrchestrationContext,
    OrchestrationFailedError,
)
from perdure.testing import Environment

app = App()


def helper() -> None:
    raise ValueError("no")


@app.activity
def in_a_thread() -> None:
    helper()


@app.activity
async def on_the_loop() -> None:
    helper()


@app.entity
def thing(ctx: EntityContext) -> None:
    helper()


@app.orchestration
async def by_itself(ctx: OrchestrationContext) -> None:
    helper()


@app.orchestration
async def in_a_group(ctx: OrchestrationContext) -> None:
    async def member() -> None:
        helper()

    async with anyio.create_task_group() as group:
        group.start_soon(member)


@app.orchestration
async def of_an_activity(ctx: OrchestrationContext, name: str) -> None:
    await ctx.call_activity(name)


@app.orchestration
async def of_an_entity(ctx: OrchestrationContext) -> None:
    await ctx.call_entity(ctx.entity("thing", "a").id, "any")


@app.orchestration
async def takes_a_number(ctx: OrchestrationContext, number: int) -> None:
    """Never get one."""


async def failure_of(orchestration: Any, *given: str) -> FailureDetails:
    async with Environment(app) as env:
        instance = await env.client.start_new(orchestration, *given)
        with pytest.raises(OrchestrationFailedError) as failed:
            await instance.result()
    return failed.value.details


def places(failure: FailureDetails | None) -> list[str]:
    assert failure is not None
    assert (failure.stack or "").startswith("Traceback (most recent call last):")
    return re.findall(r"in (\w+)$", failure.stack or "", re.MULTILINE)


@pytest.mark.parametrize("name", ["in_a_thread", "on_the_loop"])
async def test_an_activitys_stack_is_the_users(name: str) -> None:
    failure = await failure_of(of_an_activity, name)
    assert places(failure.inner) == [name, "helper"]
    assert places(failure)[0] == "of_an_activity"


async def test_an_orchestrations_stack_is_the_users() -> None:
    assert places(await failure_of(by_itself)) == ["by_itself", "helper"]


async def test_an_operations_stack_is_the_users() -> None:
    assert places((await failure_of(of_an_entity)).inner) == ["thing", "helper"]


async def test_a_members_stack_is_the_users() -> None:
    failure = await failure_of(in_a_group)
    assert places(failure.inner) == ["member", "helper"]
    assert "in _main" not in (failure.stack or "")


async def test_a_stack_without_users_is_whole() -> None:
    failure = await failure_of(takes_a_number, "seven")
    assert places(failure)[0] != "takes_a_number"
    assert len(places(failure)) > 1
