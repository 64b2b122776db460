"""Clients in other processes: their traces go on in the process that runs the App."""

import sys
from collections.abc import Callable
from pathlib import Path

import anyio
import orjson
import pytest
from attrs import define
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, Sampler, TraceIdRatioBased
from opentelemetry.trace import format_trace_id

from perdure import App, Client, OrchestrationContext, Runtime, TraceContext
from perdure.persistence.sqlite import SQLiteStore
from perdure.telemetry import Telemetry

Tree = Callable[[], str]
Named = Callable[[str], list[ReadableSpan]]

PROGRAM = Path(__file__).with_name("tracing_client.py")


def make_app() -> App:
    app = App("served")

    @app.activity
    async def hello() -> str:
        return "hello"

    @app.entity
    @define
    class Counter:
        value: int = 0

        def add(self, amount: int) -> None:
            self.value += amount

    @app.orchestration
    async def greets(ctx: OrchestrationContext) -> str:
        return await ctx.call_activity(hello)

    return app


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Give a file that is a hub already: clients open no other."""
    path = tmp_path / "hub.db"
    SQLiteStore(path).close()
    return path


def ids_of(span: ReadableSpan) -> tuple[str, bool]:
    assert span.context
    return format_trace_id(span.context.trace_id), span.parent is None


async def test_another_process_begins_the_trace(
    telemetry: Telemetry, named: Named, database: Path
) -> None:
    ran = await anyio.run_process([sys.executable, "-W", "error", str(PROGRAM), str(database)])
    trace_id = orjson.loads(ran.stdout)
    async with Runtime(make_app(), database, telemetry=telemetry) as runtime:
        await runtime.client.wait_for_completion("greets")
        await runtime.partition.settled()
    (whole,), (added,) = named("orchestration:greets SERVER"), named("entity:counter:add CONSUMER")
    assert ids_of(whole) == (trace_id, False)
    assert ids_of(added) == (trace_id, False)


async def test_one_telemetry_serves_both_ends(
    telemetry: Telemetry, tree: Tree, database: Path
) -> None:
    async with (
        Runtime(make_app(), database, telemetry=telemetry),
        Client(database, telemetry=telemetry) as client,
    ):
        await (await client.start_new("greets")).result()
        counter = client.entity("Counter", "a")
        await counter.call("add", 1)
    assert (
        tree()
        == """
    create_orchestration:greets PRODUCER
      orchestration:greets SERVER
        activity:hello CLIENT
          activity:hello SERVER
    entity:counter:add CLIENT
      entity:counter:add SERVER
"""
    )


async def test_a_trace_begins_where_nobody_traces(
    telemetry: Telemetry, tree: Tree, database: Path
) -> None:
    async with Client(database) as client:
        await client.start_new("greets", instance_id="greets")
    async with Runtime(make_app(), database, telemetry=telemetry) as runtime:
        await runtime.client.wait_for_completion("greets")
    assert (
        tree()
        == """
    orchestration:greets SERVER
      activity:hello CLIENT
        activity:hello SERVER
"""
    )


async def test_a_context_without_telemetry_is_the_parent(
    telemetry: Telemetry, named: Named, database: Path
) -> None:
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    async with Client(database) as client:
        given = TraceContext(f"00-{trace_id}-00f067aa0ba902b7-01")
        await client.start_new("greets", instance_id="greets", trace_context=given)
    async with Runtime(make_app(), database, telemetry=telemetry) as runtime:
        await runtime.client.wait_for_completion("greets")
    (whole,) = named("orchestration:greets SERVER")
    assert ids_of(whole) == (trace_id, False)


@pytest.mark.parametrize("sampler", [ALWAYS_OFF, TraceIdRatioBased(0.5)])
async def test_the_sampler_decides_about_whole_traces(sampler: Sampler, database: Path) -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(sampler, shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    async with Client(database) as client:
        for number in range(8):
            await client.start_new("greets", instance_id=f"greets-{number}")
    async with Runtime(make_app(), database, telemetry=Telemetry(provider)) as runtime:
        for number in range(8):
            await runtime.client.wait_for_completion(f"greets-{number}")
        await runtime.partition.settled()
    spans = exporter.get_finished_spans()
    sampled = {ids_of(span)[0] for span in spans}
    assert len(spans) == 3 * len(sampled)
    assert not (sampled and sampler is ALWAYS_OFF)
