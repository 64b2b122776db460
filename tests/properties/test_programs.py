# ruff: noqa: PLR0911 - an interpreter has a line for each word of its language
"""Programs made up by hypothesis: replay asks for the same again, and a crash changes nothing.

A program is plain JSON that one orchestrator interprets. Durations are counted in units so long
that what a recovery takes never decides a race, and a race's winner is not part of an outcome.
"""

from datetime import timedelta
from typing import Any

import anyio
from attrs import define
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from perdure import (
    ActivityContext,
    App,
    OrchestrationContext,
    PerdureError,
    RetryPolicy,
    StoreError,
    Task,
)
from perdure.actors.history import FROM_ENTITIES, Asked, ExecutionCompleted, ExecutionStarted, Turn
from perdure.actors.outcomes import Raised, Returned
from perdure.actors.replay import Execution, Identity
from perdure.persistence.memory import MemoryStore
from perdure.persistence.records import Commit, Query
from perdure.runtime.engine.restore import turn
from perdure.testing import Environment

Node = list[Any]
UNIT = 100_000.0
NAMES = ("red", "blue")
AGAIN = RetryPolicy(max_attempts=3, first_interval=timedelta(seconds=UNIT), backoff=2.0)

app = App("programs")


@app.activity
async def work(context: ActivityContext, failures: int, delay: int) -> int:
    """Fail so many attempts, after letting others run first so many times."""
    for _ in range(delay):
        await anyio.lowlevel.checkpoint()
    if context.attempt <= failures:
        raise ValueError(f"attempt {context.attempt}")
    return context.attempt


@app.entity
@define
class Counter:
    total: int = 0

    def add(self, failing: int) -> None:
        self.total += 1
        if failing:
            raise ValueError("not today")


@app.orchestration
async def program(ctx: OrchestrationContext, node: Node) -> Any:
    return await run(ctx, node)


def begin(ctx: OrchestrationContext, node: Node) -> Task[Any]:
    """Ask for what a leaf, or a composite of leaves, stands for."""
    match node:
        case ["work", failures, delay]:
            return ctx.call_activity(work, failures, delay)
        case ["retry", failures, delay]:
            return ctx.call_activity(work, failures, delay, retry=AGAIN)
        case ["timer", units]:
            return ctx.create_timer(timedelta(seconds=units * UNIT))
        case ["event", name]:
            return ctx.wait_for_external_event(name)
        case ["within", name, units]:
            return ctx.wait_for_external_event(name, timeout=(units + 0.5) * UNIT)
        case ["entity", key, failing]:
            return ctx.entity(Counter, key).call(Counter.add, failing)
        case ["child", inner]:
            return ctx.call_sub_orchestrator(program, inner)
        case ["all", *members]:
            return ctx.task_all([begin(ctx, member) for member in members])
        case ["any", *members]:
            return ctx.task_any([begin(ctx, member) for member in members])
        case _:
            raise AssertionError(node)


async def run(ctx: OrchestrationContext, node: Node) -> Any:
    match node:
        case ["sleep", units]:
            return await anyio.sleep(units * UNIT)
        case ["signal", key]:
            return ctx.entity(Counter, key).signal(Counter.add, 0)
        case ["status", text]:
            return ctx.set_custom_status(text)
        case ["guid"]:
            return ctx.set_custom_status(f"{ctx.new_guid()} {ctx.random.random()}")
        case ["seq", *members]:
            return [await run(ctx, member) for member in members]
        case ["cancel", inner]:
            return begin(ctx, inner).cancel()
        case ["lock", inner]:
            async with ctx.lock_entities(ctx.entity(Counter, "a"), ctx.entity(Counter, "b")):
                return await run(ctx, inner)
        case ["try" | "scope" | "shield" | "group" | "leave", *_]:
            return await run_block(ctx, node)
        case ["any", *_]:
            await begin(ctx, node)
            return "any"
        case _:
            return await begin(ctx, node)


async def run_block(ctx: OrchestrationContext, node: Node) -> Any:
    match node:
        case ["try", inner]:
            try:
                return await run(ctx, inner)
            except Exception:  # noqa: BLE001 - whatever the program does
                return "failed"
        case ["scope", units, inner]:
            with anyio.move_on_after((units + 0.5) * UNIT) as scope:
                await run(ctx, inner)
            return scope.cancelled_caught
        case ["shield", inner]:
            with anyio.CancelScope(shield=True):
                return await run(ctx, inner)
        case ["leave", inner]:
            async with anyio.create_task_group() as group:
                group.start_soon(run, ctx, inner)
                await anyio.sleep(UNIT / 2)
                group.cancel_scope.cancel()
            return "left"
        case ["group", *members]:
            async with anyio.create_task_group() as group:
                for member in members:
                    group.start_soon(run, ctx, member)
            return "grouped"
        case _:
            raise AssertionError(node)


def tagged(tag: str, *parts: SearchStrategy[Any]) -> SearchStrategy[Node]:
    return st.tuples(st.just(tag), *parts).map(list)


def many(tag: str, parts: SearchStrategy[Node], *, least: int = 0) -> SearchStrategy[Node]:
    return st.lists(parts, min_size=least, max_size=3).map(lambda members: [tag, *members])


