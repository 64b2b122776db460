"""Critical sections: who waits, who passes, and what frees them."""

from collections.abc import Generator
from datetime import timedelta
from typing import Any

import anyio
import pytest
from attrs import Factory, define

from perdure import (
    App,
    EntityContext,
    EntityLock,
    OrchestrationContext,
    OrchestrationFailedError,
    Reuse,
    Task,
)
from perdure.persistence.store import Store
from perdure.testing import Environment

app = App("locks")

PAIRS = (["a", "b"], ["b", "a"], ["b", "c"], ["c", "a"])


@app.entity
@define
class Cell:
    notes: list[str] = Factory(list[str])

    def note(self, text: str) -> int:
        self.notes.append(text)
        return len(self.notes)


@app.orchestration
async def both(ctx: OrchestrationContext, keys: list[str], label: str) -> None:
    cells = [ctx.entity(Cell, key) for key in keys]
    async with ctx.lock_entities(*cells):
        for cell in cells:
            await cell.call(Cell.note, f"{label}+")
        await anyio.sleep(1)
        for cell in cells:
            await cell.call(Cell.note, f"{label}-")


@app.orchestration
async def holds(ctx: OrchestrationContext, keys: list[str], how: str) -> str:
    """Hold locks until the event `go`, then leave them in the way that is asked for."""
    if how == "again":
        return "again"
    async with ctx.lock_entities(*(ctx.entity(Cell, key) for key in keys)):
        await ctx.wait_for_external_event("go")
        if how == "fail":
            raise ValueError("on purpose")
        if how == "continue":
            ctx.continue_as_new(keys, "again")
    return how


@app.orchestration
async def never_leaves(ctx: OrchestrationContext, key: str, how: str) -> str:
    """End while the lock is held, without leaving it."""
    if how == "again":
        return "again"
    await ctx.lock_entities(ctx.entity(Cell, key))
    await ctx.wait_for_external_event("go")
    if how == "fail":
        raise ValueError("on purpose")
    if how == "continue":
        ctx.continue_as_new(key, "again")
    return how


@app.orchestration
async def gives_up(ctx: OrchestrationContext, keys: list[str]) -> str:
    with anyio.move_on_after(10):
        async with ctx.lock_entities(*(ctx.entity(Cell, key) for key in keys)):
            return "locked"
    return "gave up"


@app.orchestration
def generated(ctx: OrchestrationContext) -> Generator[EntityLock | Task[int], Any, int]:
    cell = ctx.entity(Cell, "a")
    with (yield ctx.lock_entities(cell)):
        yield cell.call(Cell.note, "one")
        noted: int = yield cell.call(Cell.note, "two")
        return noted


async def locks(env: Environment) -> dict[str, str]:
    page = await env.client.query_entities(include_transient=True)
    return {found.id.key: found.locked_by for found in page.entities if found.locked_by}


async def notes(env: Environment, key: str) -> list[str]:
    cell = await env.client.entity(Cell, key).read()
    return cell.notes if cell else []


def assert_undivided(found: list[str]) -> None:
    """Each section's notes come in pairs, with nobody between."""
    assert len(found) % 2 == 0
    for begin, end in zip(found[::2], found[1::2], strict=True):
        assert (begin[-1], end[-1]) == ("+", "-")
        assert begin[:-1] == end[:-1]


@pytest.mark.parametrize("crash", [False, True])
async def test_crossed_locks_never_deadlock(store: Store, crash: bool) -> None:
    async with Environment(app, store=store, auto_advance=not crash) as env:
        for number in range(12):
            keys = PAIRS[number % len(PAIRS)]
            await env.client.start_new(both, keys, f"{number}", instance_id=f"{number}")
        for _ in range(13 if crash else 0):
            await env.crash()
            await env.advance(timedelta(seconds=1))
        for number in range(12):
            await env.client.instance(f"{number}").result()
        for key in "abc":
            assert_undivided(await notes(env, key))
        assert sum([len(await notes(env, key)) for key in "abc"]) == 12 * 4
        assert await locks(env) == {}


