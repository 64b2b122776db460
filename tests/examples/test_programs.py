"""The programs of one page: they run on both backends, and do what they say."""

import importlib
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import chaining
import counter
import fan_out
import monitor
import saga
import transfer
from approval import Answer, Expense, approve, ask
from approval import app as approval_app
from perdure.testing import Environment

FOLDER = Path(__file__).parents[2] / "examples"
PROGRAMS = sorted(path.stem for path in FOLDER.glob("*.py"))

Stories = pytest.CaptureFixture[str]


def test_the_seven_patterns_have_a_program() -> None:
    assert PROGRAMS == [
        "approval",
        "chaining",
        "counter",
        "fan_out",
        "monitor",
        "saga",
        "transfer",
    ]


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_tells_one_story_on_both_backends(name: str, capsys: Stories) -> None:
    main: Callable[[], None] = importlib.import_module(name).main
    main()
    lines = capsys.readouterr().out.splitlines()
    half = len(lines) // 2
    assert lines
    assert lines[:half] == lines[half:]


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_has_less_than_eighty_lines(name: str) -> None:
    assert (FOLDER / f"{name}.py").read_text("utf-8").count("\n") < 80


async def test_a_chain_goes_on_after_a_crash() -> None:
    async with Environment(chaining.app) as env:
        addresses: list[Any] = [OSError("no line"), "12 St James's Square, London"]

        def find(_: str) -> str:
            address = addresses.pop(0)
            if isinstance(address, OSError):
                raise address
            return str(address)

        env.stub(chaining.find_address, find)
        instance = await env.client.start_new(chaining.ship, "tea", "Ada")
        await env.settle()
        await env.crash()
        parcel = await env.client.instance(instance.instance_id, chaining.Parcel).result()
        assert parcel.label == "tea, 300 g, to 12 St James's Square, London"
        assert not addresses


async def test_fanning_in_adds_up_all_texts() -> None:
    async with Environment(fan_out.app) as env:
        instance = await env.client.start_new(fan_out.survey, ["a b a", "b a", ""])
        assert await instance.result() == fan_out.Words({"a": 3, "b": 2})


async def test_a_late_approver_is_passed_over() -> None:
    async with Environment(approval_app) as env:
        env.stub(ask, None)
        expense = Expense("a desk", 300)
        instance = await env.client.start_new(approve, expense, ["Bob", "Carol"])
        await env.advance(timedelta(days=3, seconds=1))
        await instance.raise_event("answer", Answer("Carol", approved=True))
        assert await instance.result() == Answer("Carol", approved=True)
        assert env.calls_of(ask) == [("Bob", expense), ("Carol", expense)]


async def test_the_monitor_looks_once_per_interval() -> None:
    async with Environment(monitor.app) as env:
        weather = iter(["rain", "rain", "sun"])

        def look(_: str) -> str:
            return next(weather)

        env.stub(monitor.look_outside, look)
        began = env.now
        instance = await env.client.start_new(monitor.wait_for_sun, monitor.Watch("Bergen", 9))
        assert await instance.result() == "sun in Bergen, seen at look 3"
        assert timedelta(hours=1) <= env.now - began < timedelta(hours=1, seconds=1)


async def test_a_refused_transfer_moves_nothing() -> None:
    async with Environment(transfer.app) as env:
        client = env.client
        await client.entity(transfer.Account, "Ada").call(transfer.Account.deposit, 10)
        order = transfer.Order("Ada", "Bob", 11)
        assert await (await client.start_new(transfer.transfer, order)).result() is False
        assert await client.entity(transfer.Account, "Ada").read() == transfer.Account(10)
        assert await client.entity(transfer.Account, "Bob").read() is None


async def test_the_counter_keeps_its_count_through_a_crash() -> None:
    async with Environment(counter.app) as env:
        await env.client.entity(counter.Counter, "zoo").call(counter.Counter.visit, 99)
        await env.crash()
        assert await env.client.entity(counter.Counter, "zoo").call(counter.Counter.visit, 2) == 101


async def test_the_saga_undoes_last_things_first() -> None:
    async with Environment(saga.app) as env:
        env.stub(saga.cancel_booking, None)
        env.stub(saga.book_hotel, saga.SoldOut("full"))
        instance = await env.client.start_new(saga.travel, saga.Trip("Oslo", 2))
        assert await instance.result() == saga.Outcome([], "full")
        assert env.calls_of(saga.cancel_booking) == [("flight to Oslo",)]
