"""The metrics: what is counted, and what is read off runtimes while they run."""

from collections.abc import Callable, Iterator
from typing import Any

import anyio
import psycopg
import pytest
from attrs import define
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.trace import NoOpTracerProvider

from perdure import App, OrchestrationContext, Runtime, StoreError
from perdure.persistence.opening import open_store
from perdure.persistence.postgres_membership import Membership
from perdure.persistence.store import Store
from perdure.telemetry import Telemetry
from perdure.testing import Environment

Read = Callable[[], dict[str, list[Any]]]


@pytest.fixture
def reader() -> InMemoryMetricReader:
    return InMemoryMetricReader()


@pytest.fixture
def telemetry(reader: InMemoryMetricReader) -> Iterator[Telemetry]:
    """Metrics alone."""
    provider = MeterProvider([reader], shutdown_on_exit=False)
    yield Telemetry(NoOpTracerProvider(), provider)
    provider.shutdown()


@pytest.fixture
def read(reader: InMemoryMetricReader) -> Read:
    """Give the data points of every metric by its name."""

    def collect() -> dict[str, list[Any]]:
        data = reader.get_metrics_data()
        assert data is not None
        return {
            metric.name: list(metric.data.data_points)
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }

    return collect


def make_app() -> App:
    app = App("metered")

    @app.activity
    async def works(number: int) -> int:
        if number < 0:
            raise ValueError(number)
        if number == 0:
            await anyio.sleep_forever()
        return number

    @app.entity
    @define
    class Counter:
        value: int = 0

        def add(self) -> None:
            self.value += 1

    @app.orchestration
    async def holds(ctx: OrchestrationContext) -> None:
        async with ctx.lock_entities(ctx.entity(Counter, "a")):
            await ctx.wait_for_external_event("go")

    @app.orchestration
    async def calls(ctx: OrchestrationContext, number: int) -> int:
        return await ctx.call_activity(works, number)

    return app


async def test_turns_and_commits_are_counted(
    telemetry: Telemetry, read: Read, store: Store
) -> None:
    async with Environment(make_app(), telemetry=telemetry, store=store) as env:
        await (await env.client.start_new("calls", 1)).result()
        await env.settle()
        found = read()
        commits = env.runtime.partition.pipeline.commits
    assert [point.value for point in found["perdure.turns"]] == [2]
    assert [point.value for point in found["perdure.commits"]] == [commits]
    (duration,), (actors,) = found["perdure.commit.duration"], found["perdure.commit.actors"]
    assert (duration.count, actors.count) == (commits, commits)
    assert duration.sum > 0
    assert actors.sum == commits


async def test_activities_are_timed_by_outcome(telemetry: Telemetry, read: Read) -> None:
    async with Environment(make_app(), telemetry=telemetry, patience=0.01) as env:
        for number in (1, 1, -1):
            instance = await env.client.start_new("calls", number)
            await env.client.wait_for_completion(instance.instance_id)
        instance = await env.client.start_new("calls", 0)
        await env.settle()
        await instance.terminate()
        await env.settle()
        points = read()["perdure.activity.duration"]
    assert {point.attributes["perdure.outcome"]: point.count for point in points} == {
        "completed": 2,
        "failed": 1,
        "cancelled": 1,
    }
    assert {point.attributes["durabletask.task.name"] for point in points} == {"works"}


async def test_queues_are_read_off(telemetry: Telemetry, read: Read) -> None:
    async with Environment(make_app(), telemetry=telemetry, patience=0.01, activities_max=2) as env:
        for _ in range(5):
            await env.client.start_new("calls", 0)
        await env.client.start_new("holds", instance_id="holds")
        await env.settle()
        await env.client.entity("Counter", "a").signal("add")
        await env.settle()
        found = gauges(read)
    assert found["activities.running"] == 2
    assert found["activities.waiting"] == 3
    assert found["actors.resident"] == 7
    assert found["mailboxes.messages"] == 1
    assert found["actors.ready"] == 0
    assert found["actors.parked"] == 0


