"""Clients in other processes hear what becomes of what they wait for; where not, they look."""

from contextlib import closing
from queue import Empty, Queue

import anyio
import anyio.lowlevel
import psycopg
import pytest

from crew_app import app, holdings_of, listen, steps
from perdure import Client, InstanceNotFoundError, Runtime
from perdure.persistence import postgres_ear, postgres_hub
from perdure.persistence.contract.rows import message
from perdure.persistence.postgres import PostgresStore
from perdure.persistence.postgres_address import read_address
from perdure.persistence.postgres_hub import heard, written
from perdure.persistence.records import Hint
from perdure.runtime.client import store_gateway
from perdure.runtime.client.handles import Instance

NEVER = 3_600.0
PAUSES = ("POLL_SHORTEST", "POLL_LONGEST", "UNHEARD_SHORTEST", "UNHEARD_LONGEST")


@pytest.fixture
def never_looking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let clients look once, and then only when they hear something."""
    for pause in PAUSES:
        monkeypatch.setattr(store_gateway, pause, NEVER)


async def is_listened_to(runtime: Runtime) -> None:
    while not holdings_of(runtime).accompanied:
        await anyio.lowlevel.checkpoint()


@pytest.mark.usefixtures("never_looking")
async def test_a_result_is_heard_of(hub: str) -> None:
    results: list[object] = []

    async def wait(instance: Instance[list[int]]) -> None:
        results.append(await instance.result())

    async with Runtime(app, store=hub) as runtime, Client(hub, app=app) as client:
        instance = await client.start_new(listen, 1)
        with anyio.fail_after(30):
            async with anyio.create_task_group() as group:
                group.start_soon(wait, instance)
                await is_listened_to(runtime)
                await runtime.client.raise_event(instance.instance_id, "word", 7)
    assert results == [[7]]


async def test_where_nothing_is_heard_it_looks(hub: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_hub, "_NOTIFIES", "SELECT false")
    async with Runtime(app, store=hub) as runtime, Client(hub, app=app) as client:
        with anyio.fail_after(30):
            assert await (await client.start_new(steps, 3)).result() == 3
        assert not holdings_of(runtime).accompanied


def test_a_cut_ear_hears_again(hub: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_ear, "_RETRY", 0.0)
    told: Queue[Hint] = Queue()
    with closing(PostgresStore.at(hub)) as store, closing(store.listen(told.put)) as ear:
        ear.attend()
        assert told.get(timeout=30) == Hint(listening=True)
        store.post([message("a")])
        number = store.partition_of("a")
        assert told.get(timeout=30).come == {number}
        cut(hub)
        # It has said so again, as who heard it before may be another by now.
        assert told.get(timeout=30) == Hint(listening=True)
        with closing(PostgresStore.at(hub)) as other:
            other.post([message("a")])
        assert told.get(timeout=30).come == {number}
    with pytest.raises(Empty):
        told.get(timeout=0)


def cut(hub: str) -> None:
    """End the sessions that listen."""
    with psycopg.connect(**read_address(hub).parameters) as link:
        link.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE pid <> pg_backend_pid() AND query LIKE 'SELECT pg_notify%'"
        )


def test_a_listener_is_told_of_in_a_hint() -> None:
    for hint in (Hint(listening=True), Hint(changed=frozenset({3}), asked=True, listening=True)):
        assert heard(written(hint)) == hint
        assert hint


@pytest.mark.parametrize("impossible", ["a\0", "\ud800"])
async def test_nobody_is_disturbed_by_an_impossible_id(
    hub: str, impossible: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with Runtime(app, store=hub) as runtime, Client(hub, app=app) as outside:
        for client in (runtime.client, outside):
            instance = await client.start_new(steps, 3)
            for ask in (client.wait_for_completion, client.terminate, client.rewind):
                with pytest.raises(InstanceNotFoundError):
                    await ask(impossible)
            with pytest.raises(InstanceNotFoundError):
                await client.raise_event(impossible, "word", 1)
            assert await instance.result() == 3
    assert "memory is dropped" not in caplog.text
