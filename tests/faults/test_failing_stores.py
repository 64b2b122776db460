"""A store that fails before or after any commit, or at any read, changes no outcome."""

from collections.abc import Callable
from datetime import timedelta
from itertools import count
from random import Random
from typing import Any

import anyio
import pytest
from attrs import Factory, define

from perdure import (
    ActivityContext,
    App,
    EntityContext,
    EntityId,
    InstanceAlreadyExistsError,
    OrchestrationContext,
    RetryPolicy,
    Reuse,
    RuntimeClosedError,
    Status,
    StoreError,
)
from perdure.testing import Environment
from perdure.testing.disturbed import DisturbedStore

NewStore = Callable[[], DisturbedStore]

app = App("faults")
AUDIT = EntityId("account", "audit")
INSTANCES = ("all", "rounds", "child-1", "child-2", "left-alone")
TRIES = RetryPolicy(max_attempts=3, first_interval=timedelta(seconds=5), backoff=2)


@app.entity
@define
class Account:
    balance: int = 100

    def deposit(self, amount: int) -> int:
        self.balance += amount
        return self.balance

    async def withdraw(self, amount: int) -> int:
        await anyio.lowlevel.checkpoint()
        self.balance -= amount
        return self.balance


@app.entity
@define
class Ledger:
    entries: list[str] = Factory(list[str])

    def add(self, ctx: EntityContext, entry: str) -> None:
        self.entries.append(entry)
        ctx.signal_entity(AUDIT, "deposit", len(entry))


@app.activity
async def double(number: int) -> int:
    return 2 * number


@app.activity(retry=TRIES)
async def unreliable(context: ActivityContext, text: str) -> str:
    if context.attempt < 3:
        raise ConnectionError(text)
    return f"{text} {context.attempt}"


@app.orchestration
async def child(ctx: OrchestrationContext, number: int) -> int:
    ctx.entity(Ledger, "main").signal(Ledger.add, f"child {number}")
    await ctx.create_timer(timedelta(seconds=10 * number))
    return await ctx.call_activity(double, number)


@app.orchestration
async def rounds(ctx: OrchestrationContext, number: int) -> int:
    ctx.create_timer(timedelta(minutes=1))
    seen = await ctx.wait_for_external_event("go", int)
    entry = f"round {number} {seen}"
    ctx.entity(Ledger, "main").signal(Ledger.add, entry)
    if number < 3:
        ctx.continue_as_new(number + 1)
        return 0
    return number


@app.orchestration
async def left_alone(ctx: OrchestrationContext) -> str:
    with anyio.move_on_after(60):
        await ctx.wait_for_external_event("never")
    return "timed out"


async def transfer(ctx: OrchestrationContext) -> list[int]:
    source, target = ctx.entity(Account, "a"), ctx.entity(Account, "b")
    async with ctx.lock_entities(target, source):
        left = await source.call(Account.withdraw, 30)
        return [left, await target.call(Account.deposit, 30)]


@app.orchestration(name="all")
async def everything(ctx: OrchestrationContext) -> list[Any]:
    ctx.start_new(rounds, 1, instance_id="rounds")
    ctx.start_new(left_alone, instance_id="left-alone")
    for number in range(3):
        ctx.send_event("rounds", "go", number)
    children = await ctx.task_all(
        [ctx.call_sub_orchestrator(child, n, instance_id=f"child-{n}") for n in (1, 2)]
    )
    text = await ctx.call_activity(unreliable, "third time")
    moved = await transfer(ctx)
    later = ctx.current_utc_datetime + timedelta(minutes=2)
    ctx.entity(Ledger, "main").signal(Ledger.add, "later", at=later)
    async with anyio.create_task_group() as group:
        group.start_soon(anyio.sleep, 300)
        group.start_soon(transfer, ctx)
    ctx.set_custom_status({"done": True})
    return [children, text, moved]


Outcome = tuple[dict[str, Any], dict[str, Any], list[str]]


async def started(env: Environment) -> None:
    """Start it, as a client does that does not know whether it has started it already."""
    while True:
        try:
            await env.client.start_new(everything, instance_id="all", reuse=Reuse.NEVER)
        except StoreError:
            await env.advance(timedelta(seconds=10))
        except InstanceAlreadyExistsError:
            return
        else:
            return


