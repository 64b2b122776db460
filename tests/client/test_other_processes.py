"""Clients that share only the file with the runtime, in this process and in others."""

import importlib.util
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import anyio
import anyio.lowlevel
import orjson
import pytest

from perdure import (
    App,
    Client,
    EntityOperationFailedError,
    InstanceAlreadyExistsError,
    InstanceIdError,
    InstanceNotFoundError,
    InstanceStateError,
    Reuse,
    Runtime,
    Status,
    StoreError,
)

PROGRAM = Path(__file__).with_name("other_process.py")


def loaded() -> ModuleType:
    spec = importlib.util.spec_from_file_location("other_process", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


other = loaded()
app: App = other.app


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "hub.db"


def url(database: Path) -> str:
    return f"sqlite:///{database}"


@asynccontextmanager
async def both(database: Path) -> AsyncGenerator[tuple[Runtime, Client]]:
    """A runtime, and a client that reaches it through the file only."""
    async with (
        Runtime(app, store=url(database), poll_interval=0.005) as runtime,
        Client(url(database), app) as client,
    ):
        yield runtime, client


async def asked(database: Path, *arguments: str) -> Any:
    """What the other process answers."""
    command = [sys.executable, str(PROGRAM), str(database), *arguments]
    done = await anyio.run_process(command, stderr=None)
    return orjson.loads(done.stdout)


async def test_everything_works_from_outside(database: Path) -> None:
    async with both(database) as (_, client):
        instance = await client.start_new(other.waits, "a", instance_id="x", tags={"k": "v"})
        status = await client.wait_for_start("x", timeout=10)
        assert (status.runtime_status, status.tags) == (Status.RUNNING, {"k": "v"})
        shown = await client.get_status("x", show_waiting=True)
        assert shown is not None
        assert [str(w) for w in shown.waiting_for or []] == ["event go"]
        history = await client.get_history("x")
        assert [event.event_type for event in history][1] == "ExecutionStarted"
        await instance.raise_event("GO", "b")
        assert await instance.result(timeout=10) == "a b"
        assert [s.instance_id for s in (await client.query(tags={"k": "v"})).instances] == ["x"]
        assert await client.count() == {Status.COMPLETED: 1}
        assert list(await client.get_many(["x", "y"])) == ["x"]
        again = await client.restart("x", restart_with_new_instance_id=False)
        await again.terminate("enough")
        status = await client.wait_for_completion("x", timeout=10)
        assert (status.runtime_status, status.output) == (Status.TERMINATED, "enough")
        assert (await client.purge("x")).instance_ids == ["x"]
        assert await client.get_status("x") is None


@pytest.mark.parametrize("as_path", [True, False])
async def test_a_missing_file_is_named_and_not_made(database: Path, as_path: bool) -> None:
    mistyped = database.with_name("hob.db")
    place = mistyped if as_path else url(mistyped)
    with pytest.raises(StoreError, match=rf"there is no file {mistyped}: mend the path"):
        await Client(place).__aenter__()
    assert not mistyped.exists()
    async with Client(place, app, create=True) as client:
        await client.start_new(other.waits, "a", instance_id="x")
    async with both(mistyped) as (_, client):
        await client.raise_event("x", "go", "b")
        assert await client.instance("x", str).result(timeout=10) == "a b"


async def test_suspending_and_resuming_from_outside(database: Path) -> None:
    async with both(database) as (runtime, client):
        await client.start_new(other.waits, "a", instance_id="x")
        await client.suspend("x")
        await client.raise_event("x", "go", "b")
        inside = await runtime.client.wait_for_start("x", timeout=10)
        assert inside.runtime_status in (Status.RUNNING, Status.SUSPENDED)
        await until_suspended(runtime.client, "x")
        await client.resume("x")
        assert await client.instance("x", str).result(timeout=10) == "a b"


async def until_suspended(client: Client, instance_id: str) -> None:
    await client.gateway.watch(instance_id, lambda row: row.status is Status.SUSPENDED)


async def test_entity_calls_have_results_outside(database: Path) -> None:
    async with both(database) as (_, client):
        counter = client.entity(other.Counter, "c")
        await counter.signal(other.Counter.add, 2)
        assert await counter.call(other.Counter.add, 3, timeout=10) == 5
        with pytest.raises(EntityOperationFailedError, match="no"):
            await counter.call(other.Counter.fail, timeout=10)
        assert await counter.read() == other.Counter(5)
        page = await client.query_entities(name="counter")
        assert [(found.id.key, found.state) for found in page.entities] == [("c", {"value": 5})]
        await counter.signal("delete")
        assert await counter.call(other.Counter.add, 1, timeout=10) == 1


async def test_bad_requests_are_refused_outside(database: Path) -> None:
    async with both(database) as (_, client):
        await client.start_new(other.waits, "a", instance_id="x")
        with pytest.raises(InstanceAlreadyExistsError):
            await client.start_new(other.waits, "b", instance_id="x")
        with pytest.raises(InstanceIdError):
            await client.start_new(other.waits, "b", instance_id="@x")
        for refuse in (client.terminate, client.suspend, client.resume, client.wait_for_start):
            with pytest.raises(InstanceNotFoundError):
                await refuse("nobody")
        with pytest.raises(InstanceStateError, match="rewind"):
            await client.rewind("x")
        with pytest.raises(InstanceStateError, match="purge"):
            await client.purge("x")
        with pytest.raises(TimeoutError):
            await client.wait_for_completion("x", timeout=0.05)


async def test_work_waits_for_an_owner(database: Path) -> None:
    async with Client(url(database), app, create=True) as client:
        await client.start_new(other.waits, "early", instance_id="x")
        await client.raise_event("x", "go", "bird")
        await client.entity(other.Counter, "c").signal(other.Counter.add, 4)
        with pytest.raises(InstanceAlreadyExistsError):
            await client.start_new(other.waits, "twice", instance_id="x")
        status = await client.get_status("x", show_waiting=True)
        assert status is not None
        assert status.runtime_status is Status.PENDING
        assert [w.kind for w in status.waiting_for or []] == ["start"]
    async with Runtime(app, store=url(database)) as runtime:
        assert await runtime.client.instance("x", str).result(timeout=10) == "early bird"
        assert await runtime.client.entity(other.Counter, "c").call(other.Counter.add, 1) == 5


async def test_scheduled_from_outside_waits_its_time(database: Path) -> None:
    later = datetime.now(UTC) + timedelta(days=1)
    async with both(database) as (runtime, client):
        await client.start_new(other.waits, "x", instance_id="x", start_at=later)
        await client.entity(other.Counter, "c").signal(other.Counter.add, 4, at=later)
        assert await client.entity(other.Counter, "c").call(other.Counter.add, 1, timeout=10) == 1
        status = await runtime.client.get_status("x")
        assert status is not None
        assert (status.runtime_status, status.scheduled_start_time) == (Status.PENDING, later)
        await client.terminate("x")
        await client.wait_for_completion("x", timeout=10)


@pytest.mark.parametrize("loaded_before", [False, True])
async def test_replacing_a_running_instance_outside(database: Path, loaded_before: bool) -> None:
    async with Runtime(app, store=url(database)) as runtime:
        await runtime.client.start_new(other.holds, "c", instance_id="x")
        await runtime.client.wait_for_start("x")
    if loaded_before:
        async with both(database) as (runtime, client):
            await replace_and_finish(runtime, client)
    else:
        async with Client(url(database), app) as client:
            await client.start_new(other.waits, "new", instance_id="x", reuse=Reuse.ANY_STATE)
        async with both(database) as (runtime, client):
            await finish(client)


async def replace_and_finish(runtime: Runtime, client: Client) -> None:
    await runtime.client.suspend("x")
    await until_suspended(runtime.client, "x")
    await client.start_new(other.waits, "new", instance_id="x", reuse=Reuse.ANY_STATE)
    await finish(client)


async def finish(client: Client) -> None:
    await client.raise_event("x", "go", "one")
    assert await client.instance("x", str).result(timeout=10) == "new one"
    # What the replaced one held is free again.
    assert await client.entity(other.Counter, "c").call(other.Counter.add, 1, timeout=10) == 1


async def test_one_wins_a_race_of_two_sides(database: Path) -> None:
    outcomes: dict[str, list[str]] = {}

    async def start(client: Client, side: str, instance_id: str) -> None:
        try:
            await client.start_new(other.waits, side, instance_id=instance_id)
        except InstanceAlreadyExistsError:
            return
        outcomes.setdefault(instance_id, []).append(side)

    async with both(database) as (runtime, client):
        for number in range(20):
            async with anyio.create_task_group() as group:
                for _ in range(3):
                    group.start_soon(start, runtime.client, "inside", f"r{number}")
                    group.start_soon(start, client, "outside", f"r{number}")
        assert len(outcomes) == 20
        for instance_id, (winner,) in outcomes.items():
            await client.raise_event(instance_id, "go", "won")
            assert await client.instance(instance_id, str).result(timeout=10) == f"{winner} won"


async def test_one_wins_a_race_of_two_processes(database: Path) -> None:
    count, ours, theirs = 40, list[str](), list[str]()

    async def there() -> None:
        theirs.extend(await asked(database, "race", str(count)))

    async with Runtime(app, store=url(database), poll_interval=0.005) as runtime:
        async with anyio.create_task_group() as group:
            group.start_soon(there)
            while not await runtime.client.count():
                await anyio.lowlevel.checkpoint()
            for number in reversed(range(count)):
                try:
                    await runtime.client.start_new(
                        other.waits, "ours", instance_id=f"race-{number}"
                    )
                except InstanceAlreadyExistsError:
                    continue
                ours.append(f"race-{number}")
        assert sorted(ours + theirs) == sorted(f"race-{number}" for number in range(count))
        for side, won in (("ours", ours), ("theirs", theirs)):
            for instance_id in won:
                await runtime.client.raise_event(instance_id, "go", "won")
                result = await runtime.client.instance(instance_id, str).result(timeout=10)
                assert result == f"{side} won"


async def test_another_process_follows_an_instance(database: Path) -> None:
    async with Runtime(app, store=url(database), poll_interval=0.005):
        assert await asked(database, "follow", "x") == [2, "hello there"]


async def test_client_here_and_owner_elsewhere(database: Path) -> None:
    command = [sys.executable, str(PROGRAM), str(database), "own"]
    async with await anyio.open_process(command, stderr=None, stdin=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        assert owner.stdin is not None
        assert await owner.stdout.receive(7) == b"running"
        async with Client(url(database), app) as client:
            assert await client.entity(other.Counter, "c").call(other.Counter.add, 7) == 7
            instance = await client.start_new(other.waits, "far")
            await instance.raise_event("go", "away")
            assert await instance.result(timeout=20) == "far away"
        await owner.stdin.send(b"\n")
        assert await owner.wait() == 0


async def test_answers_nobody_waits_for_are_dropped(database: Path) -> None:
    """The owner's clients that gave up leave nothing behind in the file."""
    async with both(database) as (runtime, client):
        await runtime.client.start_new(other.holds, "c", instance_id="h")
        await runtime.client.wait_for_start("h")
        with pytest.raises(TimeoutError):
            await runtime.client.entity(other.Counter, "c").call(other.Counter.add, 1, timeout=0.05)
        await runtime.client.raise_event("h", "go", "x")
        assert await client.entity(other.Counter, "c").call(other.Counter.add, 1, timeout=10) == 2
        assert await client.gateway.read(replies) == 0


def replies(store: Any) -> int:
    with store._file.reading() as database:
        return int(database.execute("SELECT count(*) FROM reply").fetchone()[0])


async def test_resuming_a_parked_instance_outside(database: Path) -> None:
    async with Runtime(app, store=url(database)) as runtime:
        await runtime.client.start_new(other.waits, "a", instance_id="x")
        await runtime.client.wait_for_start("x")
    async with (
        Runtime(App("two"), store=url(database), poll_interval=0.005) as without,
        Client(url(database), app) as client,
    ):
        await client.raise_event("x", "go", "b")
        await without.client.gateway.watch("x", lambda row: row.parked is not None)
        without.app.include(app)
        await client.resume("x")
        assert await client.instance("x", str).result(timeout=10) == "a b"
        status = await client.get_status("x")
        assert status is not None
        assert status.parked is None


async def test_requests_in_a_row_are_seen_by_the_next(database: Path) -> None:
    """With no owner: nothing but the inbox knows what was asked for."""
    async with Client(url(database), app, create=True) as client:
        instance = await client.start_new(other.waits, "a")
        await client.suspend(instance.instance_id)
        await client.resume(instance.instance_id)
        with pytest.raises(InstanceStateError):
            await client.resume(instance.instance_id)
        await client.terminate(instance.instance_id)
        with pytest.raises(InstanceStateError):
            await client.raise_event(instance.instance_id, "go")
    async with Runtime(app, store=url(database)) as runtime:
        status = await runtime.client.wait_for_completion(instance.instance_id, timeout=5)
        assert status.runtime_status is Status.TERMINATED
