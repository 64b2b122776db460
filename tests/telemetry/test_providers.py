"""Telemetry that is absent, strange or broken, and what stays the same then."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.trace import NoOpTracerProvider, SpanKind, Tracer

from perdure import App, Client, OrchestrationContext, Runtime
from perdure.persistence.memory import MemoryStore
from perdure.persistence.store import Store
from perdure.telemetry import Telemetry
from perdure.testing import Environment
from perdure.testing.disturbed import DisturbedStore

Tree = Callable[[], str]


def make_app() -> App:
    app = App("provided")

    @app.activity
    async def hello() -> str:
        return "hello"

    @app.orchestration
    async def greets(ctx: OrchestrationContext) -> str:
        return await ctx.call_activity(hello)

    return app


class Broken(SpanProcessor):
    """Raises whenever it is told of a span."""

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        raise RuntimeError("on start")

    def on_end(self, span: ReadableSpan) -> None:
        raise RuntimeError("on end")


class Foreign(NoOpTracerProvider):
    """Not the SDK's, and yet no provider that does nothing."""

    def __init__(self, inner: TracerProvider) -> None:
        self._tracer = inner.get_tracer("inner")

    def get_tracer(self, *_: Any, **__: Any) -> Tracer:
        return Delegating(self._tracer)


class Delegating(Tracer):
    """A tracer without an id generator to be seen."""

    def __init__(self, inner: Tracer) -> None:
        self._inner = inner

    def start_span(self, *args: Any, **options: Any) -> Any:
        return self._inner.start_span(*args, **options)

    def start_as_current_span(self, *args: Any, **options: Any) -> Any:
        return self._inner.start_as_current_span(*args, **options)


async def test_a_broken_processor_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(Broken())
    async with Environment(make_app(), telemetry=Telemetry(provider)) as env:
        assert await (await env.client.start_new("greets")).result() == "hello"
    assert "span create_orchestration:greets is not begun" in caplog.text


async def test_a_foreign_provider_is_named_once(
    provider: TracerProvider, caplog: pytest.LogCaptureFixture
) -> None:
    telemetry = Telemetry(Foreign(provider), NoOpMeterProvider())
    async with Environment(make_app(), telemetry=telemetry) as env:
        assert await (await env.client.start_new("greets")).result() == "hello"
    assert caplog.text.count("the tracers of Foreign have no `id_generator`") == 1


async def test_no_provider_means_no_spans(store: Store) -> None:
    assert isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)
    async with Environment(make_app(), store=store, telemetry=Telemetry()) as env:
        await env.client.start_new("greets", instance_id="one")
        assert await env.client.instance("one").result() == "hello"
    assert "traceparent" not in "".join(row.events for row in store.history("one"))


async def test_other_spans_keep_ids_of_chance(
    provider: TracerProvider, telemetry: Telemetry
) -> None:
    async with Environment(make_app(), telemetry=telemetry) as env:
        await (await env.client.start_new("greets")).result()
    tracer = provider.get_tracer("perdure")
    spans = [tracer.start_span("own", kind=SpanKind.INTERNAL) for _ in range(3)]
    assert len({span.get_span_context().span_id for span in spans}) == 3


async def test_a_lost_commit_is_not_told(telemetry: Telemetry, tree: Tree) -> None:
    disturbed = DisturbedStore(MemoryStore())
    failed = list[str]()

    def fail_once(method: str, _: int) -> None:
        if method == "commit" and not failed:
            failed.append(method)
            raise OSError("the disk is full")

    async with Environment(make_app(), store=disturbed.store, telemetry=telemetry) as env:
        await env.client.start_new("greets", instance_id="one")
        disturbed.before = fail_once
        await env.client.wait_for_completion("one")
    assert failed
    told = tree()
    assert told.count("orchestration:greets SERVER") == 1
    assert told.count("activity:hello CLIENT") == 1


@pytest.mark.parametrize("given", [True, "otel", NoOpTracerProvider()])
def test_what_makes_no_telemetry_is_refused(given: Any) -> None:
    with pytest.raises(TypeError, match="telemetry takes a"):
        Runtime(make_app(), telemetry=given)
    with pytest.raises(TypeError, match="telemetry takes a"):
        Client("memory://", telemetry=given)


def test_providers_are_told_from_other_things() -> None:
    wrong: Any = "https://collector:4317"
    with pytest.raises(TypeError, match="tracer_provider takes"):
        Telemetry(wrong)
    with pytest.raises(TypeError, match="meter_provider takes"):
        Telemetry(None, wrong)


def test_the_core_knows_no_opentelemetry() -> None:
    text = "import perdure, perdure.testing, sys; assert 'opentelemetry' not in sys.modules"
    subprocess.run([sys.executable, "-c", text], check=True, timeout=50)
