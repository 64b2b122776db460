"""An operation that raises leaves no trace: not in the state, and not outside."""

from datetime import timedelta

import anyio.lowlevel
import pytest
from attrs import Factory, define

from perdure import App, EntityContext, EntityOperationFailedError, OrchestrationContext
from perdure.persistence.store import Store
from perdure.testing import Environment

app = App("rollback")


@app.entity
@define
class Log:
    lines: list[str] = Factory(list[str])

    def write(self, line: str) -> int:
        self.lines.append(line)
        return len(self.lines)

    def fail(self, context: EntityContext, line: str) -> None:
        self.lines.append(line)
        context.signal_entity(context.entity(Log, "other"), Log.write, line)
        context.start_new(noted, line, instance_id=f"started-{line}")
        raise ValueError(line)

    def succeed(self, context: EntityContext, line: str) -> None:
        self.lines.append(line)
        context.signal_entity(context.entity(Log, "other"), Log.write, line)
        context.start_new(noted, line, instance_id=f"started-{line}")

    async def fail_later(self, line: str) -> None:
        self.lines.append(line)
        await anyio.lowlevel.checkpoint()
        raise ValueError(line)


@app.entity
def loose(context: EntityContext) -> None:
    number: int = context.get_state(int, int)
    context.set_state(number + 1)
    context.set_result(number + 1)
    context.signal_entity(context.entity(Log, "other"), "write", "loose")
    if context.operation_name == "fail":
        raise ValueError("loose")


@app.orchestration
async def noted(ctx: OrchestrationContext, line: str) -> str:
    return line


@app.orchestration
async def middle_fails(ctx: OrchestrationContext) -> list[object]:
    log = ctx.entity(Log, "log")
    first, broken = log.call(Log.write, "one"), log.call(Log.fail, "two")
    third = log.call(Log.write, "three")
    try:
        await ctx.task_all([first, broken, third])
    except EntityOperationFailedError as error:
        return [first.result, error.details.message, third.result]
    return []


async def test_failing_middle_of_a_batch_is_undone(store: Store) -> None:
    async with Environment(app, store=store) as env:
        instance = await env.client.start_new(middle_fails)
        assert await instance.result() == [1, "two", 2]
        assert await env.client.entity(Log, "log").read() == Log(["one", "three"])


async def test_failure_withdraws_signals_and_starts(store: Store) -> None:
    async with Environment(app, store=store) as env:
        log = env.client.entity(Log, "log")
        with pytest.raises(EntityOperationFailedError, match="broken"):
            await log.call(Log.fail, "broken")
        await log.call(Log.succeed, "fine")
        await env.settle()
        assert await env.client.entity(Log, "other").read() == Log(["fine"])
        assert await env.client.get_status("started-broken") is None
        assert await env.client.instance("started-fine", str).result() == "fine"


async def test_failed_first_operation_creates_nothing(store: Store) -> None:
    async with Environment(app, store=store) as env:
        log = env.client.entity(Log, "log")
        with pytest.raises(EntityOperationFailedError):
            await log.call(Log.fail, "first")
        assert await log.read() is None
        assert await env.client.get_entity(log.id) is None


async def test_failing_signal_harms_no_one(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    async with Environment(app, store=store) as env:
        log = env.client.entity(Log, "log")
        await log.signal(Log.write, "one")
        await log.signal(Log.fail, "two")
        assert await log.call(Log.write, "three") == 2
    assert "signal fail to @log@log failed: ValueError: two" in caplog.text


async def test_async_failure_is_undone_too(store: Store) -> None:
    async with Environment(app, store=store) as env:
        log = env.client.entity(Log, "log")
        await log.call(Log.write, "one")
        with pytest.raises(EntityOperationFailedError, match="two"):
            await log.call(Log.fail_later, "two")
        assert await log.call(Log.write, "three") == 2
        assert await log.read() == Log(["one", "three"])


async def test_function_style_failure_is_undone(store: Store) -> None:
    async with Environment(app, store=store) as env:
        entity = env.client.entity(loose, "l")
        assert await entity.call("step") == 1
        with pytest.raises(EntityOperationFailedError, match="loose"):
            await entity.call("fail")
        assert await entity.call("step") == 2
        await env.settle()
        assert await env.client.entity(Log, "other").read() == Log(["loose", "loose"])


async def test_result_does_not_leak_within_a_batch() -> None:
    fresh = App("leak")

    @fresh.entity
    def sometimes(context: EntityContext) -> None:
        if context.operation_name == "answer":
            context.set_result(1)

    @fresh.orchestration
    async def ask(ctx: OrchestrationContext) -> list[object]:
        one = ctx.entity(sometimes, "s")
        return await ctx.task_all([one.call("answer"), one.call("silent"), one.call("answer")])

    async with Environment(fresh) as env:
        assert await (await env.client.start_new(ask)).result() == [1, None, 1]


async def test_rolled_back_state_survives_a_crash(store: Store) -> None:
    async with Environment(app, store=store) as env:
        log = env.client.entity(Log, "log")
        await log.call(Log.write, "one")
        with pytest.raises(EntityOperationFailedError):
            await log.call(Log.fail, "two")
        await env.crash()
        log = env.client.entity(Log, "log")
        assert await log.call(Log.write, "three") == 2
        await env.advance(timedelta(seconds=1))
        assert await env.client.entity(Log, "other").read() is None