@pytest.mark.parametrize("how", ["return", "fail", "continue"])
@pytest.mark.parametrize("orchestration", ["holds", "never_leaves"])
async def test_ending_frees_the_locks(store: Store, orchestration: str, how: str) -> None:
    keys = ["b", "a"] if orchestration == "holds" else "a"
    async with Environment(app, store=store) as env:
        await env.client.start_new(orchestration, keys, how, instance_id="h")
        await env.settle()
        assert await locks(env) == dict.fromkeys(sorted(keys), "h")
        await env.client.raise_event("h", "go")
        await env.client.wait_for_completion("h")
        await env.settle()
        assert await locks(env) == {}


async def test_termination_frees_held_locks(store: Store) -> None:
    async with Environment(app, store=store) as env:
        await env.client.start_new(holds, ["a", "b"], "return", instance_id="h")
        await env.settle()
        waiting = await env.client.start_new(both, ["a", "b"], "w")
        await env.crash()
        await env.client.terminate("h")
        await env.client.instance(waiting.instance_id).result()
        assert await locks(env) == {}


async def test_termination_withdraws_a_waiting_request(store: Store) -> None:
    async with Environment(app, store=store) as env:
        await env.client.start_new(holds, ["b"], "return", instance_id="h")
        await env.settle()
        await env.client.start_new(holds, ["a", "b", "c"], "return", instance_id="w")
        await env.settle()
        assert await locks(env) == {"b": "h", "a": "w"}
        await env.client.terminate("w")
        await env.settle()
        assert await locks(env) == {"b": "h"}
        await env.client.raise_event("h", "go")
        await env.settle()
        assert await locks(env) == {}


async def test_purging_the_holder_leaves_no_lock(store: Store) -> None:
    async with Environment(app, store=store) as env:
        await env.client.start_new(holds, ["a"], "return", instance_id="h")
        await env.settle()
        await env.client.terminate("h")
        await env.client.purge("h")
        await env.settle()
        assert await locks(env) == {}
        assert await env.client.entity(Cell, "a").call(Cell.note, "free") == 1


async def test_replacing_the_holder_frees_its_locks(store: Store) -> None:
    async with Environment(app, store=store) as env:
        await env.client.start_new(holds, ["a"], "return", instance_id="h")
        await env.settle()
        await env.client.start_new(holds, ["b"], "return", instance_id="h", reuse=Reuse.ANY_STATE)
        await env.settle()
        assert await locks(env) == {"b": "h"}


async def test_cancelled_wait_withdraws_the_request(store: Store) -> None:
    async with Environment(app, store=store) as env:
        await env.client.start_new(holds, ["b"], "return", instance_id="h")
        await env.settle()
        waiting = await env.client.start_new(gives_up, ["c", "b", "a"])
        assert await waiting.result() == "gave up"
        await env.settle()
        assert await locks(env) == {"b": "h"}
        await env.client.raise_event("h", "go")
        await env.client.wait_for_completion("h")
        await env.settle()
        assert await locks(env) == {}


async def test_withdrawal_and_release_may_cross(store: Store) -> None:
    """The holder leaves at the very moment at which the one that waits gives up."""
    async with Environment(app, store=store, auto_advance=False) as env:
        await env.client.start_new(both, ["b"], "h")
        for number in range(5):
            await env.client.start_new(gives_up, ["a", "b"], instance_id=f"w{number}")
        for _ in range(30):
            await env.advance(timedelta(milliseconds=500))
        found = await env.client.get_many([f"w{number}" for number in range(5)])
        assert all(status.is_completed for status in found.values())
        assert await locks(env) == {}


async def test_waiting_is_first_come_first_served(store: Store) -> None:
    async with Environment(app, store=store) as env:
        for number in range(5):
            await env.client.start_new(both, ["a"], f"{number}", instance_id=f"{number}")
        for number in range(5):
            await env.client.wait_for_completion(f"{number}")
        assert await notes(env, "a") == [f"{n}{mark}" for n in range(5) for mark in "+-"]


async def test_holders_calls_pass_those_that_wait(store: Store) -> None:
    async with Environment(app, store=store, auto_advance=False) as env:
        await env.client.start_new(both, ["a"], "h")
        await env.settle()
        cell = env.client.entity(Cell, "a")
        await cell.signal(Cell.note, "one")
        await cell.signal(Cell.note, "two")
        assert await notes(env, "a") == ["h+"]
        await env.crash()
        await env.advance(timedelta(seconds=2))
        assert await notes(env, "a") == ["h+", "h-", "one", "two"]