async def outcome(env: Environment) -> Outcome:
    instances: dict[str, Any] = {}
    for instance_id in INSTANCES:
        status = await env.client.wait_for_completion(instance_id)
        instances[instance_id] = status.runtime_status, status.output, status.custom_status
    await env.settle()
    balances = {key: await env.client.entity(Account, key).read() for key in ("a", "b", "audit")}
    ledger = await env.client.entity(Ledger, "main").read()
    assert ledger is not None
    return instances, balances, sorted(ledger.entries)


async def run(store: DisturbedStore) -> Outcome:
    async with Environment(app, store=store.store) as env:
        await started(env)
        return await outcome(env)


EXPECTED: Outcome = (
    {
        "all": (Status.COMPLETED, [[2, 4], "third time 3", [70, 130]], {"done": True}),
        "rounds": (Status.COMPLETED, 3, None),
        "child-1": (Status.COMPLETED, 2, None),
        "child-2": (Status.COMPLETED, 4, None),
        "left-alone": (Status.COMPLETED, "timed out", None),
    },
    {"a": Account(40), "b": Account(160), "audit": Account(142)},
    ["child 1", "child 2", "later", "round 1 0", "round 2 1", "round 3 2"],
)
EXPECTED[1]["audit"] = Account(100 + sum(map(len, EXPECTED[2])))


class Failure:
    """Fails the n-th call of a method, once."""

    def __init__(self, method: str, call: int) -> None:
        self.method = method
        self.call = call
        self.happened = False

    def __call__(self, method: str, call: int) -> None:
        if (method, call) == (self.method, self.call):
            self.happened = True
            raise StoreError(f"injected at {method} {call}")


async def test_the_undisturbed_run_ends_as_expected(new_store: NewStore) -> None:
    assert await run(new_store()) == EXPECTED


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_failing_commit_changes_no_outcome(new_store: NewStore, moment: str) -> None:
    for call in count(1):
        store, failure = new_store(), Failure("commit", call)
        setattr(store, moment, failure)
        assert await run(store) == EXPECTED, f"commit {call} failed {moment} it was durable"
        if not failure.happened:
            assert call > 15
            return


@pytest.mark.parametrize("method", ["load", "due", "inbox", "version"])
async def test_a_failing_read_changes_no_outcome(new_store: NewStore, method: str) -> None:
    for call in count(1):
        store = new_store()
        store.before = failure = Failure(method, call)
        assert await run(store) == EXPECTED, f"{method} {call} failed"
        if not failure.happened:
            return


@pytest.mark.parametrize("seed", range(5))
async def test_failures_at_random_change_no_outcome(new_store: NewStore, seed: int) -> None:
    chance, store = Random(seed), new_store()  # noqa: S311 - not for secrets

    def maybe(method: str, call: int) -> None:
        if method in {"commit", "load", "recover", "due"} and call > 1 and chance.random() < 0.2:
            raise StoreError(f"injected at {method} {call}")

    store.before = store.after = maybe
    assert await run(store) == EXPECTED


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_many_failures_in_a_row_change_no_outcome(new_store: NewStore, moment: str) -> None:
    store = new_store()

    def stubborn(method: str, call: int) -> None:
        if (method == "commit" and 4 <= call < 24) or (method == "recover" and 5 <= call < 15):
            raise StoreError(f"injected at {method} {call}")

    setattr(store, moment, stubborn)
    assert await run(store) == EXPECTED
    assert store.calls["recover"] > 15


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_death_at_any_commit_changes_no_outcome(new_store: NewStore, moment: str) -> None:
    for call in count(1):
        store = new_store()
        async with Environment(app, store=store.store) as env:
            deadly = Death(env, call)
            setattr(store, moment, deadly)
            while True:
                try:
                    await started(env)
                    found = await outcome(env)
                except RuntimeClosedError:
                    await env.crash()
                else:
                    break
        assert found == EXPECTED, f"died {moment} commit {call} was durable"
        if not deadly.happened:
            return


class Death:
    """Kills the runtime at its n-th commit."""

    def __init__(self, env: Environment, call: int) -> None:
        self.env = env
        self.call = call
        self.happened = False

    def __call__(self, method: str, call: int) -> None:
        if (method, call) == ("commit", self.call):
            self.happened = True
            self.env.runtime.die()
            raise RuntimeClosedError("dead")