few = st.integers(0, 3)
names = st.sampled_from(NAMES)
plain = st.one_of(
    tagged("work", st.integers(0, 1), few),
    tagged("retry", few, few),
    tagged("timer", few),
    tagged("within", names, few),
    tagged("entity", st.sampled_from("ab"), st.integers(0, 1)),
)
leaves = st.one_of(plain, tagged("event", names), tagged("child", many("seq", plain)))
composites = st.recursive(
    leaves,
    lambda inner: st.one_of(many("all", inner), many("any", inner, least=1)),
    max_leaves=4,
)
quick = st.one_of(
    tagged("sleep", few),
    tagged("signal", st.sampled_from("ab")),
    tagged("status", names),
    tagged("guid"),
    tagged("cancel", leaves),
)


def blocks(inner: SearchStrategy[Node]) -> SearchStrategy[Node]:
    return st.one_of(
        many("seq", inner),
        many("group", inner),
        tagged("try", inner),
        tagged("scope", few, inner),
        tagged("shield", inner),
        tagged("leave", inner),
    )


calm = st.recursive(st.one_of(composites, quick), blocks, max_leaves=8)
wild = st.recursive(
    st.one_of(composites, quick, tagged("lock", st.one_of(composites, quick))),
    blocks,
    max_leaves=10,
)


class FailingStore(MemoryStore):
    """Fails after every so many commits: they are durable, and memory is lost."""

    every = 0
    commits = 0

    def commit(self, commit: Commit) -> None:
        super().commit(commit)
        self.commits += 1
        if self.every and self.commits % self.every == 0:
            raise StoreError("the disk fell off after the commit")


async def live(
    node: Node, store: FailingStore, *, early: int, late: bool = True, every: int = 0
) -> Any:
    """Run a program to its end: so many events early, and enough of them, `late` or early too."""
    async with Environment(app, store=store) as env:
        client = env.client
        start = env.now + timedelta(seconds=1)
        await client.start_new(program, node, instance_id="p", start_at=start)
        for number in range(early):
            await client.raise_event("p", NAMES[number % len(NAMES)])
        if late:
            await env.advance(timedelta(seconds=UNIT))
        await raise_enough(env, node)
        store.every = every
        status = await client.wait_for_completion("p", timeout=None)
        store.every = 0
        return status.runtime_status, status.output


async def raise_enough(env: Environment, node: Node) -> None:
    for name in NAMES * (str(node).count("event") + str(node).count("within")):
        try:
            await env.client.raise_event("p", name)
        except PerdureError:
            return


def executions(store: MemoryStore) -> list[tuple[Identity, list[Turn]]]:
    """Each instance that was recorded, with its turns."""
    found: list[tuple[Identity, list[Turn]]] = []
    for row in store.query(Query(), 1000).rows:
        turns = [turn(recorded) for recorded in store.history(row.id)]
        for started in turns[0].events if turns else ():
            if isinstance(started, ExecutionStarted):
                identity = Identity(
                    row.id,
                    started.execution_id,
                    started.name,
                    started.version,
                    started.parent,
                    started.tags,
                )
                found.append((identity, turns))
    return found


def check_replay(identity: Identity, turns: list[Turn]) -> None:
    """Take each turn after a replay of those before it, and compare what is asked for."""
    definition = app.recorded_orchestration(identity.name, identity.version)
    for number, recorded in enumerate(turns):
        execution = Execution(app, definition, identity, OrchestrationContext)
        try:
            execution.replay(turns[:number])
            assert (execution.take_asked(), execution.called_off) == ([], [])
            if isinstance(execution.outcome, Raised):
                # Kept for a rewind.
                assert {type(event) for event in recorded.events} <= FROM_ENTITIES
            else:
                check_turn(execution, recorded)
        finally:
            execution.close()


def check_turn(execution: Execution, recorded: Turn) -> None:
    execution.now = recorded.at
    for event in recorded.events:
        if not isinstance(event, (Asked, ExecutionCompleted)):
            assert execution.expects(event)
            execution.apply(event)
    assert execution.take_asked() == [e for e in recorded.events if isinstance(e, Asked)]
    cancelled = recorded.notes.cancelled if recorded.notes is not None else []
    assert execution.called_off == cancelled
    match recorded.events[-1], execution.outcome:
        case ExecutionCompleted(result=result), Returned(result=again):
            assert again == result
        case ExecutionCompleted(failure=failure), Raised(failure=again):
            assert failure is not None
            assert (again.type, again.message) == (failure.type, failure.message)
        case _, outcome:
            assert outcome is None


backends = st.sampled_from(["asyncio", "trio"])


@settings(max_examples=300)
@given(node=wild, early=few, backend=backends)
def test_every_prefix_of_a_history_replays_alike(node: Node, early: int, backend: str) -> None:
    store = FailingStore()

    async def main() -> Any:
        return await live(node, store, early=early)

    status, _ = anyio.run(main, backend=backend)
    assert status.is_terminal
    for identity, turns in executions(store):
        check_replay(identity, turns)


@settings(max_examples=150)
@given(node=calm, every=st.integers(1, 4), backend=backends)
def test_crashes_after_commits_change_no_outcome(node: Node, every: int, backend: str) -> None:
    async def undisturbed() -> Any:
        return await live(node, FailingStore(), early=2, late=False)

    async def disturbed() -> Any:
        return await live(node, FailingStore(), early=2, late=False, every=every)

    assert anyio.run(disturbed, backend=backend) == anyio.run(undisturbed, backend=backend)
