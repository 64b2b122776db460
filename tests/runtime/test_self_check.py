"""`verify=True`: memory is held against the log after every turn, and who differs is parked."""

from collections.abc import Callable
from typing import Any

import pytest
from attrs import define, field

from perdure import App, EntityOperationFailedError, OrchestrationContext, Runtime, Status
from perdure.actors.entity import Entity
from perdure.persistence.memory import MemoryStore
from perdure.persistence.records import Commit
from perdure.persistence.store import Store
from perdure.runtime.self_check import SelfCheck
from perdure.testing import Environment

pytestmark = pytest.mark.not_verified  # Those that are to differ say so themselves.

app = App("checked")
chances: list[str] = []


@app.activity
async def echo(text: str) -> str:
    return text


@app.orchestration
async def two_steps(ctx: OrchestrationContext) -> str:
    first = await ctx.call_activity(echo, "a")
    ctx.set_custom_status(first)
    await ctx.entity(Shelf, "s").call(Shelf.put, first)
    await ctx.wait_for_external_event("go")
    return first + await ctx.call_activity(echo, "b")


@app.orchestration
async def fickle(ctx: OrchestrationContext) -> None:
    chances.append("run")
    chance = len(chances)
    await ctx.call_activity(echo, "a")
    if chance == 1:
        await ctx.create_timer(60)
    else:
        await ctx.wait_for_external_event("never")


@app.entity
@define
class Shelf:
    items: list[str] = field(factory=list[str])

    def put(self, item: str) -> None:
        self.items.append(item)

    def drop(self, item: str) -> None:
        self.items.append(item)
        raise ValueError("it is too heavy")


def check(env: Environment) -> SelfCheck:
    found = env.runtime.self_check
    assert found is not None
    return found


async def test_sound_runs_pass_every_comparison(store: Store) -> None:
    async with Environment(app, store=store, verify=True) as env:
        await env.client.start_new(two_steps, instance_id="x")
        await env.settle()
        await env.crash()
        await env.client.raise_event("x", "go")
        assert await env.client.instance("x").result() == "ab"
        await env.settle()
        assert check(env).found == []
        assert check(env).turns >= 2


async def test_code_that_would_not_replay_is_found_at_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    chances.clear()
    async with Environment(app, verify=True) as env:
        await env.client.start_new(fickle, instance_id="x")
        await env.settle()
        status = await env.client.get_status("x")
        assert status is not None
        assert status.parked is not None
        assert status.parked.reason == "non-determinism"
        assert status.parked.recorded == "timer (task 2)"
    assert "the self-check parks x" in caplog.text


@pytest.mark.parametrize("ends", [True, False])
async def test_a_status_of_chance_is_found(ends: bool) -> None:
    hasty, said = App(), list[int]()

    @hasty.orchestration
    async def counted(ctx: OrchestrationContext) -> None:
        said.append(1)  # noqa: PER115 - as code must not
        ctx.set_custom_status(len(said))
        if not ends:
            await ctx.wait_for_external_event("go")

    async with Environment(hasty, verify=True) as env:
        await env.client.start_new(counted, instance_id="x")
        await env.settle()
        assert check(env).found == ["x: memory differs from the log: custom_status '1', not '2'"]


class Meddling(MemoryStore):
    """Changes what is committed."""

    def __init__(self, meddle: Callable[[Commit], object]) -> None:
        super().__init__()
        self._meddle = meddle

    def commit(self, commit: Commit) -> None:
        self._meddle(commit)
        super().commit(commit)


def lose_a_status(commit: Commit) -> None:
    for row in commit.instances.values():
        if row is not None:
            row.custom_status = None


def lose_a_turn(commit: Commit) -> None:
    commit.turns = [turn for turn in commit.turns if turn.sequence != 1]


def lose_an_event(commit: Commit) -> None:
    for turn in commit.turns:
        if "TaskCompleted" in turn.events:
            turn.events = "[]"


def lose_a_state(commit: Commit) -> None:
    for row in commit.entities.values():
        if row is not None:
            row.state = '{"items":[]}'


@pytest.mark.parametrize(
    ("meddle", "parked", "told"),
    [
        (lose_a_status, "x", "custom_status '\"a\"', not None"),
        (lose_a_turn, "x", "memory differs from the log: turns 2, not 1"),
        (lose_an_event, "x", "memory differs from the log: open calls OpenWork("),
        (lose_a_state, "@shelf@s", 'state in the store \'{"items":["a"]}\', not'),
    ],
)
async def test_what_the_store_lost_parks_loudly(
    meddle: Callable[[Commit], object], parked: str, told: str
) -> None:
    store = Meddling(meddle)
    async with Environment(app, store=store, verify=True) as env:
        await env.client.start_new(two_steps, instance_id="x")
        await env.settle()
        assert any(text.startswith(parked) and told in text for text in check(env).found)
    rows = [store.instance("x"), store.entity("@shelf@s")]
    (row,) = [row for row in rows if row is not None and row.id == parked]
    assert row.parked is not None
    assert "engine error" in row.parked


async def test_what_a_rollback_forgot_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    undo = vars(Entity)["_failed"]

    def forgetful(self: Any, *given: Any) -> None:
        live = self._live
        undo(self, *given)
        self._live = live

    monkeypatch.setattr(Entity, "_failed", forgetful)
    async with Environment(app, verify=True) as env:
        shelf = env.client.entity(Shelf, "s")
        await shelf.call(Shelf.put, "a")
        with pytest.raises(EntityOperationFailedError):
            await shelf.call(Shelf.drop, "b")
        await env.settle()
        (told,) = check(env).found
    assert told.startswith(
        '@shelf@s: memory differs from the log: state in memory \'{"items":["a",'
    )


async def test_a_parked_one_goes_on_from_the_log() -> None:
    chances.clear()
    async with Environment(app, verify=True) as env:
        await env.client.start_new(fickle, instance_id="x")
        await env.settle()
        chances.clear()
        await env.client.resume("x")
        status = await env.client.wait_for_completion("x")
        assert status.runtime_status is Status.COMPLETED


def test_nothing_is_there_unless_asked_for() -> None:
    assert Runtime(app).self_check is None
