"""Entity functions of the 1.x model."""

import logging
from collections.abc import Callable, Mapping

import pytest

from perdure import App, EntityOperationFailedError
from perdure.functions import FunctionsApp
from perdure.functions.host_settings import HostSettings
from perdure.functions.kernel import kernel_app
from perdure.persistence.store import Store
from perdure.testing import Environment

Decorated = Callable[[str], App]
Load = Callable[[Mapping[str, str]], FunctionsApp]

COUNTER = """
@app.entity_trigger(context_name="context")
def counter(context: df.DurableEntityContext):
    value = context.get_state(lambda: 0)
    match context.operation_name:
        case "add":
            context.set_state(value + context.get_input())
        case "reset":
            context.set_state(0)
        case "fail":
            context.set_state(99)
            raise ValueError("not allowed")
        case "delete":
            context.destruct_on_exit()
        case "who":
            context.set_result([context.entity_name, context.entity_key])
            return
    context.set_result(context.get_state())

@app.orchestration_trigger(context_name="context")
def counts(context):
    counter = df.EntityId("Counter", "Steps")
    yield context.call_entity(counter, "add", 2)
    context.signal_entity(counter, "add", 3)
    told = yield context.signal_entity(counter, "add", 0)
    total = yield context.call_entity(counter, "get")
    who = yield context.call_entity(counter, "who")
    try:
        yield context.call_entity(counter, "fail")
    except Exception as error:
        return [total, told, who, type(error).__name__, str(error)]
"""


async def test_calls_and_signals_reach_the_entity(decorated: Decorated, store: Store) -> None:
    async with Environment(decorated(COUNTER), store=store) as env:
        result = await (await env.client.start_new("counts")).result()
        assert result == [5, None, ["counter", "Steps"], "Exception", "not allowed"]
        assert await env.client.entity("COUNTER", "Steps").read() == 5


async def test_an_operation_that_raises_leaves_no_trace(decorated: Decorated) -> None:
    async with Environment(decorated(COUNTER)) as env:
        counter = env.client.entity("counter", "x")
        await counter.call("add", 1)
        with pytest.raises(EntityOperationFailedError, match="not allowed"):
            await counter.call("fail")
        assert await counter.read() == 1


async def test_a_failed_operation_is_in_the_log(
    decorated: Decorated, caplog: pytest.LogCaptureFixture
) -> None:
    async with Environment(decorated(COUNTER)) as env:
        await (await env.client.start_new("counts")).result()
    (told,) = [one for one in caplog.records if one.name == "perdure.functions"]
    operation = "operation fail of entity @counter@Steps"
    assert told.getMessage() == f"{operation} failed: ValueError: not allowed"
    assert "in counter" in str(told.exc_text)


@pytest.mark.parametrize("is_async", [False, True])
async def test_without_rollback_the_state_stays(loaded: Load, *, is_async: bool) -> None:
    body = COUNTER.replace("def counter", "async def counter") if is_async else COUNTER
    head = "import azure.durable_functions as df\napp = df.DFApp()\n"
    app = loaded({"function_app.py": head + body})
    async with Environment(kernel_app(app, HostSettings(rolls_back=False))) as env:
        counter = env.client.entity("counter", "x")
        with pytest.raises(EntityOperationFailedError, match="not allowed"):
            await counter.call("fail")
        assert await counter.read() == 99


async def test_destruct_on_exit_deletes_the_entity(decorated: Decorated, store: Store) -> None:
    async with Environment(decorated(COUNTER), store=store) as env:
        counter = env.client.entity("counter", "x")
        assert await counter.call("add", 4) == 4
        assert await counter.call("delete") is None
        assert await counter.read() is None
        assert await counter.call("add", 1) == 1


LIVE = """
class Basket:
    def __init__(self, items): self.items = items
    @staticmethod
    def to_json(basket): return basket.items
    @staticmethod
    def from_json(items): return Basket(items)

@app.entity_trigger(context_name="context", entity_name="Cart")
def anything(context):
    basket = context.get_state(lambda: Basket([]), Basket)
    if context.operation_name == "first":
        context.set_state(basket)
    basket.items.append(context.get_input(str))
    context.set_result(context.is_newly_constructed)
    if context.operation_name == "broken":
        context.set_state(object())
    if context.operation_name == "strange":
        context.get_state()
        context.destruct_on_exit()
        context.get_state("no function")
"""


async def test_changes_inside_the_state_are_kept(decorated: Decorated, store: Store) -> None:
    async with Environment(decorated(LIVE), store=store) as env:
        cart = env.client.entity("cart", "c")
        assert await cart.call("first", "a") is False
        await env.crash()
        await env.client.entity("cart", "c").call("next", "b")
        basket = await env.client.entity("cart", "c").read()
        assert basket is not None
        assert basket.items == ["a", "b"]


async def test_what_cannot_be_written_fails_the_operation(
    decorated: Decorated, caplog: pytest.LogCaptureFixture
) -> None:
    async with Environment(decorated(LIVE)) as env:
        cart = env.client.entity("cart", "c")
        await cart.call("first", "a")
        with pytest.raises(EntityOperationFailedError, match="object has no to_json"):
            await cart.call("broken", "b")
        with pytest.raises(EntityOperationFailedError, match="callable function"):
            await cart.call("strange", "b")
        basket = await cart.read()
        assert basket is not None
        assert basket.items == ["a"]
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
