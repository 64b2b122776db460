"""Operations of entities: how they are written, called, and what they leave."""

import dataclasses
from typing import Any

import pytest
from attrs import Factory, define

from perdure import (
    App,
    EntityContext,
    EntityOperationFailedError,
    OperationNotFoundError,
    OrchestrationContext,
    RegistrationError,
    TaskFailedError,
)
from perdure.actors.identity import entity_id_of
from perdure.persistence.store import Store
from perdure.testing import Environment

app = App("operations")


@app.entity
@define
class Counter:
    value: int = 0
    seen: list[str] = Factory(list[str])

    def add(self, amount: int) -> int:
        self.value += amount
        return self.value

    def get(self) -> int:
        return self.value

    def who(self, context: EntityContext) -> str:
        return f"{context.entity_name}/{context.entity_key}/{context.operation_name}"

    def mark(self, context: EntityContext, label: str, times: int = 1) -> list[str]:
        self.seen += [label] * times
        return self.seen

    async def slowly(self, amount: int) -> int:
        self.value += amount
        return self.value

    def unwritable(self) -> object:
        self.value = 99
        return object()

    def _private(self) -> None: ...


@app.entity
@dataclasses.dataclass
class Point:
    x: int = 0
    y: int = 0

    def move(self, x: int, y: int) -> "Point":
        self.x += x
        self.y += y
        return self


@app.entity
def basket(context: EntityContext) -> None:
    content: list[str] = context.get_state(list)
    match context.operation_name:
        case "put":
            context.set_state([*content, context.get_input(str)])
            context.set_result(len(content) + 1)
        case "list":
            context.set_result(content)
        case "clear":
            context.delete_state()
        case other:
            raise LookupError(other)


@app.entity
async def echo(context: EntityContext) -> Any:
    return {"got": context.get_input(), "exists": context.has_state}


@app.orchestration
async def calls(ctx: OrchestrationContext, key: str) -> list[int]:
    counter = ctx.entity(Counter, key)
    counter.signal(Counter.add, 10)
    return [await counter.call(Counter.add, 1), await counter.call("ADD", 2, returns=int)]


@app.orchestration
async def catches(ctx: OrchestrationContext, operation: str) -> str:
    try:
        await ctx.entity("basket", "b").call(operation, "x")
    except TaskFailedError as error:
        return f"{type(error).__name__} {error.details.type} {error.details.message}"
    return "no error"


async def test_class_methods_are_the_operations(store: Store) -> None:
    async with Environment(app, store=store) as env:
        counter = env.client.entity(Counter, "c")
        assert await counter.call(Counter.add, 2) == 2
        assert await counter.call(Counter.get) == 2
        assert await counter.call(Counter.who) == "counter/c/who"
        assert await counter.call(Counter.mark, "a") == ["a"]
        assert await counter.call(Counter.mark, "b", 2) == ["a", "b", "b"]
        assert await counter.read() == Counter(2, ["a", "b", "b"])


async def test_dataclass_state_works_like_attrs(store: Store) -> None:
    async with Environment(app, store=store) as env:
        point = env.client.entity(Point, "p")
        assert await point.call(Point.move, 1, 2) == Point(1, 2)
        await env.crash()
        point = env.client.entity(Point, "p")
        assert await point.call(Point.move, 1, 1) == Point(2, 3)
        assert await point.read() == Point(2, 3)


async def test_function_style_keeps_its_state(store: Store) -> None:
    async with Environment(app, store=store) as env:
        content = env.client.entity(basket, "b")
        assert await content.call("put", "egg") == 1
        assert await content.call("put", "ham") == 2
        await env.crash()
        content = env.client.entity("basket", "b")
        assert await content.call("list") == ["egg", "ham"]
        await content.call("clear")
        assert await content.read() is None


async def test_function_style_may_be_async(store: Store) -> None:
    async with Environment(app, store=store) as env:
        answer = await env.client.entity(echo, "e").call("anything", 5)
    assert answer == {"got": 5, "exists": False}


async def test_orchestration_calls_follow_its_signals(store: Store) -> None:
    async with Environment(app, store=store) as env:
        instance = await env.client.start_new(calls, "k")
        assert await instance.result() == [11, 13]


async def test_operation_names_ignore_case() -> None:
    async with Environment(app) as env:
        counter = env.client.entity("COUNTER", "c")
        await counter.call("Add", 3)
        assert await env.client.entity(Counter, "c").read() == Counter(3)


async def test_keys_differ_by_case() -> None:
    async with Environment(app) as env:
        await env.client.entity(Counter, "k@1").call(Counter.add, 1)
        await env.client.entity(Counter, "K@1").call(Counter.add, 2)
        assert await env.client.entity(Counter, "k@1").read() == Counter(1)
        assert await env.client.entity(Counter, "K@1").read() == Counter(2)


