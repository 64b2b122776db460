"""A simulation repeats exactly, finds what is wrong in an App, and tells it in few lines."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest
from attrs import define

from perdure import App, Client, DefinitionNotFoundError, OrchestrationContext, StoreError
from perdure.persistence.sqlite import SQLiteStore
from perdure.testing import Chances, Ended, Faults, SimulationFailure, simulate
from perdure.testing.simulation import world
from simulated_bank import CLIENTS, Account, bank, move_money

SEEDS = int(os.environ.get("PERDURE_SEEDS", "60"))
PRINTS_TRACES = """
import hashlib, sys
sys.path.insert(0, sys.argv[1])
from simulated_bank import CLIENTS, bank
from perdure.testing.simulation.run import Experiment, run_seed
from perdure.testing.simulation.simulate import prepared

experiment = prepared(bank, CLIENTS)
for seed in range(12):
    run = run_seed(experiment, seed)
    text = "".join(map(str, run.trace)) + str(run.faults)
    print(seed, len(run.trace), hashlib.sha256(text.encode()).hexdigest())
"""

shop = App("shop")


@shop.entity
@define
class Stock:
    left: int = 3

    def take(self, count: int) -> int:
        self.left -= count
        return self.left


@shop.orchestration
async def order(ctx: OrchestrationContext, count: int) -> bool:
    """Look first and take then: others may have taken it in between."""
    stock = ctx.entity(Stock, "books")
    if await stock.call(Stock.take, 0) < count:
        return False
    await stock.call(Stock.take, count)
    return True


async def buy(client: Client, chances: Chances) -> None:
    for _ in range(chances.randint(1, 5)):
        ordered = await client.start_new(order, chances.randint(1, 2))
        await ordered.result()


async def never_oversold(ended: Ended) -> None:
    stock = await ended.client.entity(Stock, "books").read()
    assert stock is None or stock.left >= 0, f"{stock} books are left"


def test_the_engine_keeps_every_promise() -> None:
    report = simulate(bank, CLIENTS, seeds=SEEDS)
    assert report.seeds == SEEDS
    assert report.faults.total() > SEEDS
    assert not report.undecided


def test_a_seed_repeats_exactly_in_another_process() -> None:
    def traces(hash_seed: str) -> str:
        return subprocess.run(
            [sys.executable, "-c", PRINTS_TRACES, str(Path(__file__).parent)],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    first = traces("1")
    assert len(first.splitlines()) == 12
    assert first == traces("2")


def test_an_invariant_of_the_user_is_found_broken() -> None:
    with pytest.raises(SimulationFailure, match="books are left") as found:
        simulate(shop, [buy, buy], seeds=50, check=never_oversold)
    assert f"simulate(..., seed={found.value.seed})" in str(found.value)
    assert not found.value.faults
    assert len(found.value.trace) < 45
    with pytest.raises(SimulationFailure) as again:
        simulate(shop, [buy, buy], seed=found.value.seed, check=never_oversold)
    assert again.value.trace == found.value.trace


def test_thirty_days_take_no_time() -> None:
    patient = App("patient")

    @patient.orchestration
    async def month(ctx: OrchestrationContext) -> str:
        await anyio.sleep(30 * 86_400)
        return "done"

    async def wait(client: Client, _: Chances) -> None:
        assert await (await client.start_new(month)).result() == "done"

    report = simulate(patient, wait, seeds=3, faults=Faults.none())
    assert report.virtual_seconds > 3 * 30 * 86_400
    assert not report.faults


def test_years_of_waiting_come_to_an_end() -> None:
    app = App()

    @app.orchestration
    async def patient(ctx: OrchestrationContext) -> int:
        for _ in range(20):
            await ctx.create_timer(365.2422 * 86_400)
            await ctx.create_timer(0.000_001)
        return 20

    async def wait(client: Client, _: Chances) -> None:
        assert await (await client.start_new(patient)).result() == 20

    report = simulate(app, [wait, wait], seeds=6)
    assert report.virtual_seconds > 6 * 20 * 365 * 86_400


async def test_a_running_event_loop_is_refused() -> None:
    with pytest.raises(RuntimeError, match="call it from a sync test"):
        simulate(bank, move_money)


def test_a_stand_in_is_simulated_like_an_activity() -> None:
    calls: list[str] = []
    web = App("web")

    @web.activity
    def fetch(address: str) -> str:
        raise AssertionError(address)

    @web.orchestration
    async def crawl(ctx: OrchestrationContext) -> str:
        return await ctx.call_activity(fetch, "example.com")

    async def look(client: Client, _: Chances) -> None:
        assert await (await client.start_new(crawl)).result() == "example.com!"

    def fetched(address: str) -> str:
        calls.append(address)
        return f"{address}!"

    simulate(web, look, seeds=5, stubs={fetch: fetched})
    assert len(calls) >= 5


def test_an_opaque_entity_is_not_decided() -> None:
    report = simulate(bank, move_money, seeds=3, opaque=[Account])
    assert any("opaque" in text for text in report.undecided)


slow = App("slow")


@slow.orchestration
async def long(ctx: OrchestrationContext) -> None:
    await ctx.create_timer(3600)


async def two_long_ones(client: Client, _: Chances) -> None:
    for _number in range(2):
        await (await client.start_new(long)).result()


async def everybody_was_served(ended: Ended) -> None:
    assert not ended.unfinished


def test_what_comes_late_is_taken_too() -> None:
    """The second one is asked for when all else is at rest, maybe while the store is slow."""
    simulate(slow, two_long_ones, seeds=40, faults=Faults.none(), check=everybody_was_served)


async def fails(client: Client, _: Chances) -> None:
    await client.count()
    raise KeyError("lost")


async def sleeps(client: Client, _: Chances) -> None:
    await client.count()
    await anyio.sleep_forever()


def test_clients_that_never_end_are_counted() -> None:
    report = simulate(slow, [sleeps, two_long_ones], seeds=2, faults=Faults.none())
    assert str(report).endswith("2 clients still waited in the end")


def test_it_says_where_a_client_raised() -> None:
    with pytest.raises(SimulationFailure) as caught:
        simulate(slow, fails, seeds=1, faults=Faults.none())
    line = fails.__code__.co_firstlineno + 2
    assert caught.value.problems == [f"a client raised KeyError: 'lost', at {__file__}:{line}"]
    assert any("client 0   raises KeyError: 'lost'" in said for said in caught.value.trace)


def test_idle_clients_cost_few_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    async def months(client: Client, _: Chances) -> None:
        await (await client.start_new(long)).result()

    monkeypatch.setattr(world, "PASSES_MAX", 4_000)
    simulate(slow, [months] * 4, seeds=12, faults=Faults.none())


def test_a_near_horizon_forgets_no_timer() -> None:
    simulate(bank, CLIENTS, seeds=20, timer_horizon=2.5)


def test_a_disconnected_task_group_ends_its_client() -> None:
    async def at_once(client: Client, _: Chances) -> None:
        async with anyio.create_task_group() as group:
            for _number in range(4):
                group.start_soon(client.start_new, order, 1)

    assert simulate(shop, [at_once, at_once], seeds=40).faults["client_leaves"]


def test_a_failing_task_group_names_its_errors() -> None:
    async def at_once(client: Client, chances: Chances) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(fails, client, chances)

    with pytest.raises(SimulationFailure, match=r"a client raised KeyError: 'lost', at"):
        simulate(slow, at_once, seeds=1, faults=Faults.none())


def test_a_trace_tells_operations_and_outcomes() -> None:
    with pytest.raises(SimulationFailure) as caught:
        simulate(shop, [buy, buy], seeds=200, check=never_oversold)
    trace = "\n".join(caught.value.trace)
    assert "turn of @stock@books: EntityOperationCalled take 0" in trace
    assert "EntityOperationCompleted -1" in trace


@pytest.mark.parametrize(
    ("wrong", "error", "told"),
    [
        ({"seeds": 0}, ValueError, "seeds must be at least 1, not 0"),
        ({"seconds": float("nan")}, ValueError, "seconds must be more than 0, not nan"),
        ({"scenario": []}, ValueError, "there is no scenario"),
        ({"scenario": [3]}, TypeError, "a scenario is `async def"),
        ({"activities_max": -1}, ValueError, "activities_max must be at least 1"),
        ({"activites_max": 1}, TypeError, "did you mean 'activities_max'"),
        ({"opaque": ["stok"]}, DefinitionNotFoundError, "no entity 'stok' is registered"),
    ],
)
def test_what_cannot_be_run_is_refused(
    wrong: dict[str, Any], error: type[Exception], told: str
) -> None:
    given: dict[str, Any] = {"scenario": two_long_ones, **wrong}
    with pytest.raises(error, match=told):
        simulate(slow, **given)


def test_each_seed_has_a_store_that_is_closed(tmp_path: Path) -> None:
    stores: list[SQLiteStore] = []

    def begun() -> SQLiteStore:
        stores.append(SQLiteStore(tmp_path / f"{len(stores)}.db", durability="relaxed"))
        return stores[-1]

    simulate(slow, two_long_ones, seeds=3, store=begun)
    with pytest.raises(SimulationFailure):
        simulate(slow, fails, seeds=1, store=begun, shrink=False)
    assert len(stores) == 4
    for store in stores:
        with pytest.raises(StoreError, match="was closed"):
            store.version()
