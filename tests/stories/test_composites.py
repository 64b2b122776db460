"""task_all and task_any: nested, empty, repeated, and the same after a crash."""

from datetime import timedelta
from typing import Any

import pytest

from perdure import App, OrchestrationContext, OrchestrationFailedError, Task, TaskFailedError
from perdure.persistence.store import Store
from perdure.testing import Environment

app = App("composites")

MINUTE = timedelta(minutes=1)


@app.activity
async def work(number: int) -> int:
    return number


def odd(number: int) -> int:
    if number % 2 == 0:
        raise ValueError(f"{number} is even")
    return number


@app.orchestration
async def fan_out(ctx: OrchestrationContext, width: int) -> int:
    return sum(await ctx.task_all([ctx.call_activity(work, n) for n in range(width)]))


@app.orchestration
async def one_fails(ctx: OrchestrationContext) -> list[object]:
    timer = ctx.create_timer(MINUTE)
    tasks = [ctx.call_activity(work, number) for number in (1, 2, 3, 5)]
    try:
        await ctx.task_all([*tasks, timer])
    except TaskFailedError as error:
        kept: list[object] = [task.result for task in tasks if task.exception is None]
        return [*kept, error.details.message, timer.done]
    return []


@app.orchestration
async def first_failure(ctx: OrchestrationContext) -> str:
    async def fail(number: int, after: timedelta) -> None:
        await ctx.create_timer(after)
        raise ValueError(number)

    tasks = [ctx.spawn(fail(n, (4 - n) * MINUTE), "fail") for n in range(3)]
    try:
        await ctx.task_all(tasks)
    except ValueError as error:
        return str(error)
    return ""


@app.orchestration
async def empty(ctx: OrchestrationContext) -> list[object]:
    nothing: list[Task[int]] = []
    whole = ctx.task_all(nothing)
    found: list[object] = [whole.done, await whole, await ctx.task_all([whole, whole])]
    try:
        ctx.task_any(nothing)
    except ValueError as error:
        found.append(str(error))
    return found


@app.orchestration
async def repeated(ctx: OrchestrationContext) -> list[object]:
    task, other = ctx.call_activity(work, 7), ctx.call_activity(work, 8)
    both = ctx.task_all([task, task, other, task])
    race = ctx.task_any([task, task])
    winner = await race
    late = ctx.task_all([task, task])
    return [await both, winner is task, late.done, await late, await race is winner]


@app.orchestration
async def deep(ctx: OrchestrationContext, depth: int) -> int:
    leaf = ctx.call_activity(work, 5)
    task: Task[object] = leaf
    for level in range(depth):
        task = ctx.task_any([task]) if level % 2 else ctx.task_all([task])
    await task
    return leaf.result


@app.orchestration
async def race(ctx: OrchestrationContext) -> list[object]:
    event = ctx.wait_for_external_event("go", str)
    timer = ctx.create_timer(timedelta(days=3))
    winner = await ctx.task_any([timer, event])
    if winner is event:
        cancelled = timer.cancel()
        await ctx.create_timer(MINUTE)
        return ["event", event.result, cancelled, timer.cancel()]
    event.cancel()
    late = ctx.wait_for_external_event("go", str)
    return ["timer", await late, event.cancelled, timer.done]


@app.orchestration
async def any_of_alls(ctx: OrchestrationContext) -> list[object]:
    a, b, c, d = (ctx.wait_for_external_event(name, int) for name in "abcd")
    left, right = ctx.task_all([a, b]), ctx.task_all([c, ctx.task_any([d, a])])
    winner = await ctx.task_any([left, right])
    return ["left" if winner is left else "right", a.done, b.done, c.done, d.done]


@app.orchestration
async def failed_winner(ctx: OrchestrationContext) -> list[object]:
    failing, timer = ctx.call_activity(work, 2), ctx.create_timer(MINUTE)
    winner = await ctx.task_any([timer, failing])
    return [winner is failing, str(failing.exception), timer.done]


@app.orchestration
async def no_tasks(ctx: OrchestrationContext) -> None:
    await ctx.task_all([3])  # type: ignore[arg-type]


async def test_a_wide_fan_out_comes_together(store: Store) -> None:
    async with Environment(app, store=store) as env:
        assert await (await env.client.start_new(fan_out, 300)).result() == 44_850


async def test_all_waits_for_every_member(store: Store) -> None:
    async with Environment(app, store=store) as env:
        env.stub(work, odd)
        started = await env.client.start_new(one_fails)
        await env.settle()
        await env.crash()
        result = await env.client.instance(started.instance_id).result()
        assert result == [1, 3, 5, "2 is even", True]


async def test_all_raises_the_failure_that_came_first(store: Store) -> None:
    async with Environment(app, store=store) as env:
        started = await env.client.start_new(first_failure)
        for _ in range(4):
            await env.advance(MINUTE)
            await env.crash()
        assert await env.client.instance(started.instance_id).result() == "2"


