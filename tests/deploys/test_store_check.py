"""Would other code go on with what is stored? Nothing is run, nothing is written."""

from collections.abc import Callable, Collection, Iterator
from datetime import timedelta
from typing import Any, TypeVar

import anyio
import pytest
from attrs import define, evolve, field, make_class

from perdure import App, OrchestrationContext
from perdure.persistence.contract.rows import message
from perdure.persistence.memory import MemoryStore
from perdure.persistence.records import Whole
from perdure.persistence.store import Store
from perdure.testing import Environment, Misfit, StoreCheck, check_store


@define
class Order:
    item: str


@define
class Bill:
    item: str
    cents: int


F = TypeVar("F", bound=Callable[..., Any])


def typed(function: F, **annotations: Any) -> F:
    """Change what the parameters and the result are annotated with."""
    function.__annotations__.update(annotations)
    return function


async def weigh(item: str) -> int:
    return len(item)


async def ship(parcel: Any) -> str:
    await anyio.sleep_forever()
    return str(parcel)


def shop(
    *,
    order: Any = Order,
    weight: Any = int,
    stock: Any = int,
    operation: str = "add",
    ships: bool = True,
    wait: str = "event",
) -> App:
    """Give a version of one app."""
    app = App("shop")
    app.activity(typed(weigh, **{"return": weight}))
    if ships:
        app.activity(typed(ship, parcel=order))

    async def change(self: Any, pieces: int) -> None:
        self.pieces += pieces

    pieces = field(type=stock, factory=stock)
    app.entity(make_class("Stock", {"pieces": pieces}, class_body={operation: change}))

    async def buy(ctx: OrchestrationContext, bought: Any) -> str:
        weighed = ctx.call_activity("weigh", bought.item, returns=weight)
        shipped = ctx.call_activity("ship", bought)
        await ctx.entity("stock", bought.item).call("add", 1)
        if wait == "event":
            await ctx.wait_for_external_event("paid", int)
        elif wait == "timer":
            await ctx.create_timer(timedelta(hours=1))
        elif wait == "error":
            raise ValueError("it is not paid")
        return f"{await weighed} {await shipped}"

    app.orchestration(typed(buy, bought=order))
    return app


@pytest.fixture
def recorded(store: Store) -> Store:
    """A store in which an order waits for its payment."""

    async def record() -> None:
        async with Environment(shop(), store=store) as env:
            await env.client.start_new("buy", Order("tea"), instance_id="o-1")
            await env.client.start_new("buy", Order("soap"), instance_id="o-2")
            await env.settle()

    anyio.run(record)
    return store


def only(found: StoreCheck, actor_id: str = "o-1") -> Misfit:
    (misfit,) = [misfit for misfit in found.misfits if misfit.actor_id == actor_id]
    return misfit


def test_the_same_code_fits(recorded: Store) -> None:
    before = [*recorded.export()]
    found = check_store(shop(), recorded)
    assert (found.fits, found.instances, found.entities) == (True, 2, 2)
    assert not found.new_work
    assert [*recorded.export()] == before


def test_other_calls_are_shown_with_their_line(recorded: Store) -> None:
    app = shop()

    @app.orchestration(version="2")
    async def buy(ctx: OrchestrationContext, bought: Order) -> None:
        await ctx.create_timer(timedelta(hours=1))

    app.orchestrations["buy", None] = app.orchestrations["buy", "2"]
    misfit = only(check_store(app, recorded))
    assert misfit.problem == "non-determinism"
    assert misfit.recorded == "activity 'weigh' (task 1)"
    assert misfit.actual == "timer (task 1)"
    assert misfit.source is not None
    assert "test_store_check.py" in misfit.source


def test_missing_definitions_are_named(recorded: Store) -> None:
    found = check_store(App(), recorded)
    told = {(misfit.actor_id, misfit.name, misfit.problem) for misfit in found.misfits}
    assert ("o-1", "buy", "missing definition") in told
    assert ("@stock@tea", "stock", "missing definition") in told
    assert "'ship'" in only(check_store(shop(ships=False), recorded)).message


