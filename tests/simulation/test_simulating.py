"""A simulation repeats exactly, finds what is wrong in an App, and tells it in few lines."""

import os
import subprocess
import sys
from pathlib import Path

import anyio
import pytest
from attrs import define

from perdure import App, Client, OrchestrationContext
from perdure.testing import Chances, Ended, Faults, SimulationFailure, simulate
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