async def test_all_of_nothing_is_done(store: Store) -> None:
    async with Environment(app, store=store) as env:
        result = await (await env.client.start_new(empty)).result()
        assert result == [True, [], [[], []], "task_any of no tasks would wait for ever"]


async def test_a_task_may_be_a_member_often(store: Store) -> None:
    async with Environment(app, store=store) as env:
        result = await (await env.client.start_new(repeated)).result()
        assert result == [[7, 7, 8, 7], True, True, [7, 7], True]


async def test_composites_nest_to_any_depth(store: Store) -> None:
    async with Environment(app, store=store) as env:
        assert await (await env.client.start_new(deep, 200)).result() == 5


@pytest.mark.parametrize(
    ("events", "expected"),
    [("ab", ["left", True, True, False, False]), ("da", None), ("bda", ["left", *3 * [True]])],
)
async def test_the_first_event_decides_nested_races(
    store: Store, events: str, expected: list[object] | None
) -> None:
    async with Environment(app, store=store) as env:
        started = await env.client.start_new(any_of_alls)
        for name in events:
            await env.client.raise_event(started.instance_id, name, 1)
            await env.settle()
            await env.crash()
        if expected is None:
            await env.client.raise_event(started.instance_id, "c", 1)
            expected = ["right", True, False, True, True]
        result = await env.client.instance(started.instance_id).result()
        assert result[: len(expected) - 1] == expected[: len(expected) - 1]


@pytest.mark.parametrize("crashes", [0, 1])
async def test_an_event_can_beat_the_timer(store: Store, crashes: int) -> None:
    async with Environment(app, store=store) as env:
        started = await env.client.start_new(race)
        await env.advance(timedelta(days=2))
        await env.client.raise_event(started.instance_id, "go", "fast")
        for _ in range(crashes):
            await env.settle()
            await env.crash()
        await env.advance(timedelta(days=2))
        result = await env.client.instance(started.instance_id).result()
        assert result == ["event", "fast", True, False]


@pytest.mark.parametrize("crashes", [0, 1])
async def test_a_late_event_is_kept(store: Store, crashes: int) -> None:
    async with Environment(app, store=store) as env:
        started = await env.client.start_new(race)
        await env.advance(timedelta(days=4))
        for _ in range(crashes):
            await env.crash()
        await env.client.raise_event(started.instance_id, "go", "late")
        result = await env.client.instance(started.instance_id).result()
        assert result == ["timer", "late", True, True]


async def test_what_comes_in_one_batch_keeps_its_order(store: Store) -> None:
    async with Environment(app, store=store) as env:
        started = await env.client.start_new(race)
        await env.settle()
        await env.client.suspend(started.instance_id)
        await env.advance(timedelta(days=4))
        await env.client.raise_event(started.instance_id, "go", "second")
        await env.settle()
        await env.crash()
        await env.client.resume(started.instance_id)
        result = await env.client.instance(started.instance_id).result()
        assert result == ["timer", "second", True, True]


async def test_a_failed_member_can_win(store: Store) -> None:
    async with Environment(app, store=store) as env:
        env.stub(work, odd)
        won, failure, timer = await (await env.client.start_new(failed_winner)).result()
        assert won
        assert "2 is even" in str(failure)
        assert not timer


async def test_a_member_has_to_be_a_task(store: Store) -> None:
    async with Environment(app, store=store) as env:
        started = await env.client.start_new(no_tasks)
        with pytest.raises(OrchestrationFailedError, match="task_all takes tasks"):
            await started.result()


@app.orchestration
async def nested(ctx: OrchestrationContext, depth: int, kind: str) -> int:
    task: Task[Any] = ctx.call_activity(work, 1)
    for _ in range(depth):
        task = ctx.task_all([task]) if kind == "all" else ctx.task_any([task])
    found: Any = await task
    reached = 0
    while not isinstance(found, int):
        found = found[0] if kind == "all" else found.result
        reached += 1
    return reached


@pytest.mark.parametrize("kind", ["all", "any"])
async def test_thousands_of_nested_composites_are_read(store: Store, kind: str) -> None:
    async with Environment(app, store=store) as env:
        instance = await env.client.start_new(nested, 3000, kind)
        assert await instance.result() == 3000


@app.orchestration
async def settling(ctx: OrchestrationContext) -> list[str]:
    told: list[str] = []

    async def wait(name: str, task: Task[Any]) -> None:
        await task
        told.append(name)

    task = ctx.call_activity(work, 1)
    one = ctx.task_all([task])
    inner = ctx.task_any([one])
    waited = {"task": task, "one": one, "inner": inner, "two": ctx.task_all([task, inner])}
    await ctx.task_all([ctx.spawn(wait(name, task), name) for name, task in waited.items()])
    return [*told, *sorted(waited, key=lambda name: waited[name].order)]


async def test_what_settles_first_wakes_last(store: Store) -> None:
    async with Environment(app, store=store) as env:
        told = await (await env.client.start_new(settling)).result()
    assert told == ["inner", "one", "two", "task", "task", "one", "inner", "two"]
