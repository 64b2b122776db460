"""Code that never comes to its end is told of, and everybody else is checked all the same."""

import math
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from pathlib import Path

import anyio
import pytest
from attrs import define

from perdure import App, OrchestrationContext
from perdure.persistence.opening import open_store
from perdure.persistence.store import Store
from perdure.runtime.leash import Leash
from perdure.testing import Environment, StoreCheck, check_store

Going = Callable[[OrchestrationContext, Awaitable[str]], Awaitable[None]]
SECONDS_MAX = 0.3


def app_of(going: Going) -> App:
    """An app in which `going` is what an orchestration does after its first step."""
    app = App("going")

    @app.activity
    async def step() -> str:
        return "done"

    @app.orchestration
    async def goes(ctx: OrchestrationContext) -> None:
        task = ctx.call_activity(step)
        await task
        await going(ctx, task)

    @app.orchestration
    async def stays(ctx: OrchestrationContext) -> None:
        await ctx.wait_for_external_event("go")

    return app


async def waits(ctx: OrchestrationContext, _: Awaitable[str]) -> None:
    await ctx.wait_for_external_event("go")


async def never_awaits(_: OrchestrationContext, __: Awaitable[str]) -> None:
    while True:
        pass


async def awaits_the_known(_: OrchestrationContext, task: Awaitable[str]) -> None:
    while True:
        await task


async def goes_on_in_the_end(ctx: OrchestrationContext, _: Awaitable[str]) -> None:
    try:
        await ctx.wait_for_external_event("go")
    finally:
        while True:
            pass


async def takes_every_error(_: OrchestrationContext, __: Awaitable[str]) -> None:
    while True:
        try:
            while True:
                pass
        except BaseException:  # noqa: BLE001, S112 - the worst that user code can do
            continue


@pytest.fixture(autouse=True)
def nothing_goes_on() -> Iterator[None]:
    """What was left behind takes no time from what comes after it."""
    yield
    left = [thread for thread in threading.enumerate() if thread.name == "leashed"]
    clocks = [time.pthread_getcpuclockid(thread.ident) for thread in left if thread.ident]
    before = [time.clock_gettime(clock) for clock in clocks]
    until = time.process_time() + (0.05 if left else 0)
    while time.process_time() < until:
        """So long that whoever goes on gets turns."""
    assert [time.clock_gettime(clock) for clock in clocks] == before


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A file: what is read has to be closed before the code that never ends is run."""
    with closing(open_store(tmp_path / "hub.db")) as opened:
        yield opened


@pytest.fixture
def recorded(store: Store) -> Store:
    async def record() -> None:
        async with Environment(app_of(waits), store=store) as env:
            await env.client.start_new("goes", instance_id="a")
            await env.client.start_new("stays", instance_id="b")
            await env.settle()

    anyio.run(record)
    return store


def problems(found: StoreCheck) -> list[tuple[str, str]]:
    return [(misfit.actor_id, misfit.problem) for misfit in found.misfits]


@pytest.mark.parametrize(
    "going", [never_awaits, awaits_the_known, goes_on_in_the_end, takes_every_error]
)
def test_endless_code_is_named_with_its_line(recorded: Store, going: Going) -> None:
    before = [*recorded.export()]
    found = check_store(app_of(going), recorded, seconds_max=SECONDS_MAX)
    (misfit,) = found.misfits
    assert (misfit.actor_id, misfit.name, misfit.problem) == ("a", "goes", "endless")
    assert misfit.message == "it had not come to its end after 0.3 s"
    assert misfit.source is not None
    assert "test_endless_code.py" in misfit.source
    assert found.instances == 2
    assert [*recorded.export()] == before
    assert check_store(app_of(waits), recorded).fits


@pytest.fixture
def barrier() -> Iterator[threading.Lock]:
    lock = threading.Lock()
    with lock:
        yield lock


def test_what_cannot_be_stopped_is_left_behind(recorded: Store, barrier: threading.Lock) -> None:
    left: list[threading.Thread] = []

    async def locks_itself_out(_: OrchestrationContext, __: Awaitable[str]) -> None:
        left.append(threading.current_thread())
        with barrier:
            pass

    found = check_store(app_of(locks_itself_out), recorded, seconds_max=SECONDS_MAX)
    assert problems(found) == [("a", "endless")]
    assert found.instances == 2
    barrier.release()
    for thread in left:
        thread.join()
    barrier.acquire()


def test_not_everybody_of_the_same_code_is_waited_for(store: Store) -> None:
    async def record() -> None:
        async with Environment(app_of(waits), store=store) as env:
            for number in range(6):
                await env.client.start_new("goes", instance_id=f"g-{number}")
            await env.settle()

    anyio.run(record)
    found = check_store(app_of(never_awaits), store, seconds_max=0.1)
    assert problems(found) == [(f"g-{number}", "endless") for number in range(6)]
    told = [misfit.message for misfit in found.misfits]
    assert told[3:] == ["not tried, as 3 others of the same code had not come to their end"] * 3


def test_the_limit_holds_in_any_thread(recorded: Store) -> None:
    found: list[StoreCheck] = []
    app = app_of(never_awaits)
    asking = threading.Thread(
        target=lambda: found.append(check_store(app, recorded, seconds_max=SECONDS_MAX))
    )
    asking.start()
    asking.join()
    assert problems(found[0]) == [("a", "endless")]


async def test_the_limit_holds_inside_a_loop(recorded: Store) -> None:
    found = check_store(app_of(awaits_the_known), recorded, seconds_max=SECONDS_MAX)
    assert problems(found) == [("a", "endless")]


def test_entities_are_on_the_leash_too(store: Store) -> None:
    app = App("bank")

    @app.entity
    @define
    class Account:
        def deposit(self) -> None:
            """Change nothing."""

    async def record() -> None:
        async with Environment(app, store=store) as env:
            await env.client.entity(Account, "a").call(Account.deposit)

    anyio.run(record)

    def read_for_ever(*_: object) -> Account:
        while True:
            pass

    app.codec.converter.register_structure_hook(Account, read_for_ever)
    found = check_store(app, store, seconds_max=SECONDS_MAX)
    assert [(each.actor_id, each.name, each.problem) for each in found.misfits] == [
        ("@account@a", "account", "endless")
    ]


@pytest.mark.parametrize("seconds_max", [0, -1, math.nan])
def test_a_limit_has_to_be_one(store: Store, seconds_max: float) -> None:
    with pytest.raises(ValueError, match="seconds_max must be more than 0"):
        check_store(App(), store, seconds_max=seconds_max)


def test_infinity_is_no_limit(store: Store) -> None:
    assert Leash(math.inf).run(lambda: 5) == 5
    with pytest.raises(ZeroDivisionError):
        Leash(math.inf).run(lambda: 5 // 0)
    assert check_store(App(), store, seconds_max=math.inf).fits


@pytest.mark.parametrize("seconds_max", [1e11, 1e308])
def test_a_limit_beyond_all_clocks_is_none(seconds_max: float) -> None:
    leash = Leash(seconds_max)
    with leash.or_exit():
        assert leash.run(lambda: 5) == 5
