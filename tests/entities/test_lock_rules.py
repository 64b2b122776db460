"""What orchestrations may do while they hold locks, or wait for them: the rules, row by row."""

from collections.abc import Awaitable, Callable

import anyio
import pytest
from attrs import define

from perdure import (
    App,
    EntityId,
    OrchestrationContext,
    OrchestrationFailedError,
)
from perdure.testing import Environment

app = App("rules")


@app.entity
@define
class Cell:
    value: int = 0

    def add(self, amount: int) -> int:
        self.value += amount
        return self.value


@app.activity
async def work(text: str) -> str:
    return text


@app.orchestration
async def child(ctx: OrchestrationContext) -> str:
    return "child"


async def calls_locked(ctx: OrchestrationContext) -> object:
    async with ctx.lock_entities(ctx.entity(Cell, "a"), ctx.entity(Cell, "b")):
        first = await ctx.entity(Cell, "a").call(Cell.add, 1)
        second = await ctx.entity(Cell, "a").call(Cell.add, 1)
        return [first, second, await ctx.entity(Cell, "b").call(Cell.add, 5)]


async def signals_unlocked(ctx: OrchestrationContext) -> object:
    async with ctx.lock_entities(ctx.entity(Cell, "a")):
        ctx.entity(Cell, "c").signal(Cell.add, 7)
    return await ctx.entity(Cell, "c").call(Cell.add, 0)


async def starts_new(ctx: OrchestrationContext) -> object:
    async with ctx.lock_entities(ctx.entity(Cell, "a")):
        return ctx.start_new(child, instance_id="detached")


async def works_and_waits(ctx: OrchestrationContext) -> object:
    async with ctx.lock_entities(ctx.entity(Cell, "a")):
        text = await ctx.call_activity(work, "done")
        await anyio.sleep(60)
        ctx.send_event(ctx.instance_id, "self", text)
        return await ctx.wait_for_external_event("self", str)


async def parallel_calls_to_both(ctx: OrchestrationContext) -> object:
    a, b = ctx.entity(Cell, "a"), ctx.entity(Cell, "b")
    async with ctx.lock_entities(a, b):
        return await ctx.task_all([a.call(Cell.add, 1), b.call(Cell.add, 2)])


async def repeated_members(ctx: OrchestrationContext) -> object:
    a = ctx.entity(Cell, "a")
    async with ctx.lock_entities(a, EntityId("CELL", "a"), a):
        return await a.call(Cell.add, 1)


async def releases_twice(ctx: OrchestrationContext) -> object:
    lock = await ctx.lock_entities(ctx.entity(Cell, "a"))
    lock.release()
    lock.release()
    async with ctx.lock_entities(ctx.entity(Cell, "a")) as second:
        lock.release()
        return [lock.owned, second.owned, ctx.is_inside_critical_section]


async def sections_in_a_row(ctx: OrchestrationContext) -> object:
    results: list[int] = []
    for amount in (1, 2):
        async with ctx.lock_entities(ctx.entity(Cell, "a")):
            results.append(await ctx.entity(Cell, "a").call(Cell.add, amount))
    assert not ctx.is_inside_critical_section
    return results


Case = Callable[[OrchestrationContext], Awaitable[object]]

ALLOWED: dict[Case, object] = {
    calls_locked: [1, 2, 5],
    signals_unlocked: 7,
    starts_new: "detached",
    works_and_waits: "done",
    parallel_calls_to_both: [1, 2],
    repeated_members: 1,
    releases_twice: [False, True, True],
    sections_in_a_row: [1, 3],
}


async def calls_unlocked(ctx: OrchestrationContext) -> object:
    async with ctx.lock_entities(ctx.entity(Cell, "a")):
        return await ctx.entity(Cell, "c").call(Cell.add, 1)


async def calls_twice_at_once(ctx: OrchestrationContext) -> object:
    async with ctx.lock_entities(ctx.entity(Cell, "a")):
        first = ctx.entity(Cell, "a").call(Cell.add, 1)
        second = ctx.entity(Cell, "a").call(Cell.add, 1)
        return await ctx.task_all([first, second])


async def signals_locked(ctx: OrchestrationContext) -> object:
    async with ctx.lock_entities(ctx.entity(Cell, "a")):
        return ctx.entity(Cell, "a").signal(Cell.add, 1)


async def signals_locked_while_calling(ctx: OrchestrationContext) -> object:
    async with ctx.lock_entities(ctx.entity(Cell, "a")):
        pending = ctx.entity(Cell, "a").call(Cell.add, 1)
        ctx.entity(Cell, "a").signal(Cell.add, 1)
        return await pending


async def calls_before_the_grant(ctx: OrchestrationContext) -> object:
    lock = ctx.lock_entities(ctx.entity(Cell, "a"))
    try:
        return await ctx.entity(Cell, "a").call(Cell.add, 1)
    finally:
        lock.release()


async def enters_before_the_grant(ctx: OrchestrationContext) -> object:
    with ctx.lock_entities(ctx.entity(Cell, "a")):
        return None


async def nests(ctx: OrchestrationContext) -> object:
    async with (
        ctx.lock_entities(ctx.entity(Cell, "a")),
        ctx.lock_entities(ctx.entity(Cell, "b")),
    ):
        return None


async def calls_a_child(ctx: OrchestrationContext) -> object:
    async with ctx.lock_entities(ctx.entity(Cell, "a")):
        return await ctx.call_sub_orchestrator(child)


FORBIDDEN: dict[Case, str] = {
    calls_unlocked: "not one of the locked entities",
    calls_twice_at_once: "still pending",
    signals_locked: "must not signal @cell@a",
    signals_locked_while_calling: "must not signal @cell@a",
    calls_before_the_grant: "await the lock request",
    enters_before_the_grant: r"await \(or yield\) the lock request",
    nests: "cannot be nested",
    calls_a_child: "cannot call sub-orchestrations while holding",
}


async def locks_nothing(ctx: OrchestrationContext) -> object:
    return ctx.lock_entities()


for _case in (*ALLOWED, *FORBIDDEN, locks_nothing):
    app.orchestration(_case)


@pytest.mark.parametrize("case", ALLOWED, ids=lambda case: case.__name__)
async def test_allowed_while_locked(case: Case) -> None:
    async with Environment(app) as env:
        instance = await env.client.start_new(case)
        assert await instance.result() == ALLOWED[case]
        await env.settle()
        assert await locked_entities(env) == {}


@pytest.mark.parametrize("case", FORBIDDEN, ids=lambda case: case.__name__)
async def test_forbidden_while_locked(case: Case) -> None:
    async with Environment(app) as env:
        instance = await env.client.start_new(case)
        with pytest.raises(OrchestrationFailedError, match=FORBIDDEN[case]) as caught:
            await instance.result()
        assert caught.value.details.type.endswith("LockingRulesViolationError")
        await env.settle()
        assert await locked_entities(env) == {}


async def test_empty_lock_list_is_refused() -> None:
    async with Environment(app) as env:
        instance = await env.client.start_new(locks_nothing)
        with pytest.raises(OrchestrationFailedError, match="at least one entity"):
            await instance.result()


async def locked_entities(env: Environment) -> dict[str, str]:
    page = await env.client.query_entities(include_transient=True)
    return {str(found.id): found.locked_by for found in page.entities if found.locked_by}
