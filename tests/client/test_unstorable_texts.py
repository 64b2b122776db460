"""Half of a surrogate pair is no character: no door lets it in, and nothing is lost over it."""

from collections.abc import Callable
from typing import Any

import pytest
from attrs import Factory, define

from perdure import (
    ActivityContext,
    App,
    Client,
    EntityContext,
    EntityId,
    InstanceIdError,
    OrchestrationContext,
    OrchestrationFailedError,
    PayloadError,
)
from perdure.persistence.store import Store
from perdure.testing import Environment

HALF = "\ud800"

app = App("texts")


@app.activity
async def late(size: int, text: str = "x", context: ActivityContext | None = None) -> list[Any]:
    assert context is not None
    return [size, text, context.attempt]


class Doubler:
    async def __call__(self, value: int) -> int:
        return value * 2


app.activity(Doubler(), name="double")


@app.entity
@define
class Keyed:
    names: dict[int, str] = Factory(dict[int, str])

    def keep(self, number: int, name: str = "?", context: EntityContext | None = None) -> str:
        assert context is not None
        self.names[number] = name
        return context.entity_id.key

    def names_of(self) -> dict[int, str]:
        return self.names


@app.orchestration
async def calls(ctx: OrchestrationContext) -> list[Any]:
    found = await ctx.call_activity("late", 3)
    return [*found, await ctx.call_activity("double", 2**70)]


@app.orchestration
async def misnames(ctx: OrchestrationContext, what: str) -> list[str]:
    attempts: dict[str, Callable[[], object]] = {
        "activity": lambda: ctx.call_activity(HALF),
        "child": lambda: ctx.call_sub_orchestrator("calls", instance_id=HALF),
        "tags": lambda: ctx.call_sub_orchestrator("calls", tags={"a": HALF}),
        "event": lambda: ctx.send_event("other", HALF),
        "status": lambda: ctx.set_custom_status(HALF),
    }
    attempts[what]()
    return []


@app.orchestration
async def fails(ctx: OrchestrationContext) -> None:
    raise ValueError(HALF)


async def test_each_door_refuses_half_a_character(store: Store) -> None:
    async with Environment(app, store=store) as env:
        client: Client = env.client
        instance = await client.start_new(calls, instance_id="alive")
        with pytest.raises(PayloadError, match="not valid Unicode"):
            await client.raise_event("alive", HALF)
        with pytest.raises(PayloadError, match="not valid Unicode"):
            await client.suspend("alive", HALF)
        for tags in ({HALF: "a"}, {"a": HALF}):
            with pytest.raises(PayloadError, match="not valid Unicode"):
                await client.start_new(calls, tags=tags)
        with pytest.raises(PayloadError, match="not valid Unicode"):
            await client.start_new(HALF)
        assert await instance.result() == [3, "x", 1, 2**71]


@pytest.mark.parametrize("bad", [HALF, "a\udfff", "a\0"])
async def test_ids_are_refused_early(bad: str) -> None:
    async with Environment(app) as env:
        with pytest.raises(InstanceIdError):
            await env.client.start_new(calls, instance_id=bad)
        with pytest.raises(InstanceIdError):
            EntityId("keyed", bad)
        with pytest.raises(InstanceIdError):
            EntityId(bad, "key")


@pytest.mark.parametrize("what", ["activity", "child", "tags", "event", "status"])
async def test_orchestrators_fail_over_half_a_character(what: str, store: Store) -> None:
    async with Environment(app, store=store) as env:
        instance = await env.client.start_new(misnames, what)
        with pytest.raises(OrchestrationFailedError, match=r"Unicode|cannot be an id"):
            await instance.result()


async def test_a_failure_keeps_half_a_character_as_escape(store: Store) -> None:
    async with Environment(app, store=store) as env:
        instance = await env.client.start_new(fails)
        with pytest.raises(OrchestrationFailedError) as caught:
            await instance.result()
        assert caught.value.details.message == "\\ud800"


async def test_number_keys_of_a_state_come_back(store: Store) -> None:
    async with Environment(app, store=store) as env:
        entity = env.client.entity(Keyed, "k")
        assert await entity.call("keep", 7) == "k"
        await env.crash()
        assert await env.client.entity(Keyed, "k").call(Keyed.names_of) == {7: "?"}
