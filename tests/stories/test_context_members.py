"""What the context offers is the same in every replay."""

import logging
from datetime import timedelta

import pytest

from perdure import (
    App,
    OrchestrationContext,
    OrchestrationFailedError,
    PayloadError,
    PayloadTooLargeError,
    Status,
)
from perdure.persistence.store import Store
from perdure.testing import Environment

app = App("members")

HOUR = timedelta(hours=1)
RUNS: list[list[object]] = []


@app.activity
async def work(name: str) -> str:
    return name


@app.orchestration
async def chances(ctx: OrchestrationContext) -> list[object]:
    seen: list[object] = []
    RUNS.append(seen)
    for _ in range(3):
        seen.append(ctx.current_utc_datetime.isoformat())
        seen.extend([str(ctx.new_guid()), str(ctx.new_guid())])
        seen.extend([ctx.random.random(), ctx.random.randint(0, 10**9)])
        seen.append([ctx.instance_id, ctx.execution_id, ctx.name, ctx.parent_instance_id])
        await ctx.create_timer(HOUR)
    return seen


@app.orchestration
async def logs(ctx: OrchestrationContext) -> list[bool]:
    replaying = [ctx.is_replaying]
    ctx.logger.info("began %s", ctx.instance_id)
    await ctx.create_timer(HOUR)
    replaying.append(ctx.is_replaying)
    ctx.logger.warning("woke", extra={"colour": "red"})
    await ctx.create_timer(HOUR)
    ctx.logger.info("ended")
    return replaying


@app.orchestration
async def shows(ctx: OrchestrationContext, rounds: int) -> None:
    for number in range(rounds):
        ctx.set_custom_status({"round": number})
        await ctx.wait_for_external_event("next")
    ctx.set_custom_status(None)
    await ctx.wait_for_external_event("next")


@app.orchestration
async def shows_much(ctx: OrchestrationContext, characters: int) -> str:
    try:
        ctx.set_custom_status("x" * characters)
    except PayloadTooLargeError as error:
        return f"{error.size} > {error.size_max}"
    return "shown"


@app.orchestration
async def shows_objects(ctx: OrchestrationContext) -> None:
    ctx.set_custom_status({"deep": [object()]})


@app.orchestration
async def returns_objects(ctx: OrchestrationContext) -> object:
    await ctx.call_activity(work, "before")
    return {"deep": [1, object()]}


@app.orchestration
async def optional(ctx: OrchestrationContext, first: str = "none", second: int = 5) -> list[object]:
    return [first, second]


@app.orchestration
async def wants(ctx: OrchestrationContext, number: int) -> int:
    return number


async def test_chances_are_equal_after_a_crash(store: Store) -> None:
    RUNS.clear()
    async with Environment(app, store=store) as env:
        started = await env.client.start_new(chances)
        for _ in range(3):
            await env.settle()
            await env.crash()
            await env.advance(HOUR)
        result = await env.client.instance(started.instance_id).result()
        assert len(RUNS) > 2
        assert all(run == result[: len(run)] for run in RUNS)
        guids = [result[at] for start in (0, 6, 12) for at in (start + 1, start + 2)]
        assert len(set(guids)) == 6


async def test_two_instances_have_different_chances(store: Store) -> None:
    async with Environment(app, store=store) as env:
        one, other = [await (await env.client.start_new(chances)).result() for _ in range(2)]
        assert one[1] != other[1]
        assert one[3] != other[3]


async def test_the_logger_is_silent_in_replays(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "perdure.orchestration")
    async with Environment(app, store=store) as env:
        started = await env.client.start_new(logs, instance_id="l")
        for _ in range(2):
            await env.settle()
            await env.crash()
            await env.advance(HOUR)
        assert await env.client.instance(started.instance_id).result() == [True, True]
    records = [r for r in caplog.records if r.name == "perdure.orchestration.logs"]
    assert [r.getMessage() for r in records] == ["began l", "woke", "ended"]
    assert {getattr(r, "instance_id", None) for r in records} == {"l"}
    assert getattr(records[1], "colour", None) == "red"


async def test_the_custom_status_shows_and_clears(store: Store) -> None:
    async with Environment(app, store=store) as env:
        started = await env.client.start_new(shows, 3)
        seen: list[object] = []
        for _ in range(4):
            await env.settle()
            await env.crash()
            status = await env.client.get_status(started.instance_id)
            assert status is not None
            seen.append(status.custom_status)
            await env.client.raise_event(started.instance_id, "next")
        assert seen == [{"round": 0}, {"round": 1}, {"round": 2}, None]
        await env.client.instance(started.instance_id).result()


async def test_the_custom_status_has_a_cap(store: Store) -> None:
    async with Environment(app, store=store) as env:
        fits = 16_384 // 2 - 2
        assert await (await env.client.start_new(shows_much, fits)).result() == "shown"
        result = await (await env.client.start_new(shows_much, fits + 1)).result()
        assert result == "16386 > 16384"


async def test_an_unwritable_status_is_refused(store: Store) -> None:
    async with Environment(app, store=store) as env:
        started = await env.client.start_new(shows_objects)
        with pytest.raises(OrchestrationFailedError, match=r"custom status.*object") as caught:
            await started.result()
        assert caught.value.details.is_caused_by(PayloadError)


async def test_an_unwritable_output_fails_the_instance(store: Store) -> None:
    async with Environment(app, store=store) as env:
        started = await env.client.start_new(returns_objects)
        with pytest.raises(OrchestrationFailedError, match=r"returns_objects.*deep.*object"):
            await started.result()
        await env.crash()
        status = await env.client.get_status(started.instance_id)
        assert status is not None
        assert (status.runtime_status, status.output) == (Status.FAILED, None)


async def test_absent_inputs_take_their_defaults(store: Store) -> None:
    async with Environment(app, store=store) as env:
        assert await (await env.client.start_new(optional)).result() == ["none", 5]
        assert await (await env.client.start_new(optional, "a")).result() == ["a", 5]
        assert await (await env.client.start_new("optional", "a", 2)).result() == ["a", 2]


async def test_an_input_of_another_type_fails(store: Store) -> None:
    async with Environment(app, store=store) as env:
        started = await env.client.start_new("wants", "many")
        with pytest.raises(OrchestrationFailedError, match="input of wants"):
            await started.result()
