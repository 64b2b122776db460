"""The trace context on its way: from the caller through the store to the user's code."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from opentelemetry import baggage, trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import format_span_id, format_trace_id

from perdure import App, OrchestrationContext, TraceContext
from perdure.persistence.store import Store
from perdure.telemetry import Telemetry
from perdure.testing import Environment

Named = Callable[[str], list[ReadableSpan]]

TRACE_ID, SPAN_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GIVEN = TraceContext(f"00-{TRACE_ID}-{SPAN_ID}-01", "congo=t61rcWkgMzE", "tenant=blue")


def seen() -> list[str]:
    span = trace.get_current_span().get_span_context()
    ids = [format_trace_id(span.trace_id), format_span_id(span.span_id)]
    return [*ids, span.trace_state.to_header(), str(baggage.get_baggage("tenant"))]


async def seen_on_the_loop() -> list[str]:
    return seen()


def seen_in_a_thread() -> list[str]:
    return seen()


def seen_in_a_process() -> list[str]:
    return seen()


def make_app() -> App:
    app = App("contexts")
    app.activity(seen_on_the_loop)
    app.activity(seen_in_a_thread)
    app.activity(executor="process")(seen_in_a_process)

    @app.orchestration
    async def looks(ctx: OrchestrationContext, activity: str) -> list[str]:
        return await ctx.call_activity(activity, returns=list[str])

    @app.orchestration
    async def passes_on(ctx: OrchestrationContext) -> list[str]:
        return await ctx.call_sub_orchestrator(looks, "seen_on_the_loop")

    @app.orchestration
    async def waits(ctx: OrchestrationContext) -> list[str]:
        await ctx.wait_for_external_event("go")
        return await ctx.call_sub_orchestrator(looks, "seen_on_the_loop")

    return app


def span_id_of(span: ReadableSpan) -> str:
    assert span.context
    return format_span_id(span.context.span_id)


def parent_of(span: ReadableSpan) -> str | None:
    return format_span_id(span.parent.span_id) if span.parent else None


@pytest.mark.parametrize("place", ["on_the_loop", "in_a_thread", "in_a_process"])
async def test_user_code_sees_its_span(telemetry: Telemetry, named: Named, place: str) -> None:
    async with Environment(make_app(), telemetry=telemetry, patience=20) as env:
        instance = await env.client.start_new(
            "looks", f"seen_{place}", returns=list[str], trace_context=GIVEN
        )
        saw = await instance.result()
    (served,) = named(f"activity:seen_{place} SERVER")
    assert saw == [TRACE_ID, span_id_of(served), GIVEN.tracestate, "blue"]


async def test_user_code_can_say_more(telemetry: Telemetry, named: Named) -> None:
    app = App("says")

    @app.activity
    async def says() -> None:
        trace.get_current_span().set_attribute("rows", 7)

    @app.orchestration
    async def calls(ctx: OrchestrationContext) -> None:
        await ctx.call_activity(says)

    async with Environment(app, telemetry=telemetry) as env:
        await (await env.client.start_new(calls)).result()
    (served,) = named("activity:says SERVER")
    assert served.attributes
    assert served.attributes["rows"] == 7


async def test_the_given_context_survives_a_crash(
    telemetry: Telemetry, named: Named, store: Store
) -> None:
    async with Environment(make_app(), telemetry=telemetry, store=store) as env:
        await env.client.start_new("waits", instance_id="p", trace_context=GIVEN)
        await env.crash()
        await env.client.raise_event("p", "go")
        saw = await env.client.instance("p", list[str]).result()
    (created,), (served,) = (
        named("create_orchestration:waits PRODUCER"),
        named("activity:seen_on_the_loop SERVER"),
    )
    assert parent_of(created) == SPAN_ID
    assert saw == [TRACE_ID, span_id_of(served), GIVEN.tracestate, "blue"]


async def test_what_is_current_is_the_parent(
    provider: TracerProvider, telemetry: Telemetry, named: Named
) -> None:
    tracer = provider.get_tracer("caller")
    async with Environment(make_app(), telemetry=telemetry) as env:
        with tracer.start_as_current_span("request") as request:
            own = request.get_span_context()
            headers = f"00-{format_trace_id(own.trace_id)}-{SPAN_ID}-01"
            await env.client.start_new("passes_on", instance_id="plain")
            # What is current here is a part of what came in by these headers, and nearer.
            await env.client.start_new(
                "passes_on", instance_id="headers", trace_context=TraceContext(headers)
            )
        await env.client.wait_for_completion("headers")
    created = named("create_orchestration:passes_on PRODUCER")
    assert [parent_of(span) for span in created] == [format_span_id(own.span_id)] * 2


async def test_an_unsampled_trace_stays_so(exporter: InMemorySpanExporter) -> None:
    provider = TracerProvider(ALWAYS_OFF, shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    async with Environment(make_app(), telemetry=Telemetry(provider)) as env:
        instance = await env.client.start_new("looks", "seen_on_the_loop", returns=list[str])
        trace_id, *_ = await instance.result()
    assert exporter.get_finished_spans() == ()
    assert int(trace_id, 16) != 0


async def test_a_context_is_carried_without_telemetry(store: Store) -> None:
    async with Environment(make_app(), store=store) as env:
        await env.client.start_new("passes_on", instance_id="p", trace_context=GIVEN)
        await env.client.wait_for_completion("p")
    stored = [event["trace"] for event in events_of(store, "p") if "trace" in event]
    assert {trace["baggage"] for trace in stored} == {"tenant=blue"}
    assert {trace["traceparent"][:35] for trace in stored} == {f"00-{TRACE_ID}"}


async def test_without_traces_nothing_is_stored(store: Store) -> None:
    async with Environment(make_app(), store=store) as env:
        await env.client.start_new("passes_on", instance_id="p")
        await env.client.wait_for_completion("p")
    assert not any("trace" in event for event in events_of(store, "p"))


def events_of(store: Store, instance_id: str) -> list[dict[str, Any]]:
    return [event for row in store.history(instance_id) for event in orjson.loads(row.events)]


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (GIVEN.traceparent, TypeError),
        (TraceContext("00-1-2-01"), ValueError),
        (TraceContext(f"00-{'0' * 32}-{SPAN_ID}-01"), ValueError),
    ],
)
async def test_a_wrong_context_is_refused(given: Any, problem: type[Exception]) -> None:
    async with Environment(make_app()) as env:
        with pytest.raises(problem, match="00-"):
            await env.client.start_new("passes_on", trace_context=given)


@pytest.mark.parametrize(
    "traceparent",
    [
        "",
        "nonsense",
        f"ff-{TRACE_ID}-{SPAN_ID}-01",
        f"00-{TRACE_ID.upper()}-{SPAN_ID}-01",
        f"00-{TRACE_ID}-{'0' * 16}-01",
        f"00-{TRACE_ID}-{SPAN_ID}",
    ],
)
def test_bad_headers_are_no_context(traceparent: str) -> None:
    assert TraceContext.from_headers({"traceparent": traceparent}) is None
    assert TraceContext.from_headers({}) is None


def test_headers_are_read_with_care() -> None:
    later = {"traceparent": f"cc-{TRACE_ID}-{SPAN_ID}-01-what-comes", "tracestate": "x" * 513}
    assert TraceContext.from_headers(later) == TraceContext(f"00-{TRACE_ID}-{SPAN_ID}-01")
    full = {"traceparent": GIVEN.traceparent, "tracestate": "congo=t61rcWkgMzE"}
    assert TraceContext.from_headers({**full, "baggage": " tenant=blue "}) == GIVEN
