"""A scenario is crashed at every moment that matters, and what is left is compared."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from attrs import define

from perdure import App, EntityContext, EntityId, OrchestrationContext, RetryPolicy
from perdure.testing import CrashPointError, Environment, crash_everywhere, exact

app = App("shop")
Scenario = Callable[[Environment], Awaitable[object]]


@app.entity
@define
class Account:
    balance: int = 100

    def add(self, amount: int) -> int:
        self.balance += amount
        return self.balance


@app.activity
def price(item: str) -> int:
    return len(item)


@app.activity(retry=RetryPolicy(max_attempts=3, first_interval=timedelta(seconds=5)))
async def pay(item: str) -> str:
    return f"paid for {item}"


@app.orchestration
async def order(ctx: OrchestrationContext, item: str) -> str:
    buyer, seller = ctx.entity(Account, "buyer"), ctx.entity(Account, "seller")
    cost = await ctx.call_activity(price, item)
    async with ctx.lock_entities(buyer, seller):
        await buyer.call(Account.add, -cost)
        await seller.call(Account.add, cost)
    receipt = await ctx.call_activity(pay, item)
    await ctx.create_timer(timedelta(days=1))
    await ctx.wait_for_external_event("delivered", str)
    return receipt


@app.orchestration
async def stamp(ctx: OrchestrationContext) -> list[str]:
    child = ctx.call_sub_orchestrator(order, "tea")
    await ctx.create_timer(timedelta(hours=1))
    return [str(ctx.new_guid()), ctx.current_utc_datetime.isoformat(), str(child.done)]


@app.orchestration
async def forgetful(ctx: OrchestrationContext) -> None:
    ctx.call_activity(pay, "nobody waits")


async def shopping(env: Environment) -> int:
    bought = await env.client.start_new(order, "tea", instance_id="o-1")
    await env.client.raise_event("o-1", "delivered", "on time")
    assert await bought.result() == "paid for tea"
    return await env.client.entity(Account, "seller").call(Account.add, 1)


def paying_into(ledger: list[str], *, once: bool = False) -> Callable[[str], str]:
    def paid(item: str) -> str:
        if not once or item not in ledger:
            ledger.append(item)
        return f"paid for {item}"

    return paid


async def test_a_sound_scenario_survives_everywhere() -> None:
    report = await crash_everywhere(app, shopping)
    kinds = [point.kind for point in report.points]
    assert kinds.count("before-commit") >= 6
    assert kinds.count("after-commit") >= 6
    assert [kinds.count("start"), kinds.count("end")] == [2, 2]
    assert set(report.repeated) == {"price", "pay"}
    assert report.undisturbed.result == 104
    assert report.undisturbed.entities["@account@buyer"].state == {"balance": 97}


async def test_points_tell_in_words_where_they_are() -> None:
    report = await crash_everywhere(app, shopping)
    words = {point.name: str(point) for point in report.points}
    assert words["start-1"] == "at start 1 of an activity, that of 'price' for 'o-1'"
    assert words["after-commit-1"].startswith("after commit 1, which wrote turn 0 of 'o-1' (Execu")
    assert "not recorded yet: that of 'pay' for 'o-1'" in words["end-2"]


async def test_an_effect_that_happens_twice_is_found() -> None:
    async def scenario(env: Environment) -> list[str]:
        ledger: list[str] = []
        env.stub(pay, paying_into(ledger))
        await shopping(env)
        return ledger

    with pytest.raises(CrashPointError, match="result") as failure:
        await crash_everywhere(app, scenario)
    assert "['tea'] undisturbed, ['tea', 'tea'] here" in str(failure.value)
    assert "run more than once: pay" in str(failure.value)
    assert failure.value.point.name == "end-2"


async def test_an_effect_with_a_key_passes() -> None:
    async def scenario(env: Environment) -> list[str]:
        ledger: list[str] = []
        env.stub(pay, paying_into(ledger, once=True))
        await shopping(env)
        return ledger

    report = await crash_everywhere(app, scenario)
    assert report.undisturbed.result == ["tea"]
    assert len(report.points) > 12


async def test_what_nobody_awaits_is_found_lost() -> None:
    async def scenario(env: Environment) -> list[str]:
        ledger: list[str] = []
        env.stub(pay, paying_into(ledger))
        await (await env.client.start_new(forgetful)).result()
        await env.settle()
        return ledger

    with pytest.raises(CrashPointError, match=r"undisturbed, \[\] here"):
        await crash_everywhere(app, scenario)


async def test_only_the_chosen_point_is_run() -> None:
    runs: list[Environment] = []

    async def scenario(env: Environment) -> None:
        runs.append(env)
        await shopping(env)

    report = await crash_everywhere(app, scenario, only="after-commit-3")
    assert [point.name for point in report.points] == ["after-commit-3"]
    assert len(runs) == 2


@pytest.mark.parametrize("name", ["after-commit-999", "start-0", "middle-1", "start"])
async def test_a_point_that_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(LookupError, match=r"there is no crash point .*start-1 to start-2"):
        await crash_everywhere(app, shopping, only=name)


async def test_many_points_are_thinned_out_evenly() -> None:
    report = await crash_everywhere(app, shopping, points_max=4)
    assert len(report.points) == 4
    assert report.points[0].name == "before-commit-1"
    assert report.points[3].number > 2


async def test_generated_ids_and_times_do_not_count() -> None:
    async def scenario(env: Environment) -> list[str]:
        return await (await env.client.start_new(stamp)).result()

    report = await crash_everywhere(app, scenario)
    assert len(report.points) > 10
    with pytest.raises(CrashPointError, match="result"):
        await crash_everywhere(app, scenario, compare=exact)


async def test_the_user_chooses_what_is_compared() -> None:
    runs: list[int] = []

    async def scenario(env: Environment) -> int:
        runs.append(await shopping(env))
        return len(runs)

    report = await crash_everywhere(app, scenario, compare=lambda end: end.entities)
    assert runs == [104] * (1 + len(report.points))
    runs.clear()
    with pytest.raises(CrashPointError, match="result: 1 undisturbed"):
        await crash_everywhere(app, scenario)


async def test_activities_outside_the_list_fail() -> None:
    with pytest.raises(CrashPointError, match="activity 'price' was run more than once and is not"):
        await crash_everywhere(app, shopping, idempotent=["pay"])
    report = await crash_everywhere(app, shopping, idempotent=["pay", "price"])
    assert report.points


async def test_a_retry_is_no_repetition() -> None:
    async def scenario(env: Environment) -> int:
        tries: list[str] = []

        def second_time(item: str) -> str:
            tries.append(item)
            if len(tries) == 1:
                raise ConnectionError(item)
            return item

        env.stub(pay, second_time)
        bought = await env.client.start_new(order, "tea", instance_id="o-1")
        await env.client.raise_event("o-1", "delivered", "on time")
        await bought.result()
        return len(tries)

    report = await crash_everywhere(app, scenario, only="start-3")
    assert report.undisturbed.result == 2
    assert [str(point) for point in report.points] == [
        "at start 3 of an activity, that of 'pay' for 'o-1'"
    ]
    assert not report.repeated


async def test_an_error_of_the_scenario_is_its_own() -> None:
    async def scenario(env: Environment) -> None:
        raise KeyError("no such thing")

    with pytest.raises(KeyError, match="no such thing"):
        await crash_everywhere(app, scenario)


async def test_an_error_after_a_crash_names_the_point() -> None:
    async def scenario(env: Environment) -> None:
        began: list[str] = []

        def measured(item: str) -> int:
            began.append(item)
            return len(began)

        env.stub(price, measured)
        bought = await env.client.start_new(order, "tea", instance_id="o-1")
        await env.client.raise_event("o-1", "delivered", "on time")
        await bought.result()
        assert began == ["tea"]

    with pytest.raises(CrashPointError, match="the scenario raised AssertionError") as failure:
        await crash_everywhere(app, scenario)
    assert failure.value.point.name == "end-1"


async def test_time_can_be_moved_by_the_scenario() -> None:
    async def scenario(env: Environment) -> str:
        await env.client.start_new(order, "tea", instance_id="o-1")
        await env.advance(timedelta(hours=23))
        status = await env.client.get_status("o-1")
        await env.client.raise_event("o-1", "delivered", "late")
        await env.advance(timedelta(days=2))
        assert status is not None
        return str(status.runtime_status)

    report = await crash_everywhere(app, scenario)
    assert report.undisturbed.result == "Running"
    assert report.undisturbed.instances["o-1"].status == "Completed"
    assert len(report.points) > 12


async def test_async_operations_of_entities_are_crashed() -> None:
    rooms = App()

    @rooms.entity
    @define
    class Room:
        guests: int = 0

        async def enter(self, context: EntityContext, many: int) -> None:
            self.guests += many
            context.signal_entity(EntityId("room", "hall"), "count", many)

        def count(self, many: int) -> None:
            self.guests += many

    async def scenario(env: Environment) -> None:
        for many in (1, 2, 3):
            await env.client.entity(Room, "blue").signal(Room.enter, many)

    report = await crash_everywhere(rooms, scenario)
    assert report.undisturbed.entities["@room@hall"].state == {"guests": 6}
    assert len(report.points) >= 6