async def test_failures_reach_orchestration_callers() -> None:
    async with Environment(app) as env:
        instance = await env.client.start_new(catches, "explode")
        outcome = await instance.result()
    assert outcome == "EntityOperationFailedError LookupError explode"


async def test_known_class_refuses_unknown_operation() -> None:
    async with Environment(app) as env:
        with pytest.raises(OperationNotFoundError, match="subtract"):
            await env.client.entity(Counter, "c").call("subtract", 1)
        with pytest.raises(OperationNotFoundError, match="_private"):
            await env.client.entity(Counter, "c").call("_private")


async def test_unknown_entity_fails_the_call() -> None:
    async with Environment(app) as env:
        with pytest.raises(EntityOperationFailedError, match="ghost") as caught:
            await env.client.entity("ghost", "g").call("boo")
        assert caught.value.details.non_retriable
        await env.client.entity("ghost", "g").signal("boo")
        await env.settle()
        assert await env.client.query_entities(include_transient=True) is not None
        assert await env.client.entity("ghost", "g").read() is None


def test_duplicate_operations_are_refused_at_registration() -> None:
    fresh = App("twice")

    class Twice:
        def add(self) -> None: ...
        def Add(self) -> None: ...  # noqa: N802 - the point of it

    with pytest.raises(RegistrationError, match="differ only in case"):
        fresh.entity(Twice)


def test_entity_names_are_registered_once() -> None:
    fresh = App("twice")
    fresh.entity(Counter)
    with pytest.raises(RegistrationError, match="counter"):
        fresh.entity(name="COUNTER")(Point)


async def test_delete_needs_no_method(store: Store) -> None:
    async with Environment(app, store=store) as env:
        counter = env.client.entity(Counter, "c")
        await counter.call(Counter.add, 5)
        await counter.call("delete")
        assert await counter.read() is None
        assert await env.client.get_entity(counter.id) is None
        assert await counter.call(Counter.add, 1) == 1


async def test_own_delete_replaces_the_implicit_one() -> None:
    fresh = App("own")

    @fresh.entity
    @define
    class Keeper:
        deletions: int = 0

        def delete(self) -> int:
            self.deletions += 1
            return self.deletions

    async with Environment(fresh) as env:
        keeper = env.client.entity(Keeper, "k")
        assert await keeper.call(Keeper.delete) == 1
        assert await keeper.read() == Keeper(1)


async def test_unwritable_result_undoes_the_operation(store: Store) -> None:
    async with Environment(app, store=store) as env:
        counter = env.client.entity(Counter, "c")
        await counter.call(Counter.add, 1)
        with pytest.raises(EntityOperationFailedError, match="unwritable"):
            await counter.call(Counter.unwritable)
        assert await counter.call(Counter.get) == 1


async def test_wrong_input_fails_only_its_caller() -> None:
    async with Environment(app) as env:
        counter = env.client.entity("counter", "c")
        with pytest.raises(EntityOperationFailedError, match="PayloadError"):
            await counter.call("add", "many")
        assert await counter.call("add", 1) == 1


def test_a_name_alone_is_no_entity() -> None:
    for wrong, name in (("counter", "'counter'"), (5, "name"), (None, "name")):
        with pytest.raises(TypeError, match=rf"an entity is named by EntityId\({name}, key\)"):
            entity_id_of(wrong)


async def test_an_id_as_text_or_proxy_serves_everywhere() -> None:
    app = App("naming")

    @app.entity(name="counter")
    @define
    class Counter:
        value: int = 0

        def add(self, amount: int) -> int:
            self.value += amount
            return self.value

        def pass_on(self, context: EntityContext, wrong: str) -> str:
            context.signal_entity("@counter@b", "add", 1)  # type: ignore[arg-type]
            with pytest.raises(TypeError, match="an entity is named by"):
                context.signal_entity(wrong, "add", 1)  # type: ignore[arg-type]
            return "passed on"

    @app.orchestration
    async def names(ctx: OrchestrationContext) -> list[Any]:
        calls: Any = ctx
        for use in (calls.signal_entity, calls.call_entity):
            with pytest.raises(TypeError, match=r"EntityId\('counter', key\)"):
                use("counter", "a", "add")
        calls.signal_entity("@counter@a", "add", 1)
        passed = await calls.call_entity("@counter@a", "pass_on", "counter")
        return [passed, await calls.call_entity(ctx.entity(Counter, "a"), "add", 1)]

    async with Environment(app) as env:
        assert await (await env.client.start_new(names)).result() == ["passed on", 2]
        await env.settle()
        other = await env.client.entity(Counter, "b").read()
        assert other == Counter(1)