async def test_client_calls_wait_while_locked(store: Store) -> None:
    async with Environment(app, store=store) as env:
        await env.client.start_new(holds, ["a"], "return", instance_id="h")
        await env.settle()
        answers: list[int] = []

        async def call() -> None:
            answers.append(await env.client.entity(Cell, "a").call(Cell.note, "late"))

        async with anyio.create_task_group() as group:
            group.start_soon(call)
            await env.settle()
            assert answers == []
            found = await env.client.get_entity(env.client.entity(Cell, "a").id)
            assert found is not None
            assert (found.locked_by, found.backlog_queue_size) == ("h", 1)
            await env.client.raise_event("h", "go")
        assert answers == [1]


async def test_generator_style_enters_what_it_yielded(store: Store) -> None:
    async with Environment(app, store=store) as env:
        assert await (await env.client.start_new(generated)).result() == 2
        await env.settle()
        assert await locks(env) == {}


async def test_locks_survive_crashes(store: Store) -> None:
    async with Environment(app, store=store) as env:
        await env.client.start_new(holds, ["a", "b"], "return", instance_id="h")
        await env.client.start_new(holds, ["b", "c"], "return", instance_id="w")
        await env.settle()
        await env.crash()
        await env.settle()
        assert await locks(env) == {"a": "h", "b": "h"}
        await env.client.raise_event("h", "go")
        await env.settle()
        await env.crash()
        assert await locks(env) == {"b": "w", "c": "w"}
        await env.client.raise_event("w", "go")
        await env.settle()
        assert await locks(env) == {}


async def test_suspended_holder_keeps_its_lock(store: Store) -> None:
    async with Environment(app, store=store) as env:
        await env.client.start_new(holds, ["a"], "return", instance_id="h")
        await env.settle()
        await env.client.suspend("h")
        await env.client.raise_event("h", "go")
        await env.settle()
        assert await locks(env) == {"a": "h"}
        await env.client.terminate("h")
        await env.settle()
        assert await locks(env) == {}


async def test_terminated_while_the_grant_is_held_back(store: Store) -> None:
    async with Environment(app, store=store) as env:
        await env.client.start_new(holds, ["a"], "return", instance_id="h")
        await env.client.start_new(holds, ["a", "b"], "return", instance_id="w")
        await env.settle()
        await env.client.suspend("w")
        await env.client.raise_event("h", "go")
        await env.settle()
        assert await locks(env) == {"a": "w", "b": "w"}
        await env.crash()
        await env.client.terminate("w")
        await env.settle()
        assert await locks(env) == {}


async def test_rewound_section_is_locked_again(store: Store) -> None:
    fresh = App("rewound")
    broken = [True]
    fresh.include(app)

    @fresh.activity
    async def fragile() -> None:
        if broken[0]:
            raise ConnectionError("not yet")

    @fresh.orchestration
    async def fragile_section(ctx: OrchestrationContext) -> int:
        async with ctx.lock_entities(ctx.entity(Cell, "a")):
            await ctx.call_activity(fragile)
            await ctx.wait_for_external_event("go")
            return await ctx.entity(Cell, "a").call(Cell.note, "held")

    async with Environment(fresh, store=store) as env:
        instance = await env.client.start_new(fragile_section, instance_id="f")
        with pytest.raises(OrchestrationFailedError):
            await instance.result()
        await env.settle()
        assert await locks(env) == {}
        broken[0] = False
        await env.client.rewind("f")
        await env.settle()
        assert await locks(env) == {"a": "f"}
        await env.client.raise_event("f", "go")
        assert await instance.result() == 1
        assert await locks(env) == {}


async def test_deleting_a_locked_entity_keeps_the_lock(store: Store) -> None:
    fresh = App("deleting")

    @fresh.entity
    def thing(context: EntityContext) -> None:
        context.set_state(None if context.operation_name == "remove" else 1)

    @fresh.orchestration
    async def removes(ctx: OrchestrationContext) -> None:
        async with ctx.lock_entities(ctx.entity(thing, "t")):
            await ctx.entity(thing, "t").call("make")
            await ctx.entity(thing, "t").call("remove")
            await ctx.wait_for_external_event("go")

    async with Environment(fresh, store=store) as env:
        await env.client.start_new(removes, instance_id="r")
        await env.settle()
        await env.crash()
        assert await locks(env) == {"t": "r"}
        await env.client.raise_event("r", "go")
        await env.settle()
        page = await env.client.query_entities(include_transient=True)
        assert page.entities == []
