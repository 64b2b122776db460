"""Those who wait in one client look together, and what is damaged is the affair of one."""

import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

from perdure import Status, StoreCorruptError
from perdure.actors.history import ExecutionSuspended
from perdure.actors.wire import write_event
from perdure.persistence.contract.rows import Owner, instance
from perdure.persistence.memory import MemoryStore
from perdure.persistence.records import InstanceRow, MessageRow
from perdure.persistence.sqlite import SQLiteStore
from perdure.persistence.store import Store
from perdure.runtime.client.inquiries import Inquiries
from perdure.testing.disturbed import DisturbedStore, HeldLane

Ask = Callable[[Inquiries], Awaitable[Any]]


async def together(store: Store, *questions: Ask) -> list[Any]:
    """What is found by all who ask while the first question is under way."""
    lane = HeldLane("client")
    inquiries = Inquiries(store, lane)
    found: dict[int, Any] = {}

    async def ask(number: int, question: Ask) -> None:
        try:
            found[number] = await question(inquiries)
        except (StoreCorruptError, ValueError) as error:
            found[number] = error

    lane.held = True
    async with anyio.create_task_group() as group:
        group.start_soon(ask, -1, Inquiries.version)
        await anyio.wait_all_tasks_blocked()
        for number, question in enumerate(questions):
            group.start_soon(ask, number, question)
        await anyio.wait_all_tasks_blocked()
        lane.let_go()
    return [found[number] for number in range(len(questions))]


async def test_all_who_ask_at_a_time_look_together() -> None:
    store = MemoryStore()
    owner = Owner(store)
    owner.keep(instance("a"))
    owner.keep(instance("b", status=Status.FAILED, completed=20))
    owner.commit(replies={"r1": "one", "r2": "two"})
    disturbed = DisturbedStore(store)
    version, first, second, none, a, nobody, outlook = await together(
        disturbed.store,
        lambda inquiries: inquiries.version(),
        lambda inquiries: inquiries.answer("r1"),
        lambda inquiries: inquiries.answer("r2"),
        lambda inquiries: inquiries.answer("r3"),
        lambda inquiries: inquiries.row("a"),
        lambda inquiries: inquiries.row("nobody"),
        lambda inquiries: inquiries.outlook("b"),
    )
    assert (first, second, none) == ("one", "two", None)
    assert (a, nobody) == (instance("a"), None)
    assert outlook[1] is Status.FAILED
    assert isinstance(version, int)
    assert disturbed.calls["take_replies"] == 1


async def test_what_will_become_of_many_costs_one_look() -> None:
    store = MemoryStore()
    owner = Owner(store)
    for n in range(20):
        owner.keep(instance(str(n)))
    suspended = write_event(ExecutionSuspended(5, None))
    store.post([MessageRow(0, str(n), suspended) for n in range(0, 20, 2)])
    disturbed = DisturbedStore(store)
    found = await together(
        disturbed.store, *(partial(Inquiries.outlook, instance_id=str(n)) for n in range(20))
    )
    assert [status for _, status in found] == [Status.SUSPENDED, Status.RUNNING] * 10
    assert disturbed.calls["posted"] == disturbed.calls["instances"] == 1


async def test_two_may_ask_for_the_same() -> None:
    store = MemoryStore()
    Owner(store).keep(instance("a"))
    question: Ask = lambda inquiries: inquiries.row("a")  # noqa: E731 - it has a type so
    assert await together(store, question, question) == [instance("a")] * 2


async def test_what_cannot_be_read_fails_alone() -> None:
    store = MemoryStore()
    Owner(store).keep(instance("a"))
    read = store.instances

    def refuse(ids: set[str]) -> dict[str, InstanceRow]:
        if "odd" in ids:
            raise ValueError("odd")
        return read(ids)

    store.instances = refuse  # type: ignore[method-assign,assignment]
    a, odd = await together(store, lambda asked: asked.row("a"), lambda asked: asked.row("odd"))
    assert a == instance("a")
    assert isinstance(odd, ValueError)


async def test_a_damaged_answer_is_nobody_elses_affair(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    with closing(SQLiteStore(path)) as store:
        Owner(store).commit(replies={"r1": "one", "r2": "two"})
        with closing(sqlite3.connect(path)) as database, database:
            database.execute("UPDATE reply SET body = 'odd' WHERE request_id = 'r1'")
        damaged, sound = await together(
            store,
            lambda inquiries: inquiries.answer("r1"),
            lambda inquiries: inquiries.answer("r2"),
        )
    assert isinstance(damaged, StoreCorruptError)
    assert sound == "two"


async def test_a_store_that_fails_fails_all() -> None:
    disturbed = DisturbedStore(MemoryStore())

    def fail(method: str, _: int) -> None:
        if method == "instances":
            raise OSError("gone")

    disturbed.before = fail
    with pytest.raises(ExceptionGroup) as failed:
        await together(
            disturbed.store,
            lambda inquiries: inquiries.row("a"),
            lambda inquiries: inquiries.row("b"),
        )
    assert failed.group_contains(OSError, match="gone")