def test_inputs_that_do_not_structure_are_found(recorded: Store) -> None:
    found = check_store(shop(order=Bill), recorded)
    messages = [misfit.message for misfit in found.misfits if misfit.actor_id == "o-1"]
    assert any(message.startswith("input of buy") and "cents" in message for message in messages)
    assert any(message.startswith("input of ship") and "cents" in message for message in messages)
    # The code cannot begin without its input, so that its calls are missing too.
    assert {misfit.problem for misfit in found.misfits} == {"payload", "non-determinism"}


def test_results_that_nobody_has_read_are_read(recorded: Store) -> None:
    misfit = only(check_store(shop(weight=Order), recorded))
    assert misfit.problem == "payload"
    assert misfit.message.startswith("result of weigh (Order)")


def test_states_that_do_not_structure_are_found(recorded: Store) -> None:
    misfit = only(check_store(shop(stock=list[int]), recorded), "@stock@tea")
    assert (misfit.problem, misfit.name) == ("payload", "stock")
    assert "pieces" in misfit.message


def test_an_error_where_it_went_on_is_found(recorded: Store) -> None:
    misfit = only(check_store(shop(wait="error"), recorded))
    assert misfit.problem == "failure"
    assert misfit.message == "the code fails where it went on: ValueError: it is not paid"


def test_new_calls_at_the_end_are_news(recorded: Store) -> None:
    found = check_store(shop(wait="timer"), recorded)
    assert found.fits
    assert [(news.actor_id, news.what) for news in found.new_work] == [
        ("o-1", ["timer (task 4)"]),
        ("o-2", ["timer (task 4)"]),
    ]


def test_a_sample_is_taken_and_told(recorded: Store) -> None:
    told: list[tuple[int, int]] = []
    found = check_store(
        shop(), recorded, sample=1, progress=lambda done, total: told.append((done, total))
    )
    assert (found.instances, found.entities, found.left_out) == (1, 1, 2)
    assert told == [(1, 2), (2, 2)]
    with pytest.raises(ValueError, match="at least 1"):
        check_store(shop(), recorded, sample=0)


@pytest.mark.parametrize(
    ("sample", "chosen"), [(1, [0]), (2, [0, 125]), (5, [0, 50, 100, 150, 200]), (900, range(250))]
)
async def test_samples_are_spread_evenly(sample: int, chosen: list[int]) -> None:
    store = MemoryStore()
    async with Environment(shop(), store=store) as env:
        for number in range(250):
            await env.client.start_new("buy", Order("tea"), instance_id=f"o-{number:03}")
    found = check_store(App(), store, sample=sample)
    ids = [misfit.actor_id for misfit in found.misfits if misfit.name == "buy"]
    assert list(dict.fromkeys(ids)) == [f"o-{number:03}" for number in chosen]


async def test_a_living_runtime_is_not_disturbed(store: Store) -> None:
    async with Environment(shop(), store=store) as env:
        await env.client.start_new("buy", Order("tea"), instance_id="o-1")
        await env.settle()
        assert check_store(shop(), store).fits
        assert not check_store(shop(weight=Order), store).fits
        env.stub("ship", "sent")
        await env.client.raise_event("o-1", "paid", 3)
        await env.crash()
        assert await env.client.instance("o-1", str).result() == "3 sent"
    assert check_store(App(), store).instances == 0


def test_what_is_purged_meanwhile_is_passed_over(
    recorded: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    export = recorded.export

    def purged(ids: Collection[str]) -> Iterator[Whole]:
        for whole in export(ids):
            left = evolve(whole, instance=None, messages=[message(whole.id)])
            yield left if whole.instance is not None else whole

    monkeypatch.setattr(recorded, "export", purged)
    assert check_store(shop(), recorded).fits
