"""The payloads that travel between functions of the 1.x model, and their clients."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from perdure import OrchestrationFailedError, PayloadError, PayloadTooLargeError
from perdure.functions import FunctionsApp
from perdure.functions.kernel import kernel_app
from perdure.functions.payloads import TaggedCodec
from perdure.persistence.store import Store
from perdure.testing import Environment

Load = Callable[[Mapping[str, str]], FunctionsApp]

SHOP = {
    "orders.py": """
        class Order:
            def __init__(self, item, count): self.item, self.count = item, count
            @staticmethod
            def to_json(order): return {"item": order.item, "count": order.count}
            @staticmethod
            def from_json(said): return Order(**said)
        """,
    "function_app.py": """
        import azure.durable_functions as df
        from orders import Order

        app = df.DFApp()

        @app.orchestration_trigger(context_name="context", input_type=Order)
        def buys(context):
            order = context.get_input()
            assert type(order) is Order
            doubled = yield context.call_activity(double, order)
            several = yield context.call_activity("each", [doubled, {"inside": order}])
            event = yield context.wait_for_external_event("more", expected_type=Order)
            return [several, event, doubled.count]

        @app.activity_trigger(input_name="order")
        def double(order: Order) -> Order:
            return Order(order.item, order.count * 2)

        @app.activity_trigger(input_name="orders")
        async def each(orders: list) -> list:
            first, second = orders
            return [first.count, second["inside"].item]
        """,
}


async def test_objects_travel_by_to_json_and_from_json(loaded: Load, store: Store) -> None:
    app = loaded(SHOP)
    order = app.modules["orders"].Order
    async with Environment(kernel_app(app), store=store) as env:
        started = await env.client.start_new("buys", order("tea", 2), instance_id="b")
        await env.settle()
        await env.crash()
        await env.client.raise_event("b", "more", order("cup", 1))
        several, event, count = await env.client.instance(started.instance_id).result()
        assert (several, count, event.item) == ([4, "tea"], 4, "cup")
        status = await env.client.get_status("b")
        assert status is not None
        assert status.input == {
            "__class__": "Order",
            "__module__": "orders",
            "__data__": {"item": "tea", "count": 2},
        }


async def test_objects_of_two_apps_do_not_mix(loaded: Load) -> None:
    apps = [loaded(SHOP), loaded(SHOP)]
    for app in apps:
        order = app.modules["orders"].Order
        async with Environment(kernel_app(app)) as env:
            started = await env.client.start_new("buys", order("tea", 1), instance_id="b")
            await env.client.raise_event("b", "more", order("cup", 1))
            _, event, _ = await started.result()
            assert type(event) is order


async def test_an_unknown_class_is_named(loaded: Load) -> None:
    async with Environment(kernel_app(loaded(SHOP))) as env:
        strange = {"__class__": "Cat", "__module__": "orders", "__data__": 1}
        started = await env.client.start_new("buys", strange)
        with pytest.raises(OrchestrationFailedError, match=r"orders\.Cat.*is not loaded"):
            await started.result()


@pytest.mark.parametrize("value", [float("nan"), {1, 2}, "\ud800", {(1, 2): 3}, object])
async def test_what_is_no_json_is_refused_with_its_path(loaded: Load, value: Any) -> None:
    async with Environment(kernel_app(loaded(SHOP))) as env:
        with pytest.raises(PayloadError, match="input of buys"):
            await env.client.start_new("buys", value)


READERS = """
from __future__ import annotations
import azure.durable_functions as df

app = df.DFApp()

@app.orchestration_trigger(context_name="context")
def reads(context):
    told = []
    for call in (lambda: context.call_activity(lost, 1), lambda: context.call_activity(guesses, 1)):
        try:
            told.append((yield call()))
        except Exception as error:
            told.append(str(error))
    try:
        yield context.wait_for_external_event("it")
    except Exception as error:
        told.append(str(error))
    try:
        context.wait_for_external_event("")
    except ValueError as error:
        told.append(str(error))
    return told

@app.activity_trigger(input_name="n")
def lost(n): return {"__class__": "Lost", "__module__": ["x"], "__data__": n}

@app.activity_trigger(input_name="n")
def guesses(n, **more) -> Unknown: return [n, more]
"""


async def test_what_cannot_be_read_is_told_at_the_yield(loaded: Load) -> None:
    async with Environment(kernel_app(loaded({"function_app.py": READERS}))) as env:
        started = await env.client.start_new("reads", instance_id="r")
        cat = {"__class__": "Cat", "__module__": "zoo", "__data__": 1}
        await env.client.raise_event("r", "it", cat)
        lost, guessed, event, unnamed = await started.result()
        assert "result of lost" in lost
        assert guessed == [1, {}]
        assert "zoo.Cat" in event
        assert unnamed == "an event has a name"


class Coin:
    """Of a module that no app has loaded."""

    def __init__(self, worth: int) -> None:
        self.worth = worth

    @staticmethod
    def from_json(worth: int) -> "Coin":
        return Coin(worth)


def test_an_expected_class_needs_no_module() -> None:
    codec = TaggedCodec({})
    text = '{"__class__": "Coin", "__module__": "mint", "__data__": 2}'
    assert codec.decode(text, Coin, "it").worth == 2
    assert codec.read(text, Coin, "it").worth == 2
    with pytest.raises(PayloadError, match=r"mint\.Coin"):
        codec.decode(text, None, "it")


def test_readers_of_the_native_kind_get_their_types() -> None:
    codec = TaggedCodec({}, payload_bytes_max=20)
    assert codec.read("[1, 2]", tuple[int, ...], "it") == (1, 2)
    with pytest.raises(PayloadError, match="expected int"):
        codec.read('"a"', int, "it")
    with pytest.raises(PayloadError, match="is not JSON"):
        codec.read("{", int, "it")
    with pytest.raises(PayloadTooLargeError):
        codec.write("x" * 30, "it")