async def test_parked_instances_are_counted(telemetry: Telemetry, read: Read, store: Store) -> None:
    async with Environment(make_app(), store=store) as env:
        await env.client.start_new("holds", instance_id="holds")
        await env.settle()
    async with Environment(App("empty"), store=store, telemetry=telemetry) as env:
        await env.client.raise_event("holds", "go")
        await env.settle()
        assert gauges(read)["actors.parked"] == 1


async def test_what_is_left_is_not_read(telemetry: Telemetry, read: Read) -> None:
    async with Environment(make_app(), telemetry=telemetry) as env:
        await env.client.start_new("holds", instance_id="holds")
        await env.settle()
        async with Environment(make_app(), telemetry=telemetry) as other:
            await other.client.start_new("holds", instance_id="holds")
            await other.settle()
            assert gauges(read)["actors.resident"] == 4
        assert gauges(read)["actors.resident"] == 2
    assert gauges(read)["actors.resident"] == 0


async def test_gauges_of_a_worker_need_no_statement(
    telemetry: Telemetry, read: Read, hub_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        Runtime(make_app(), hub_url, telemetry=telemetry, worker_lease=60) as first,
        Runtime(make_app(), hub_url, telemetry=telemetry, worker_lease=30),
    ):
        with anyio.fail_after(30):
            while len([w for w in await first.client.workers() if len(w.partitions) == 16]) < 2:
                assert gauges(read)["worker.partitions"] <= 32
        with monkeypatch.context() as patched:
            patched.setattr(psycopg.Connection, "execute", None)
            found = gauges(read)
    assert found["worker.lag"] == 0
    assert 0 < found["worker.heartbeat.age"] < 30
    assert 0 < found["worker.lease.remaining"] < 30


async def test_what_waits_for_a_worker_is_counted(
    telemetry: Telemetry, read: Read, hub_url: str
) -> None:
    open_store(hub_url).close()
    server, hub = hub_url.split("&")[:2]
    path = hub.replace("hub=", "-c search_path=")
    with psycopg.connect(server, autocommit=True, options=path) as link:
        # Nobody can read it, so that it stays.
        link.execute(
            "INSERT INTO letter (partition, number, sender, target, body)"
            " VALUES (3, 3, 'gone', 'x', '?')"
        )
        link.execute(
            "INSERT INTO errand"
            " (partition, number, instance_id, execution_id, task_id, attempt, name, due, body)"
            " VALUES (3, 1, 'x', 'e', 1, 1, 'nobody has it', 0, '')"
        )
    async with Runtime(make_app(), hub_url, telemetry=telemetry) as runtime:
        with anyio.fail_after(30):
            while gauges(read).get("worker.lag") != 1:
                await runtime.client.workers()
        found = gauges(read)
        assert found["worker.partitions"] == 32
        assert (found["worker.shared"], found["shared.waiting"]) == (0, 1)
        assert found["shared.waited"] > 3_600


async def test_a_worker_that_is_cut_off_shows_it(
    telemetry: Telemetry, read: Read, hub_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut_off(_: Membership) -> None:
        raise StoreError("the database is away")

    async with Runtime(make_app(), hub_url, telemetry=telemetry, worker_lease=0.3) as runtime:
        monkeypatch.setattr(Membership, "beat", cut_off)
        with anyio.fail_after(30):
            while gauges(read)["worker.lease.remaining"] >= 0:
                await runtime.client.workers()
        assert gauges(read)["worker.heartbeat.age"] > 0.3


async def test_a_runtime_without_shares_tells_nothing_of_workers(
    telemetry: Telemetry, read: Read, store: Store
) -> None:
    async with Environment(make_app(), telemetry=telemetry, store=store):
        assert not [name for name in gauges(read) if name.startswith("worker.")]


def gauges(read: Read) -> dict[str, int]:
    return {
        name.removeprefix("perdure."): points[0].value
        for name, points in read().items()
        if points and hasattr(points[0], "value")
    }
