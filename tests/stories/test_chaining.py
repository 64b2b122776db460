"""Activities one after another: by function, by name, with failures, over crashes."""

import pytest
from attrs import frozen

from perdure import (
    ActivityContext,
    App,
    ArityError,
    DefinitionNotFoundError,
    OrchestrationContext,
    OrchestrationFailedError,
    PayloadError,
    Status,
    TaskFailedError,
)
from perdure.persistence.store import Store
from perdure.testing import Environment

app = App("chaining")


@frozen
class Parcel:
    street: str
    grams: int


@app.activity
async def double(number: int) -> int:
    return 2 * number


@app.activity
async def weigh(parcel: Parcel, extra: int = 0) -> Parcel:
    return Parcel(parcel.street, parcel.grams + extra)


@app.activity
async def refuse(why: str) -> None:
    raise LookupError(why)


@app.activity
async def unwritable() -> object:
    return object()


@app.activity
async def who(context: ActivityContext) -> list[object]:
    return [context.instance_id, context.task_id, context.attempt, context.name]


@app.orchestration
async def chain(ctx: OrchestrationContext, number: int) -> int:
    for _ in range(4):
        number = await ctx.call_activity(double, number)
    return number


@app.orchestration
async def patient_chain(ctx: OrchestrationContext, number: int) -> int:
    for _ in range(4):
        await ctx.create_timer(ctx.current_utc_datetime)
        await ctx.wait_for_external_event("go")
        number = await ctx.call_activity(double, number)
    return number


@app.orchestration
async def by_name(ctx: OrchestrationContext) -> tuple[int, Parcel, object]:
    typed = await ctx.call_activity("weigh", Parcel("a", 1), 5, returns=Parcel)
    return await ctx.call_activity("double", 4, returns=int), typed, typed.grams


@app.orchestration
async def fails(ctx: OrchestrationContext) -> None:
    await ctx.call_activity(refuse, "no such street")


@app.orchestration
async def catches(ctx: OrchestrationContext) -> list[object]:
    task = ctx.call_activity(refuse, "no such street")
    try:
        await task
    except TaskFailedError as error:
        again = task.exception is not None and str(task.exception) == str(error)
        return [error.name, error.task_id, error.details.type, error.details.message, again]
    return []


@app.orchestration
async def twice_awaited(ctx: OrchestrationContext) -> list[int]:
    task = ctx.call_activity(double, 3)
    first = await task
    return [first, await task, task.result]


@app.orchestration
async def never_awaited(ctx: OrchestrationContext) -> str:
    ctx.call_activity(double, 21)
    return "left"


@app.orchestration
async def asks_who(ctx: OrchestrationContext) -> list[list[object]]:
    return [await ctx.call_activity(who) for _ in range(2)]


@app.orchestration
async def calls_unwritable(ctx: OrchestrationContext) -> object:
    return await ctx.call_activity(unwritable)


@app.orchestration
async def calls_unknown(ctx: OrchestrationContext) -> None:
    await ctx.call_activity("nowhere", 1)


@app.orchestration
async def calls_wrongly(ctx: OrchestrationContext) -> str:
    try:
        ctx.call_activity("double", 1, 2)
    except ArityError:
        return str(await ctx.call_activity(double, 1))
    return "accepted"


def twice(number: int) -> int:
    return 2 * number


async def test_results_flow_from_step_to_step(store: Store) -> None:
    async with Environment(app, store=store) as env:
        started = await env.client.start_new(chain, 1)
        assert await started.result() == 16


async def test_a_crash_between_any_steps_repeats_none(store: Store) -> None:
    async with Environment(app, store=store) as env:
        env.stub(double, twice)
        started = await env.client.start_new(patient_chain, 1)
        for _ in range(4):
            await env.settle()
            await env.crash()
            await env.client.raise_event(started.instance_id, "go")
        await env.settle()
        await env.crash()
        assert await env.client.instance(started.instance_id).result() == 16
        assert env.calls_of(double) == [(1,), (2,), (4,), (8,)]


async def test_names_serve_where_functions_do(store: Store) -> None:
    async with Environment(app, store=store) as env:
        started = await env.client.start_new("by_name")
        assert await started.result() == (8, Parcel("a", 6), 6)


async def test_a_failed_activity_fails_its_caller(store: Store) -> None:
    async with Environment(app, store=store) as env:
        started = await env.client.start_new(fails)
        with pytest.raises(OrchestrationFailedError, match="no such street") as caught:
            await started.result()
        assert caught.value.details.is_caused_by(LookupError)
        await env.crash()
        status = await env.client.get_status(started.instance_id)
        assert status is not None
        assert status.runtime_status is Status.FAILED
        assert status.failure_details is not None
        assert status.failure_details.inner is not None
        assert status.failure_details.inner.type == "LookupError"


async def test_a_failure_can_be_caught_and_read(store: Store) -> None:
    async with Environment(app, store=store) as env:
        started = await env.client.start_new(catches)
        assert await started.result() == ["refuse", 1, "LookupError", "no such street", True]


async def test_a_task_can_be_awaited_often(store: Store) -> None:
    async with Environment(app, store=store) as env:
        started = await env.client.start_new(twice_awaited)
        assert await started.result() == [6, 6, 6]


async def test_a_call_needs_no_await_to_run(store: Store) -> None:
    async with Environment(app, store=store) as env:
        env.stub(double, 1)
        started = await env.client.start_new(never_awaited)
        assert await started.result() == "left"
        await env.settle()
        assert env.calls_of(double) == [(21,)]


async def test_an_activity_knows_its_call(store: Store) -> None:
    async with Environment(app, store=store) as env:
        started = await env.client.start_new(asks_who, instance_id="w")
        assert await started.result() == [["w", 1, 1, "who"], ["w", 2, 1, "who"]]


async def test_an_unwritable_result_fails_the_activity(store: Store) -> None:
    async with Environment(app, store=store) as env:
        started = await env.client.start_new(calls_unwritable)
        with pytest.raises(OrchestrationFailedError, match="result of unwritable") as caught:
            await started.result()
        assert caught.value.details.is_caused_by(PayloadError)


async def test_an_unknown_activity_fails_at_once(store: Store) -> None:
    async with Environment(app, store=store) as env:
        started = await env.client.start_new(calls_unknown)
        with pytest.raises(OrchestrationFailedError, match="no activity 'nowhere'") as caught:
            await started.result()
        assert caught.value.details.is_caused_by(DefinitionNotFoundError)


async def test_wrong_arity_is_refused_where_called(store: Store) -> None:
    async with Environment(app, store=store) as env:
        started = await env.client.start_new(calls_wrongly)
        assert await started.result() == "2"
